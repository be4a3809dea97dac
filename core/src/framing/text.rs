//! A framing as text, as options in URLs have it.

use super::{ByteOrder, Framing, LengthField, Width};
use crate::base::text::{number, unescaped};

impl Framing {
    /// Reads `line`, `fixed:LENGTH`, `delimiter:BYTES`, `length:WIDTH` or `resp`, and behind it settings, each after a comma:
    /// `max_frame=N`; of lines and delimiters `keep_delimiter=BOOL` and `deliver_rest=BOOL`, and of delimiters `or=BYTES` for
    /// each further one; of a length field `order=big|little`, `offset=N`, `adjustment=N` and `strip=N|header`; of `resp` `max_arguments=N`. In
    /// BYTES a comma stands as `%2C`, and any byte may stand as `%` and two hexadecimal digits. `None` for anything
    /// else. The framing may contradict itself: see [`check`](Self::check).
    pub(crate) fn from_text(text: &str) -> Option<Framing> {
        let mut parts = text.split(',');
        let kind = parts.next()?;
        let mut max_frame = Self::DEFAULT_MAX_FRAME;
        let (mut keeps_delimiter, mut delivers_rest) = (false, false);
        let mut others = Vec::new();
        for (name, value) in parts.map(|setting| setting.split_once('=')).collect::<Option<Vec<_>>>()? {
            match name {
                "max_frame" => max_frame = number(value).filter(|bytes| *bytes > 0)?,
                "keep_delimiter" => keeps_delimiter = value.parse().ok()?,
                "deliver_rest" => delivers_rest = value.parse().ok()?,
                _ => others.push((name, value)),
            }
        }
        let framing = of_kind(kind, &others)?.max_frame(max_frame);
        Some(Framing { keeps_delimiter, delivers_rest, ..framing })
    }
}

fn of_kind(kind: &str, settings: &[(&str, &str)]) -> Option<Framing> {
    let framing = match kind.split_once(':').unwrap_or((kind, "")) {
        ("length", width) => return length_field(width, settings).map(Framing::length_field),
        ("line", _) if kind == "line" => Framing::line(),
        ("fixed", length) => Framing::fixed(number(length)?),
        ("delimiter", bytes) => return delimited(bytes, settings),
        ("resp", _) if kind == "resp" => return commands(settings),
        _ => return None,
    };
    settings.is_empty().then_some(framing)
}

fn commands(settings: &[(&str, &str)]) -> Option<Framing> {
    settings.iter().try_fold(Framing::resp(), |framing, (name, count)| match *name {
        "max_arguments" => Some(framing.max_arguments(number(count).filter(|count| *count > 0)?)),
        _ => None,
    })
}

fn delimited(first: &str, settings: &[(&str, &str)]) -> Option<Framing> {
    let first = unescaped(first)?;
    let further = settings.iter().map(|(name, bytes)| unescaped(bytes).filter(|_| *name == "or"));
    let further = further.collect::<Option<Vec<_>>>()?;
    Some(match further.is_empty() {
        true => Framing::delimiter(first),
        false => Framing::delimiters([vec![first], further].concat()),
    })
}

fn length_field(width: &str, settings: &[(&str, &str)]) -> Option<LengthField> {
    let mut field = LengthField::new(self::width(width)?, ByteOrder::Big);
    for (name, value) in settings {
        match (*name, *value) {
            ("order", "big") => field.order = ByteOrder::Big,
            ("order", "little") => field.order = ByteOrder::Little,
            ("offset", bytes) => field.offset = number(bytes)?,
            ("adjustment", bytes) => field.adjustment = adjustment(bytes)?,
            ("strip", "header") => field.strip = LengthField::STRIP_HEADER,
            ("strip", bytes) => field.strip = number(bytes)?,
            _ => return None,
        }
    }
    Some(field)
}

fn width(text: &str) -> Option<Width> {
    Some(match text {
        "1" => Width::One,
        "2" => Width::Two,
        "3" => Width::Three,
        "4" => Width::Four,
        "8" => Width::Eight,
        "varint" => Width::Varint,
        _ => return None,
    })
}

