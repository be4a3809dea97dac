//! The commands about the connection and the server.

use std::borrow::Cow;

use crate::commands::{integer, wrong_number, Outcome, SYNTAX};
use crate::glob::matches;
use crate::resp::{Arguments, Next, Replies};
use crate::store::{Session, NEVER};

pub fn ping(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    match args.len() {
        1 => replies.simple("PONG"),
        2 => replies.bulk(args.at(1)),
        _ => return Err(wrong_number("ping")),
    }
    Ok(())
}

pub fn quit(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.simple("OK");
    replies.next = Next::Close;
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
        replies.text(field);
        replies.text(value);
    }
    replies.text("proto");
    replies.integer(i64::from(protocol));
    replies.text("id");
    replies.integer(replies.peer.id);
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        replies.text(field);
        replies.text(value);
    }
    replies.text("modules");
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

pub fn config_get(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let asked =
        |name: &str| args.from(2).any(|pattern| matches(&pattern.to_ascii_lowercase(), name.as_bytes()));
    let found: Vec<_> = SETTINGS.iter().filter(|(name, _)| asked(name)).collect();
    replies.map(found.len());
    for (name, value) in found {
        replies.text(name);
        replies.text(value);
    }
    Ok(())
}

pub fn client_id(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.integer(replies.peer.id);
    Ok(())
}

pub fn client_setname(args: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if !is_name(args.at(2)) {
        return Err(NO_NAME.into());
    }
    replies.peer.name = args.at(2).to_vec();
    replies.simple("OK");
    Ok(())
}

pub fn client_getname(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let name = std::mem::take(&mut replies.peer.name);
    replies.optional(Some(&*name).filter(|name| !name.is_empty()));
    replies.peer.name = name;
    Ok(())
}

pub fn client_setinfo(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    replies.simple("OK");
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
