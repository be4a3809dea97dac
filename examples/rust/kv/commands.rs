//! The commands, with the replies and the error texts of Redis.

use std::borrow::Cow;

use crate::glob::matches;
use crate::resp::{Arguments, Next, Replies};
use crate::store::{Session, NEVER};
use crate::values;

pub type Outcome = Result<(), Cow<'static, str>>;
type Run = fn(Arguments<'_>, &mut Session<'_>, &mut Replies<'_>) -> Outcome;

struct Command {
    /// The name as a number, to be compared at once.
    key: u64,
    name: &'static str,
    /// The number of arguments, the name included; if negative, the least number.
    arity: i64,
    run: Run,
}

const fn command(name: &'static str, arity: i64, run: Run) -> Command {
    Command { key: key_of(name.as_bytes()), name, arity, run }
}

/// The most frequent come first.
static COMMANDS: [Command; 32] = [
    command("get", 2, values::get),
    command("set", -3, values::set),
    command("ping", -1, ping),
    command("incr", 2, values::incr),
    command("decr", 2, values::decr),
    command("incrby", 3, values::incrby),
    command("decrby", 3, values::decrby),
    command("setnx", 3, values::setnx),
    command("setex", 4, values::setex),
    command("mget", -2, values::mget),
    command("mset", -3, values::mset),
    command("del", -2, values::del),
    command("unlink", -2, values::del),
    command("exists", -2, values::exists),
    command("expire", 3, |args, session, replies| values::expire(args, 1000, session, replies)),
    command("pexpire", 3, |args, session, replies| values::expire(args, 1, session, replies)),
    command("persist", 2, values::persist),
    command("ttl", 2, |args, session, replies| values::ttl(args, 1000, session, replies)),
    command("pttl", 2, |args, session, replies| values::ttl(args, 1, session, replies)),
    command("echo", 2, echo),
    command("keys", 2, values::keys),
    command("dbsize", 1, values::dbsize),
    command("flushall", -1, values::flush),
    command("flushdb", -1, values::flush),
    command("strlen", 2, values::strlen),
    command("type", 2, values::kind),
    command("hello", -1, hello),
    command("select", 2, select),
    command("config", -2, config),
    command("client", -2, client),
    command("info", -1, info),
    command("command", -1, list),
];

/// A name of at most eight letters, whatever their case. Another name gives 0.
const fn key_of(name: &[u8]) -> u64 {
    if name.len() > 8 {
        return 0;
    }
    let (mut key, mut at) = (0, 0);
    while at < name.len() {
        key = key << 8 | (name[at] | 0x20) as u64;
        at += 1;
    }
    key
}

/// Carries one request out.
pub fn execute(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) {
    let key = key_of(args.at(0));
    if key == key_of(b"quit") {
        replies.simple("OK");
        replies.next = Next::Close;
        return;
    }
    let outcome = match COMMANDS.iter().find(|command| command.key == key) {
        Some(command) if !fits(command.arity, args.len()) => Err(wrong_number(command.name)),
        Some(command) => (command.run)(args, session, replies),
        None => Err(unknown(args)),
    };
    if let Err(message) = outcome {
        replies.error(&format!("ERR {message}"));
    }
}

fn fits(arity: i64, len: usize) -> bool {
    if arity < 0 {
        len as u64 >= arity.unsigned_abs()
    } else {
        len as u64 == arity.unsigned_abs()
    }
}

// ---- what can be wrong ----

pub const SYNTAX: Cow<'static, str> = Cow::Borrowed("syntax error");

pub fn wrong_number(name: &str) -> Cow<'static, str> {
    format!("wrong number of arguments for '{name}' command").into()
}

pub fn invalid_expire(name: &str) -> Cow<'static, str> {
    format!("invalid expire time in '{name}' command").into()
}

/// Quotes at most 128 bytes of the name and about as many of the arguments.
fn unknown(args: Arguments<'_>) -> Cow<'static, str> {
    let quote =
        |bytes: &[u8], room: usize| format!("'{}'", String::from_utf8_lossy(&bytes[..bytes.len().min(room)]));
    let mut beginning = String::new();
    for argument in args.from(1) {
        if beginning.len() >= 128 {
            break;
        }
        beginning += &(quote(argument, 128 - beginning.len()) + " ");
    }
    format!("unknown command {}, with args beginning with: {beginning}", quote(args.at(0), 128)).into()
}

fn unknown_subcommand(name: &str, args: Arguments<'_>) -> Outcome {
    let given = String::from_utf8_lossy(args.at(1));
    Err(format!("unknown subcommand '{given}'. Try {name} HELP.").into())
}

/// A number as Redis takes it: no plus sign, no spaces, no leading zeroes.
pub fn integer(bytes: &[u8]) -> Result<i64, Cow<'static, str>> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let well_formed = match digits {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    let text = std::str::from_utf8(bytes).ok().filter(|_| well_formed);
    text.and_then(|text| text.parse().ok()).ok_or(Cow::Borrowed("value is not an integer or out of range"))
}

// ---- commands about the connection and the server ----

fn ping(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    match args.len() {
        1 => replies.simple("PONG"),
        2 => replies.bulk(args.at(1)),
        _ => return Err(wrong_number("ping")),
    }
    Ok(())
}

fn echo(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.bulk(args.at(1));
    Ok(())
}

/// Chooses the version of the protocol.
fn hello(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if args.len() > 1 {
        match integer(args.at(1)) {
            Ok(2) if args.len() == 2 => replies.protocol = 2,
            Ok(3) if args.len() == 2 => replies.protocol = 3,
            Ok(2 | 3) => {
                let option = String::from_utf8_lossy(args.at(2));
                return Err(format!("Syntax error in HELLO option '{option}'").into());
            }
            Ok(_) => {
                replies.error("NOPROTO unsupported protocol version");
                return Ok(());
            }
            Err(_) => return Err("Protocol version is not an integer or out of range".into()),
        }
    }
    replies.map(4);
    replies.bulk(b"server");
    replies.bulk(b"redis");
    replies.bulk(b"version");
    replies.bulk(VERSION.as_bytes());
    replies.bulk(b"proto");
    replies.integer(i64::from(replies.protocol));
    replies.bulk(b"mode");
    replies.bulk(b"standalone");
    Ok(())
}

fn select(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
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

fn config(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
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

fn client(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    match &*args.at(1).to_ascii_lowercase() {
        b"setname" | b"setinfo" => replies.simple("OK"),
        b"getname" => replies.null(),
        _ => return unknown_subcommand("CLIENT", args),
    }
    Ok(())
}

fn info(_: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
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

/// COMMAND without a subcommand: each command's name, arity, no flags, and no positions of keys.
fn list(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if args.len() == 1 {
        replies.array(COMMANDS.len());
        for command in &COMMANDS {
            replies.array(6);
            replies.bulk(command.name.as_bytes());
            replies.integer(command.arity);
            replies.array(0);
            (0..3).for_each(|_| replies.integer(0));
        }
        return Ok(());
    }
    match &*args.at(1).to_ascii_lowercase() {
        b"count" => replies.integer(COMMANDS.len() as i64),
        b"docs" => replies.array(0),
        _ => return unknown_subcommand("COMMAND", args),
    }
    Ok(())
}
