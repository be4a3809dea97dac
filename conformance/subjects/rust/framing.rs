//! Framings as text, and what of a frame is a command.

use reactor_core::{BoxError, ByteOrder, Framing, LengthField, Width};

/// How a connection's input comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Frames {
    /// As a stream.
    #[default]
    None,
    /// One frame at a time.
    Plain,
    /// The same, by the subject's own function: with the header that it understands.
    Custom,
}

impl Frames {
    /// What of a frame is the command.
    pub(crate) fn payload(self, frame: &[u8]) -> &[u8] {
        let header = match self {
            Frames::Custom => frame.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1),
            _ => 0,
        };
        frame[header..].trim_ascii_end()
    }
}

/// A framing from its SPEC; `None` for `none`.
pub(crate) fn parse(spec: &str) -> Result<(Option<Framing>, Frames), String> {
    let (spec, max) = spec.split_once(":max=").map_or((spec, None), |(spec, max)| (spec, Some(max)));
    let wrong = || format!("{spec} is no framing");
    let (spec, keeps) = spec.strip_suffix(":keep").map_or((spec, false), |spec| (spec, true));
    let (spec, delivers_rest) = spec.strip_suffix(":rest").map_or((spec, false), |spec| (spec, true));
    let mut parts = spec.split(':');
    let frames = if spec == "custom" { Frames::Custom } else { Frames::Plain };
    let framing = match parts.next().unwrap_or_default() {
        "none" => return Ok((None, Frames::None)),
        "line" => Framing::line(),
        "custom" => Framing::custom(measure),
        "resp" => match parts.next().map(str::parse) {
            None => Framing::resp(),
            Some(count) => Framing::resp().max_arguments(count.map_err(|_| wrong())?),
        },
        "fixed" => Framing::fixed(parts.next().and_then(|size| size.parse().ok()).ok_or_else(wrong)?),
        "delimiter" => delimiter(parts.next().unwrap_or_default()).ok_or_else(wrong)?,
        "length" => Framing::length_field(length_field(&parts.collect::<Vec<_>>()).ok_or_else(wrong)?),
        _ => return Err(wrong()),
    };
    let framing = if keeps { framing.keep_delimiter() } else { framing };
    let framing = if delivers_rest { framing.deliver_rest() } else { framing };
    let max = max.map_or(Some(0), |max| max.parse().ok()).ok_or_else(wrong)?;
    Ok((Some(framing.max_frame(max)), frames))
}

/// `HEX`, or several of them, `HEX+HEX`.
fn delimiter(hex: &str) -> Option<Framing> {
    let all = hex.split('+').map(crate::text::from_hex).collect::<Option<Vec<_>>>()?;
    Some(match &all[..] {
        [one] => Framing::delimiter(one.clone()),
        _ => Framing::delimiters(all),
    })
}

/// `WIDTH:ORDER` or `WIDTH:ORDER:OFFSET:ADJUST:STRIP`.
fn length_field(parts: &[&str]) -> Option<LengthField> {
    let (width, order, rest) = match parts {
        [width, order, rest @ ..] => (*width, *order, rest),
        _ => return None,
    };
    let order = match order {
        "big" => ByteOrder::Big,
        "little" => ByteOrder::Little,
        _ => return None,
    };
    let mut field = LengthField::new(self::width(width)?, order);
    if let [offset, adjustment, strip] = rest {
        field.offset = offset.parse().ok()?;
        field.adjustment = adjustment.parse().ok()?;
        field.strip = if *strip == "header" { LengthField::STRIP_HEADER } else { strip.parse().ok()? };
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

/// `5:hello`: decimal digits, a colon, and that many bytes.
fn measure(input: &[u8]) -> Result<Option<usize>, BoxError> {
    if !input[0].is_ascii_digit() {
        return Err("a frame begins with a digit".into());
    }
    let Some(colon) = input.iter().position(|byte| *byte == b':') else { return Ok(None) };
    let size: usize = std::str::from_utf8(&input[..colon])?.parse()?;
    Ok(Some(colon + 1 + size))
}
