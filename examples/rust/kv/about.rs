//! The commands about the connection and the server.

use std::borrow::Cow;

use crate::commands::{integer, named, unknown_subcommand, wrong_number, Command, Outcome, COMMANDS, SYNTAX};
use crate::glob::matches;
use crate::resp::{Arguments, Replies};
use crate::store::{Session, NEVER};

pub fn ping(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    match args.len() {
        1 => replies.simple("PONG"),
        2 => replies.bulk(args.at(1)),
        _ => return Err(wrong_number("ping")),
    }
    Ok(())
}

pub fn echo(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.bulk(args.at(1));
    Ok(())
}

/// Chooses the version of the protocol, and may say who the client is.
pub fn hello(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let protocol = match args.len() {
        1 => replies.protocol,
        _ => match integer(args.at(1)) {
            Ok(2) => 2,
            Ok(3) => 3,
            Ok(_) => {
                replies.error("NOPROTO unsupported protocol version");
                return Ok(());
            }
            Err(_) => return Err("Protocol version is not an integer or out of range".into()),
        },
    };
    let Some(name) = introduction(args, replies)? else { return Ok(()) };
    replies.protocol = protocol;
    if let Some(name) = name {
        replies.peer.name = name.to_vec();
    }
    replies.map(7);
    for (field, value) in [("server", "redis"), ("version", VERSION)] {
        replies.bulk(field.as_bytes());
        replies.bulk(value.as_bytes());
    }
    replies.bulk(b"proto");
    replies.integer(i64::from(protocol));
    replies.bulk(b"id");
    replies.integer(replies.peer.id);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        replies.bulk(field.as_bytes());
        replies.bulk(value.as_bytes());
    }
    replies.bulk(b"modules");
    replies.array(0);
    Ok(())
}

/// The options of HELLO: the name that SETNAME gives. `None` if they are refused, which was answered.
fn introduction<'a>(
    args: Arguments<'a>,
    replies: &mut Replies<'_>,
) -> Result<Option<Option<&'a [u8]>>, Cow<'static, str>> {
    let (mut user, mut name, mut at) = (None, None, 2);
    while at < args.len() {
        let left = args.len() - at - 1;
        match &*args.at(at).to_ascii_lowercase() {
            b"auth" if left >= 2 => (user, at) = (Some(args.at(at + 1)), at + 3),
            b"setname" if left >= 1 => (name, at) = (Some(args.at(at + 1)), at + 2),
            _ => {
                let option = String::from_utf8_lossy(args.at(at));
                return Err(format!("Syntax error in HELLO option '{option}'").into());
            }
        }
    }
    if user.is_some_and(|user| user != DEFAULT_USER) {
        replies.error(WRONG_PASS);
        return Ok(None);
    }
    match name.is_none_or(is_name) {
        true => Ok(Some(name)),
        false => Err(NO_NAME.into()),
    }
}

/// The only user, whom any password lets in.
const DEFAULT_USER: &[u8] = b"default";
const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_NAME: &str = "Client names cannot contain spaces, newlines or special characters.";
/// Bytes of a client's name.
const MAX_NAME: usize = 1024;

fn is_name(name: &[u8]) -> bool {
    name.len() <= MAX_NAME && name.iter().all(u8::is_ascii_graphic)
}

pub fn auth(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    match args.len() {
        2 => {
            let text =
                "AUTH <password> called without any password configured for the default user. Are you sure \
                        your configuration is correct?";
            return Err(text.into());
        }
        3 if args.at(1) == DEFAULT_USER => replies.simple("OK"),
        3 => replies.error(WRONG_PASS),
        _ => return Err(SYNTAX),
    }
    Ok(())
}

pub fn select(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    match integer(args.at(1))? {
        0 => replies.simple("OK"),
        _ => return Err("DB index is out of range".into()),
    }
    Ok(())
}

/// The Redis whose ways these are.
const VERSION: &str = "7.0.0";

/// Clients ask for these when they connect.
const SETTINGS: [(&str, &str); 4] =
    [("appendonly", "no"), ("databases", "1"), ("maxmemory", "0"), ("save", "")];