fn adjustment(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(bytes) => number::<i64>(bytes).map(|bytes| -bytes),
        None => number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text is read as, in the words of `Debug`.
    fn read(text: &str) -> Option<String> {
        Framing::from_text(text).map(|framing| format!("{framing:?}"))
    }

    fn shown(framing: Framing) -> Option<String> {
        Some(format!("{framing:?}"))
    }

    #[test]
    fn each_kind_is_read_with_its_settings() {
        assert_eq!(read("line"), shown(Framing::line()));
        assert_eq!(read("line,max_frame=80"), shown(Framing::line().max_frame(80)));
        assert_eq!(read("fixed:128"), shown(Framing::fixed(128)));
        assert_eq!(read("delimiter:%0D%0A"), shown(Framing::delimiter("\r\n")));
        assert_eq!(read("delimiter:a:b=c"), shown(Framing::delimiter("a:b=c")));
        assert_eq!(read("delimiter:%2C%26%25,max_frame=9"), shown(Framing::delimiter(",&%").max_frame(9)));
    }

    #[test]
    fn commands_have_limits() {
        assert_eq!(read("resp"), shown(Framing::resp()));
        let limited = Framing::resp().max_frame(9).max_arguments(5);
        assert_eq!(read("resp,max_arguments=5,max_frame=9"), shown(limited));
    }

    #[test]
    fn what_ends_a_frame_can_be_several_and_kept_and_missing() {
        assert_eq!(read("line,deliver_rest=true"), shown(Framing::line().deliver_rest()));
        assert_eq!(read("line,deliver_rest=false,keep_delimiter=false"), shown(Framing::line()));
        let both = Framing::delimiter(";").keep_delimiter().deliver_rest();
        assert_eq!(read("delimiter:;,keep_delimiter=true,deliver_rest=true"), shown(both));
        let several = Framing::delimiters(["\r\n", "\n", ","]).max_frame(9);
        assert_eq!(read("delimiter:%0D%0A,or=%0A,max_frame=9,or=%2C"), shown(several));
    }

    #[test]
    fn a_length_field_has_all_its_members() {
        let widths = [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight, Width::Varint];
        for (text, width) in ["1", "2", "3", "4", "8", "varint"].into_iter().zip(widths) {
            let field = LengthField::new(width, ByteOrder::Big);
            assert_eq!(read(&format!("length:{text}")), shown(Framing::length_field(field)));
        }
        let (width, order) = (Width::Four, ByteOrder::Little);
        let field = LengthField { offset: 2, width, order, adjustment: -6, strip: 3 };
        let text = "length:4,order=little,offset=2,adjustment=-6,strip=3,max_frame=65535";
        assert_eq!(read(text), shown(Framing::length_field(field).max_frame(65_535)));
        let field = LengthField { adjustment: 7, ..LengthField::default() };
        assert_eq!(read("length:4,order=big,adjustment=7,strip=header"), shown(Framing::length_field(field)));
    }

    #[test]
    fn anything_else_is_no_framing() {
        for text in [
            "",
            "lines",
            "line:",
            "line:5",
            "line,",
            "line,max_frame",
            "line,max_frame=0",
            "line,max_frame=x",
            "line,order=big",
            "fixed",
            "fixed:",
            "fixed:-1",
            "fixed:1k",
            "fixed:4,offset=1",
            "line,or=a",
            "line,keep_delimiter",
            "line,keep_delimiter=1",
            "line,deliver_rest=yes",
            "delimiter:a,or=%0",
            "delimiter:a,of=b",
            "resp:",
            "resp,max_arguments=0",
            "resp,max_arguments=x",
            "resp,or=a",
            "line,max_arguments=5",
            "length:4,or=a",
            "delimiter:%0",
            "delimiter:a,b",
            "length",
            "length:",
            "length:5",
            "length:4,order=middle",
            "length:4,offset=-1",
            "length:4,adjustment=+1",
            "length:4,adjustment=--1",
            "length:4,adjustment=-",
            "length:4,strip=all",
            "length:4,colour=red",
            "length:4,order",
            "custom",
            "none",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
