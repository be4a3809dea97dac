//! Values as text, as options in URLs have them.

use std::fmt::{self, Write};
use std::str::FromStr;

/// A decimal number without a sign.
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    // What a number's own parser takes besides: a plus.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Bytes of which some are written as `%` and two hexadecimal digits; `None` where a `%` has no two.
pub(crate) fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            byte => byte,
        });
    }
    Some(bytes)
}

/// Bytes as text that [`unescaped`] reads: what is no UTF-8, control characters, `%` and `?` are escaped.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '%' | '?' | '\0'..' ' | '\x7f' => write!(f, "%{:02X}", u32::from(character))?,
                    other => f.write_char(other)?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
        }
        Ok(())
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    // At most 15.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_digits_only() {
        assert_eq!([number("0"), number("0070"), number("300")], [Some(0_u32), Some(70), Some(300)]);
        for text in ["", "+1", "-1", " 1", "1.5", "0x1", "4294967296", "١"] {
            assert_eq!(number::<u32>(text), None, "{text:?}");
        }
    }

    #[test]
    fn escapes_are_two_hexadecimal_digits() {
        assert_eq!(unescaped("a%0d%0Ab%25é").as_deref(), Some("a\r\nb%é".as_bytes()));
        assert_eq!(unescaped("%ff%00").as_deref(), Some(&[255, 0][..]));
        for text in ["%", "%1", "%g0", "%0g", "%+1", "%%20"] {
            assert_eq!(unescaped(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&all[..], "é/%41?\u{1f600}".as_bytes(), b"\xe2\x82", b"", b"plain"] {
            assert_eq!(unescaped(&Escaped(bytes).to_string()).as_deref(), Some(bytes));
        }
        assert_eq!(Escaped("/é a%?\n".as_bytes()).to_string(), "/é a%25%3F%0A");
        assert_eq!(Escaped(b"\xff\x80x").to_string(), "%FF%80x");
    }
}