pub fn config(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if !args.at(1).eq_ignore_ascii_case(b"get") {
        return unknown_subcommand("CONFIG", args);
    }
    let asked =
        |name: &str| args.from(2).any(|pattern| matches(&pattern.to_ascii_lowercase(), name.as_bytes()));
    let found: Vec<_> = SETTINGS.iter().filter(|(name, _)| asked(name)).collect();
    replies.map(found.len());
    for (name, value) in found {
        replies.bulk(name.as_bytes());
        replies.bulk(value.as_bytes());
    }
    Ok(())
}

pub fn client(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    match &*args.at(1).to_ascii_lowercase() {
        b"id" if args.len() == 2 => replies.integer(replies.peer.id),
        b"setname" if args.len() == 3 && !is_name(args.at(2)) => return Err(NO_NAME.into()),
        b"setname" if args.len() == 3 => {
            replies.peer.name = args.at(2).to_vec();
            replies.simple("OK");
        }
        b"getname" if args.len() == 2 => {
            let name = std::mem::take(&mut replies.peer.name);
            replies.optional(Some(&*name).filter(|name| !name.is_empty()));
            replies.peer.name = name;
        }
        b"setinfo" if args.len() == 4 => replies.simple("OK"),
        known @ (b"id" | b"setname" | b"getname" | b"setinfo") => {
            return Err(wrong_number(&format!("client|{}", String::from_utf8_lossy(known))));
        }
        _ => return unknown_subcommand("CLIENT", args),
    }
    Ok(())
}

pub fn info(_: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let (mut keys, mut expiring) = (0, 0);
    for entry in session.entries() {
        keys += 1;
        expiring += u64::from(entry.expires() != NEVER);
    }
    let up = session.now() / 1000;
    let mut text = format!(
        "# Server\r\nredis_version:{VERSION}\r\nredis_mode:standalone\r\nprocess_id:{}\r\nuptime_in_seconds:{up}\r\n\
         \r\n# Keyspace\r\n",
        std::process::id()
    );
    if keys > 0 {
        text += &format!("db0:keys={keys},expires={expiring},avg_ttl=0\r\n");
    }
    replies.bulk(text.as_bytes());
    Ok(())
}

/// COMMAND: what there is, for clients that look where keys stand.
pub fn list(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let subcommand = args.from(1).next().unwrap_or(b"info".as_slice()).to_ascii_lowercase();
    match &*subcommand {
        b"info" if args.len() <= 2 => {
            replies.array(COMMANDS.len());
            COMMANDS.iter().for_each(|command| describe(command, replies));
        }
        b"info" => {
            replies.array(args.len() - 2);
            for name in args.from(2) {
                match named(name) {
                    Some(command) => describe(command, replies),
                    None => replies.null(),
                }
            }
        }
        b"count" => replies.integer(COMMANDS.len() as i64),
        b"list" if args.len() == 2 => {
            replies.array(COMMANDS.len());
            COMMANDS.iter().for_each(|command| replies.bulk(command.name.as_bytes()));
        }
        b"docs" => replies.map(0),
        _ => return unknown_subcommand("COMMAND", args),
    }
    Ok(())
}

/// As Redis 7 does, with ten members; the last three, hints, positions of keys once more, and subcommands, are empty.
fn describe(command: &Command, replies: &mut Replies<'_>) {
    replies.array(10);
    replies.bulk(command.name.as_bytes());
    replies.integer(command.arity);
    let flags: Vec<&str> = command.flags.split_whitespace().collect();
    replies.array(flags.len());
    flags.iter().for_each(|flag| replies.simple(flag));
    command.keys.iter().for_each(|position| replies.integer(*position));
    let speed = if flags.contains(&"fast") { "@fast" } else { "@slow" };
    let does = [("write", "@write"), ("readonly", "@read")];
    let categories = does.iter().filter(|(flag, _)| flags.contains(flag)).map(|(_, category)| *category);
    let categories: Vec<&str> = categories.chain([speed]).collect();
    replies.array(categories.len());
    categories.iter().for_each(|category| replies.simple(category));
    (0..3).for_each(|_| replies.array(0));
}
