//! Patterns as KEYS takes them: `*`, `?`, `[abc]`, `[^a-z]`, and `\` in front of what is meant literally.

/// Whether the whole text fits the pattern. It takes at most the product of their lengths, unlike trying every
/// way of every `*`: only the last `*` ever has to be tried again.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Behind the last `*`, and how far the text was taken by it.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
        } else if let Some(taken) = matches_one(&pattern[p..], text[t]) {
            p += taken;
            t += 1;
        } else if let Some((behind, taken)) = retry {
            (p, t) = (behind, taken + 1);
            retry = Some((p, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether a byte fits the beginning of a pattern, and how much of the pattern that is.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    let (fits, taken) = match pattern {
        [] => return None,
        [b'?', ..] => (true, 1),
        [b'\\', literal, ..] => (*literal == byte, 2),
        [b'[', set @ ..] => {
            let (fits, taken) = matches_set(set, byte);
            (fits, 1 + taken)
        }
        [literal, ..] => (*literal == byte, 1),
    };
    fits.then_some(taken)
}

/// The same for what stands behind a `[`. A set that is not closed ends with the pattern, as in Redis.
fn matches_set(set: &[u8], byte: u8) -> (bool, usize) {
    let negated = set.first() == Some(&b'^');
    let (mut at, mut found) = (usize::from(negated), false);
    loop {
        let (range, taken) = match &set[at..] {
            [] => return (found != negated, at),
            [b']', ..] => return (found != negated, at + 1),
            [b'\\', literal, ..] => (*literal..=*literal, 2),
            [first, b'-', last, ..] => (*first.min(last)..=*first.max(last), 3),
            [literal, ..] => (*literal..=*literal, 1),
        };
        found |= range.contains(&byte);
        at += taken;
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_what_redis_says_they_fit() {
        let fitting = [
            ("*", ""),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hbllo"),
            ("h[a-c]llo", "hbllo"),
            ("h[c-a]llo", "hbllo"),
            ("a\\*b", "a*b"),
            ("*a*b*c*", "xaxbxcx"),
            ("[\\]]", "]"),
            ("[ab", "b"),
        ];
        for (pattern, text) in fitting {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} should fit {text}");
        }
        let others =
            [("", "a"), ("h?llo", "hllo"), ("h[^e]llo", "hello"), ("a\\*b", "aab"), ("*a", "ab"), ("a", "")];
        for (pattern, text) in others {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} should not fit {text}");
        }
    }

    #[test]
    fn many_stars_end() {
        assert!(!matches("*a".repeat(30).as_bytes(), &[b'b'; 10_000]));
        assert!(!matches(format!("{}b", "*a".repeat(30)).as_bytes(), &[b'a'; 10_000]));
    }
}
