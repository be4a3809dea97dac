//! A chat server: a person types lines, and the others in the same room read them.
//!
//! `chat --listen URL [--listen URL]... [--loops N] [--hard-limit BYTES]`; then `nc 127.0.0.1 PORT`.
//!
//! The first line is the nickname. Then `/nick NAME`, `/join ROOM`, `/quit`, or what to say.
//! Nobody is slowed for others: who sends faster than the others in the room read has them dropped.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use launch::Launch;
use lexopt::ValueExt;
use reactor_core::{Action, Closed, Conn, ConnId, ErrorKind, Framing, Handle, Handler};

/// The longest line, in bytes.
const MAX_LINE: usize = 4096;
/// The longest name of a person or a room, in characters.
const MAX_NAME: usize = 32;
const FIRST_ROOM: &str = "lobby";
/// Bytes that may wait for a client that does not read; with more it is dropped.
const HARD_LIMIT: usize = 1 << 20;

struct Member {
    nick: String,
    room: String,
}

/// Everybody who has a name, by connection: whatever loop a connection lives on, its id can be written to.
#[derive(Default)]
struct Members(HashMap<ConnId, Member>);

impl Members {
    /// Sends a line to everybody in a room but one. Sending never blocks, so it may happen under the lock. What one
    /// person says arrives in order.
    fn tell(&self, server: &Handle, room: &str, but: ConnId, line: &str) {
        for (id, _) in self.0.iter().filter(|(id, member)| **id != but && member.room == room) {
            tell_one(server, *id, line);
        }
    }

    fn is_taken(&self, nick: &str) -> bool {
        self.0.values().any(|member| member.nick == nick)
    }

    fn names_in(&self, room: &str) -> String {
        let inside = self.0.values().filter(|member| member.room == room);
        let mut names: Vec<&str> = inside.map(|member| &*member.nick).collect();
        names.sort_unstable();
        names.join(" ")
    }

    fn enter(&mut self, server: &Handle, id: ConnId, nick: String, room: &str) {
        self.tell(server, room, id, &format!("* {nick} has joined {room}"));
        self.0.insert(id, Member { nick, room: room.to_owned() });
        tell_one(server, id, &format!("* in {room}: {}", self.names_in(room)));
    }

    fn leave(&mut self, server: &Handle, id: ConnId) -> Option<Member> {
        let member = self.0.remove(&id)?;
        self.tell(server, &member.room, id, &format!("* {} has left {}", member.nick, member.room));
        Some(member)
    }

    fn rename(&mut self, server: &Handle, id: ConnId, nick: &str) {
        let Some(member) = self.0.get_mut(&id) else { return };
        let old = std::mem::replace(&mut member.nick, nick.to_owned());
        let room = member.room.clone();
        let line = format!("* {old} is now {nick}");
        self.tell(server, &room, id, &line);
        tell_one(server, id, &line);
    }
}

/// Sends a line to one connection. It may be gone already; one that does not read is dropped.
fn tell_one(server: &Handle, id: ConnId, line: &str) {
    let written = server.write_gathered(id, &[line.as_bytes(), b"\n"]);
    if written.is_err_and(|error| error.kind() == ErrorKind::Full) {
        let _ = server.abort(id);
    }
}

struct Chat {
    members: Mutex<Members>,
}

impl Chat {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, conn: &Conn<'_>, name: &str, argument: &str) -> Action {
        let refusal = match name {
            "quit" => return Action::Close,
            "nick" => self.nick(conn, argument).err(),
            "join" => self.join(conn, argument).err(),
            _ => Some("! unknown command: there are /nick NAME, /join ROOM and /quit"),
        };
        if let Some(refusal) = refusal {
            tell_one(conn.server(), conn.id(), refusal);
        }
        Action::None
    }

    fn nick(&self, conn: &Conn<'_>, nick: &str) -> Result<(), &'static str> {
        check_name(nick)?;
        let mut members = self.members();
        if members.is_taken(nick) {
            return Err("! this name is taken");
        }
        match members.0.contains_key(&conn.id()) {
            true => members.rename(conn.server(), conn.id(), nick),
            false => members.enter(conn.server(), conn.id(), nick.to_owned(), FIRST_ROOM),
        }
        Ok(())
    }

    fn join(&self, conn: &Conn<'_>, room: &str) -> Result<(), &'static str> {
        check_name(room)?;
        let mut members = self.members();
        let member = members.leave(conn.server(), conn.id()).ok_or(NO_NAME)?;
        members.enter(conn.server(), conn.id(), member.nick, room);
        Ok(())
    }

    fn say(&self, conn: &Conn<'_>, text: &str) {
        let members = self.members();
        match members.0.get(&conn.id()) {
            Some(member) => {
                let line = format!("<{}> {text}", member.nick);
                members.tell(conn.server(), &member.room, conn.id(), &line);
            }
            None => tell_one(conn.server(), conn.id(), NO_NAME),
        }
    }
}

const NO_NAME: &str = "! first say your name";

fn check_name(name: &str) -> Result<(), &'static str> {
    let is_good = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    match name.chars().count() {
        1..=MAX_NAME if name.chars().all(is_good) => Ok(()),
        _ => Err("! a name has 1 to 32 letters, digits, - and _"),
    }
}

impl Handler for Chat {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        tell_one(conn.server(), conn.id(), "* what is your name?");
        Action::None
    }

    /// One line.
    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        // What a terminal takes for commands is not passed on.
        let text = String::from_utf8_lossy(data).replace(|letter: char| letter.is_control(), " ");
        if let Some(command) = text.strip_prefix('/') {
            let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
            return self.command(conn, name, argument.trim());
        }
        let is_member = self.members().0.contains_key(&conn.id());
        if is_member {
            self.say(conn, &text);
            return Action::None;
        }
        self.command(conn, "nick", text.trim())
    }

    fn on_close(&self, conn: &Conn<'_>, _: Closed) {
        self.members().leave(conn.server(), conn.id());
    }
}

fn main() -> ExitCode {
    launch::main("chat", || {
        let mut hard_limit = HARD_LIMIT;
        let mut launch = Launch::from_args(|name, args| {
            if name == "hard-limit" {
                hard_limit = args.value()?.parse()?;
            }
            Ok(name == "hard-limit")
        })?
        .streams_only()?;
        launch.config.hard_limit = hard_limit;
        launch.conns.framing = Some(Framing::line().max_frame(MAX_LINE));
        launch.run(Chat { members: Mutex::default() })
    })
}
