//! The commands that read and write values.

use std::borrow::Cow;

use crate::commands::{integer, invalid_expire, wrong_number, Outcome, SYNTAX};
use crate::resp::{Arguments, Replies};
use crate::store::{Moment, Session, NEVER};

pub fn get(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.optional(session.get(args.at(1)).map(|entry| entry.value()));
    Ok(())
}

/// The options of SET.
#[derive(Default)]
struct SetOptions {
    only_new: bool,
    only_existing: bool,
    answers_old: bool,
    keeps_ttl: bool,
    expires: Option<Moment>,
}

fn set_options(args: Arguments<'_>, session: &mut Session<'_>) -> Result<SetOptions, Cow<'static, str>> {
    let mut options = SetOptions::default();
    let mut words = args.from(3);
    while let Some(word) = words.next() {
        match &*word.to_ascii_lowercase() {
            b"nx" if !options.only_existing => options.only_new = true,
            b"xx" if !options.only_new => options.only_existing = true,
            b"get" => options.answers_old = true,
            b"keepttl" if options.expires.is_none() => options.keeps_ttl = true,
            unit @ (b"ex" | b"px") if options.expires.is_none() && !options.keeps_ttl => {
                let unit = if unit == b"ex" { 1000 } else { 1 };
                let moment = moment_after(words.next().ok_or(SYNTAX)?, unit, session)?;
                options.expires = Some(moment.ok_or_else(|| invalid_expire("set"))?);
            }
            _ => return Err(SYNTAX),
        }
    }
    Ok(options)
}

pub fn set(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let (key, value) = (args.at(1), args.at(2));
    if args.len() == 3 {
        session.set(key, value, NEVER);
        replies.simple("OK");
        return Ok(());
    }
    let options = set_options(args, session)?;
    let old = session.get(key);
    let writes = if old.is_some() { !options.only_new } else { !options.only_existing };
    let kept = old.as_ref().filter(|_| options.keeps_ttl).map(|entry| entry.expires());
    if options.answers_old {
        replies.optional(old.map(|entry| entry.value()));
    }
    if writes {
        session.set(key, value, options.expires.or(kept).unwrap_or(NEVER));
    }
    match (options.answers_old, writes) {
        (true, _) => {}
        (false, true) => replies.simple("OK"),
        (false, false) => replies.null(),
    }
    Ok(())
}

pub fn setnx(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let is_new = session.get(args.at(1)).is_none();
    if is_new {
        session.set(args.at(1), args.at(2), NEVER);
    }
    replies.integer(i64::from(is_new));
    Ok(())
}

pub fn setex(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let moment = moment_after(args.at(2), 1000, session)?.ok_or_else(|| invalid_expire("setex"))?;
    session.set(args.at(1), args.at(3), moment);
    replies.simple("OK");
    Ok(())
}

/// The moment after so many units of so many milliseconds; `None` if it is not a moment to come, or too far away.
fn moment_after(
    time: &[u8],
    unit: u64,
    session: &mut Session<'_>,
) -> Result<Option<Moment>, Cow<'static, str>> {
    let time = u64::try_from(integer(time)?).ok().filter(|time| *time > 0);
    let milliseconds = time.and_then(|time| time.checked_mul(unit));
    Ok(milliseconds.and_then(|milliseconds| session.after(milliseconds)))
}

pub fn incr(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    add(args.at(1), 1, session, replies)
}

pub fn decr(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    add(args.at(1), -1, session, replies)
}

pub fn incrby(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    add(args.at(1), integer(args.at(2))?, session, replies)
}

pub fn decrby(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let by = integer(args.at(2))?.checked_neg().ok_or("decrement would overflow")?;
    add(args.at(1), by, session, replies)
}

fn add(key: &[u8], by: i64, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let (value, expires) = match session.get(key) {
        Some(entry) => (integer(entry.value())?, entry.expires()),
        None => (0, NEVER),
    };
    let value = value.checked_add(by).ok_or("increment or decrement would overflow")?;
    session.set(key, value.to_string().as_bytes(), expires);
    replies.integer(value);
    Ok(())
}

/// Bytes that the values of one MGET may have together: a small request can ask for one large value many
/// times.
const MAX_MGET: usize = 64 << 20;

pub fn mget(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    session.lock_all();
    let total: usize = args.from(1).map(|key| session.get(key).map_or(0, |entry| entry.value().len())).sum();
    if total > MAX_MGET {
        return Err("the values have more than 64 MiB together".into());
    }
    replies.array(args.len() - 1);
    for key in args.from(1) {
        replies.optional(session.get(key).map(|entry| entry.value()));
    }
    Ok(())
}

pub fn mset(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if args.len().is_multiple_of(2) {
        return Err(wrong_number("mset"));
    }
    session.lock_all();
    for at in (1..args.len()).step_by(2) {
        session.set(args.at(at), args.at(at + 1), NEVER);
    }
    replies.simple("OK");
    Ok(())
}

pub fn strlen(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.integer(session.get(args.at(1)).map_or(0, |entry| entry.value().len() as i64));
    Ok(())
}
