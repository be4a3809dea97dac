//! COMMAND: what there is, for clients that look where keys stand. As Redis 7 tells it.

use crate::commands::{Outcome, SYNTAX};
use crate::resp::{Arguments, Replies};
use crate::store::Session;
use crate::table::{Command, Keys, COMMANDS};

/// Also COMMAND INFO without names: all of them.
pub fn all(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.array(COMMANDS.len());
    COMMANDS.iter().for_each(|command| describe(command, replies));
    Ok(())
}

pub fn info(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if args.len() == 2 {
        return all(args, session, replies);
    }
    replies.array(args.len() - 2);
    for name in args.from(2) {
        match named(name) {
            Some(command) => describe(command, replies),
            None => replies.null(),
        }
    }
    Ok(())
}

/// The command of this name; "client|id" names a subcommand.
fn named(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|byte| *byte == b'|') {
        Some(bar) => Command::named(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => Command::named(name),
    }
}

pub fn count(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.integer(COMMANDS.len() as i64);
    Ok(())
}

pub fn list(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if args.len() > 2 {
        return Err(SYNTAX);
    }
    let names = || COMMANDS.iter().flat_map(|command| [command].into_iter().chain(command.subcommands));
    replies.array(names().count());
    names().for_each(|command| replies.bulk(command.name.as_bytes()));
    Ok(())
}

/// Nothing is known of any.
pub fn docs(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.map(0);
    Ok(())
}

fn describe(command: &Command, replies: &mut Replies<'_>) {
    let keys = &command.keys;
    replies.array(10);
    replies.bulk(command.name.as_bytes());
    replies.integer(command.arity);
    words(command.flags, |replies, word| replies.simple(word), replies);
    [keys.first, keys.last, keys.step].into_iter().for_each(|position| replies.integer(position));
    words(command.categories, |replies, word| replies.simple(word), replies);
    words(command.tips, |replies, word| replies.text(word), replies);
    replies.set(usize::from(keys.first > 0));
    if keys.first > 0 {
        specify(keys, replies);
    }
    match command.subcommands.len() {
        0 => replies.set(0),
        count => replies.array(count),
    }
    command.subcommands.iter().for_each(|subcommand| describe(subcommand, replies));
}

fn words(words: &str, reply: fn(&mut Replies<'_>, &str), replies: &mut Replies<'_>) {
    replies.set(words.split_whitespace().count());
    words.split_whitespace().for_each(|word| reply(replies, word));
}

/// Where keys stand, in the words of Redis 7: where to begin, and how to go on from there.
fn specify(keys: &Keys, replies: &mut Replies<'_>) {
    replies.map(if keys.notes.is_empty() { 3 } else { 4 });
    if !keys.notes.is_empty() {
        ["notes", keys.notes].into_iter().for_each(|text| replies.text(text));
    }
    replies.text("flags");
    words(keys.flags, |replies, word| replies.simple(word), replies);
    search("begin_search", "index", &[("index", keys.first)], replies);
    // The last one is counted from the first, or from the end if negative.
    let last = if keys.last < 0 { keys.last } else { keys.last - keys.first };
    search("find_keys", "range", &[("lastkey", last), ("keystep", keys.step), ("limit", 0)], replies);
}

fn search(field: &str, kind: &str, spec: &[(&str, i64)], replies: &mut Replies<'_>) {
    replies.text(field);
    replies.map(2);
    ["type", kind, "spec"].into_iter().for_each(|text| replies.text(text));
    replies.map(spec.len());
    for (name, value) in spec {
        replies.text(name);
        replies.integer(*value);
    }
}
