//! The commands about keys, whatever their values.

use std::borrow::Cow;

use crate::commands::{integer, invalid_expire, Outcome, SYNTAX};
use crate::glob::matches;
use crate::resp::{Arguments, Replies};
use crate::store::{Moment, Session, NEVER};

pub fn del(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    count(args, session, replies, |session, key| session.remove(key))
}

pub fn exists(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    count(args, session, replies, |session, key| session.get(key).is_some())
}

/// Answers for how many of the keys, repeated ones counted again, `holds`.
fn count(
    args: Arguments<'_>,
    session: &mut Session<'_>,
    replies: &mut Replies<'_>,
    holds: impl Fn(&mut Session<'_>, &[u8]) -> bool,
) -> Outcome {
    if args.len() > 2 {
        session.lock_all();
    }
    let count = args.from(1).filter(|key| holds(session, key)).count();
    replies.integer(count as i64);
    Ok(())
}

/// The options of EXPIRE: whether a time to live may follow another.
fn expire_options(args: Arguments<'_>) -> Result<impl Fn(Moment, Moment) -> bool, Cow<'static, str>> {
    let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
    for word in args.from(3) {
        match &*word.to_ascii_lowercase() {
            b"nx" => nx = true,
            b"xx" => xx = true,
            b"gt" => gt = true,
            b"lt" => lt = true,
            _ => return Err(format!("Unsupported option {}", String::from_utf8_lossy(word)).into()),
        }
    }
    if nx && (xx || gt || lt) {
        return Err("NX and XX, GT or LT options at the same time are not compatible".into());
    }
    if gt && lt {
        return Err("GT and LT options at the same time are not compatible".into());
    }
    Ok(move |new, old| !(nx && old != NEVER || xx && old == NEVER || gt && new <= old || lt && new >= old))
}

fn expire_after(
    args: Arguments<'_>,
    unit: i64,
    session: &mut Session<'_>,
    replies: &mut Replies<'_>,
) -> Outcome {
    let may_follow = expire_options(args)?;
    let name = if unit == 1 { "pexpire" } else { "expire" };
    let time = integer(args.at(2))?.checked_mul(unit).ok_or_else(|| invalid_expire(name))?;
    let moment = match u64::try_from(time) {
        Ok(time) if time > 0 => session.after(time).ok_or_else(|| invalid_expire(name))?,
        _ => 0,
    };
    let old = session.get(args.at(1)).map(|entry| entry.expires());
    let changes = old.is_some_and(|old| may_follow(moment, old));
    match moment {
        0 if changes => drop(session.remove(args.at(1))),
        _ if changes => drop(session.expire(args.at(1), moment)),
        _ => {}
    }
    replies.integer(i64::from(changes));
    Ok(())
}

pub fn expire(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    expire_after(args, 1000, session, replies)
}

pub fn pexpire(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    expire_after(args, 1, session, replies)
}

pub fn persist(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let expires = session.get(args.at(1)).is_some_and(|entry| entry.expires() != NEVER);
    replies.integer(i64::from(expires && session.expire(args.at(1), NEVER)));
    Ok(())
}

fn ttl_in(args: Arguments<'_>, unit: u64, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let now = session.now();
    replies.integer(match session.get(args.at(1)).map(|entry| entry.expires()) {
        None => -2,
        Some(NEVER) => -1,
        Some(moment) => ((moment - now + unit / 2) / unit) as i64,
    });
    Ok(())
}

pub fn ttl(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    ttl_in(args, 1000, session, replies)
}

pub fn pttl(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    ttl_in(args, 1, session, replies)
}

pub fn keys(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let pattern = args.at(1);
    let found: Vec<&[u8]> =
        session.entries().map(|entry| entry.key()).filter(|key| matches(pattern, key)).collect();
    replies.array(found.len());
    found.iter().for_each(|key| replies.bulk(key));
    Ok(())
}

/// The options of SCAN.
struct ScanOptions<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    only_strings: bool,
}

fn scan_options(args: Arguments<'_>) -> Result<ScanOptions<'_>, Cow<'static, str>> {
    let mut options = ScanOptions { pattern: None, count: 10, only_strings: true };
    let mut words = args.from(2);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(SYNTAX)?;
        match &*word.to_ascii_lowercase() {
            b"match" => options.pattern = Some(value),
            b"count" => {
                let count = usize::try_from(integer(value)?).ok().filter(|count| *count > 0);
                options.count = count.ok_or(SYNTAX)?;
            }
            b"type" => options.only_strings = value.eq_ignore_ascii_case(b"string"),
            _ => return Err(SYNTAX),
        }
    }
    Ok(options)
}

/// Whole parts of the values, until there were as many keys as asked for: what is there all the time is seen.
pub fn scan(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let cursor = std::str::from_utf8(args.at(1)).ok().and_then(|text| text.parse::<u64>().ok());
    let mut part = usize::try_from(cursor.ok_or("invalid cursor")?).unwrap_or(usize::MAX);
    let options = scan_options(args)?;
    let (mut seen, mut found) = (0, Vec::new());
    let is_asked =
        |key: &[u8]| options.only_strings && options.pattern.is_none_or(|pattern| matches(pattern, key));
    while seen < options.count {
        let Some(entries) = session.part(part) else {
            part = 0;
            break;
        };
        for entry in entries {
            seen += 1;
            found.extend(is_asked(entry.key()).then(|| entry.key().to_vec()));
        }
        part += 1;
    }
    replies.array(2);
    replies.bulk(part.to_string().as_bytes());
    replies.array(found.len());
    found.iter().for_each(|key| replies.bulk(key));
    Ok(())
}

pub fn kind(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.simple(if session.get(args.at(1)).is_some() { "string" } else { "none" });
    Ok(())
}

pub fn dbsize(_: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.integer(session.len() as i64);
    Ok(())
}

pub fn flush(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let is_mode = |word: &[u8]| word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async");
    if args.len() > 2 || !args.from(1).all(is_mode) {
        return Err(SYNTAX);
    }
    session.clear();
    replies.simple("OK");
    Ok(())
}
