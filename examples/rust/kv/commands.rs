//! The commands, with the replies and the error texts of Redis.

use std::borrow::Cow;

use crate::resp::{Arguments, Next, Replies};
use crate::store::Session;
use crate::transaction::{self, gathers, spoil};
use crate::{about, values};

pub type Outcome = Result<(), Cow<'static, str>>;
type Run = fn(Arguments<'_>, &mut Session<'_>, &mut Replies<'_>) -> Outcome;

pub struct Command {
    /// The name as a number, to be compared at once.
    key: u64,
    pub name: &'static str,
    /// The number of arguments, the name included; if negative, the least number.
    pub arity: i64,
    /// In Redis's words, with blanks between.
    pub flags: &'static str,
    /// Where keys stand among the arguments: the first, the last (counted from the end if negative), the step.
    pub keys: [i64; 3],
    run: Run,
}

/// No keys, a single one, all arguments, every second one.
const NONE: [i64; 3] = [0, 0, 0];
const ONE: [i64; 3] = [1, 1, 1];
const ALL: [i64; 3] = [1, -1, 1];
const PAIRS: [i64; 3] = [1, -1, 2];

const fn command(name: &'static str, arity: i64, keys: [i64; 3], flags: &'static str, run: Run) -> Command {
    Command { key: key_of(name.as_bytes()), name, arity, flags, keys, run }
}

/// The most frequent come first.
pub static COMMANDS: [Command; 37] = [
    command("get", 2, ONE, "readonly fast", values::get),
    command("set", -3, ONE, "write denyoom", values::set),
    command("ping", -1, NONE, "fast", about::ping),
    command("incr", 2, ONE, "write denyoom fast", values::incr),
    command("decr", 2, ONE, "write denyoom fast", values::decr),
    command("incrby", 3, ONE, "write denyoom fast", values::incrby),
    command("decrby", 3, ONE, "write denyoom fast", values::decrby),
    command("setnx", 3, ONE, "write denyoom fast", values::setnx),
    command("setex", 4, ONE, "write denyoom", values::setex),
    command("mget", -2, ALL, "readonly fast", values::mget),
    command("mset", -3, PAIRS, "write denyoom", values::mset),
    command("del", -2, ALL, "write", values::del),
    command("unlink", -2, ALL, "write fast", values::del),
    command("exists", -2, ALL, "readonly fast", values::exists),
    command("expire", 3, ONE, "write fast", |args, session, replies| {
        values::expire(args, 1000, session, replies)
    }),
    command("pexpire", 3, ONE, "write fast", |args, session, replies| {
        values::expire(args, 1, session, replies)
    }),
    command("persist", 2, ONE, "write fast", values::persist),
    command("ttl", 2, ONE, "readonly fast", |args, session, replies| {
        values::ttl(args, 1000, session, replies)
    }),
    command("pttl", 2, ONE, "readonly fast", |args, session, replies| values::ttl(args, 1, session, replies)),
    command("multi", 1, NONE, "noscript loading stale fast allow_busy", transaction::multi),
    command("exec", 1, NONE, "noscript loading stale skip_slowlog", transaction::exec),
    command("discard", 1, NONE, "noscript loading stale fast allow_busy", transaction::discard),
    command("echo", 2, NONE, "loading stale fast", about::echo),
    command("scan", -2, NONE, "readonly", values::scan),
    command("keys", 2, NONE, "readonly", values::keys),
    command("dbsize", 1, NONE, "readonly fast", values::dbsize),
    command("flushall", -1, NONE, "write", values::flush),
    command("flushdb", -1, NONE, "write", values::flush),
    command("strlen", 2, ONE, "readonly fast", values::strlen),
    command("type", 2, ONE, "readonly fast", values::kind),
    command("hello", -1, NONE, "noscript loading stale fast no_auth allow_busy", about::hello),
    command("auth", -2, NONE, "noscript loading stale fast no_auth allow_busy", about::auth),
    command("select", 2, NONE, "loading stale fast", about::select),
    command("config", -2, NONE, "", about::config),
    command("client", -2, NONE, "", about::client),
    command("info", -1, NONE, "loading stale", about::info),
    command("command", -1, NONE, "loading stale", about::list),
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
        Some(command) if !fits(command.arity, args.len()) => refused(wrong_number(command.name), replies),
        Some(command) if !command.is_of_transactions() && gathers(args, replies) => Ok(()),
        Some(command) => (command.run)(args, session, replies),
        None => refused(unknown(args), replies),
    };
    if let Err(message) = outcome {
        replies.error(&format!("ERR {message}"));
    }
}

/// What is no request ends a transaction.
fn refused(message: Cow<'static, str>, replies: &mut Replies<'_>) -> Outcome {
    spoil(replies);
    Err(message)
}

impl Command {
    fn is_of_transactions(&self) -> bool {
        matches!(self.name, "multi" | "exec" | "discard")
    }
}

/// The command of this name.
pub fn named(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.key == key_of(name))
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

pub fn unknown_subcommand(name: &str, args: Arguments<'_>) -> Outcome {
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
