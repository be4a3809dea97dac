//! How a request is carried out, and what can be wrong with it, in the words of Redis.

use std::borrow::Cow;

use crate::resp::{Arguments, Replies};
use crate::store::Session;
use crate::table::Command;
use crate::transaction::{abort, gathers, spoil};

pub type Outcome = Result<(), Cow<'static, str>>;

/// Carries one request out.
pub fn execute(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) {
    let outcome = match asked(args) {
        Ok(command) if gathers(command, args, replies) => Ok(()),
        Ok(command) => (command.run)(args, session, replies),
        Err(message) if args.at(0).eq_ignore_ascii_case(b"exec") => {
            abort(message, session, replies);
            Ok(())
        }
        Err(message) => {
            // What is no request ends a transaction.
            spoil(replies);
            Err(message)
        }
    };
    if let Err(message) = outcome {
        replies.error(&format!("ERR {message}"));
    }
}

/// The command or subcommand that a request is for.
fn asked(args: Arguments<'_>) -> Result<&'static Command, Cow<'static, str>> {
    let mut command = Command::named(args.at(0)).ok_or_else(|| unknown(args))?;
    if !command.subcommands.is_empty() && args.len() > 1 {
        command = command.subcommand(args.at(1)).ok_or_else(|| unknown_subcommand(args))?;
    }
    match fits(command.arity, args.len()) {
        true => Ok(command),
        false => Err(wrong_number(command.name)),
    }
}

/// Runs a command that is nothing by itself.
pub fn only_subcommands(args: Arguments<'_>, _: &mut Session<'_>, _: &mut Replies<'_>) -> Outcome {
    Err(unknown_subcommand(args))
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

fn unknown_subcommand(args: Arguments<'_>) -> Cow<'static, str> {
    let (given, name) = (args.at(1), args.at(0).to_ascii_uppercase());
    let (given, name) =
        (String::from_utf8_lossy(&given[..given.len().min(128)]), String::from_utf8_lossy(&name));
    format!("unknown subcommand '{given}'. Try {name} HELP.").into()
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
