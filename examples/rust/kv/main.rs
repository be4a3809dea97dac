//! A cache that speaks with the clients of Redis (RESP2, and RESP3 if they ask): strings, counters, times to live.
//!
//! `kv --listen URL [--listen URL]... [--loops N]`; then `redis-cli -p PORT`. It cuts requests itself, so that there
//! is an example of that: a line that a person types has no quotes. The order of COMMAND and the cursors of SCAN are its own in each
//! language.

mod about;
mod catalog;
mod commands;
mod glob;
mod keys;
mod resp;
mod store;
mod table;
mod transaction;
mod values;
mod watch;

use std::process::ExitCode;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use launch::Launch;
use reactor_core::{Action, Closed, Conn, Handle, Handler};
use resp::{Next, Parsed, Parser, Peer, Replies};
use store::Store;
use watch::Watch;

/// How often what has expired is removed; nobody sees it before that either.
const SWEEP: Duration = Duration::from_millis(100);
/// The beginning of a request that the engine keeps; a longer one grows here.
const KEPT: usize = 64 << 10;
/// The largest value is 512 MiB, and one may be queued behind another.
const HARD_LIMIT: usize = 2 << 30;

/// What a connection remembers.
struct Client {
    parser: Parser,
    peer: Peer,
    /// The version of the protocol: see [`Replies`].
    protocol: u8,
    /// Input that has to wait, until the client has read the replies to what came before, or because it is the
    /// beginning of a large request.
    backlog: Vec<u8>,
}

impl Client {
    fn new(id: i64) -> Client {
        let peer = Peer { id, name: Vec::new(), transaction: None, watch: Watch::default() };
        Client { parser: Parser::default(), peer, protocol: 2, backlog: Vec::new() }
    }

    /// Carries out the requests in the input, and writes the replies in one go. Says how much of the input that
    /// was, and how to go on.
    fn serve(&mut self, conn: &Conn<'_>, store: &Store, input: &[u8]) -> (usize, Next) {
        let mut replies = Replies::new(conn, &mut self.peer, self.protocol);
        let mut session = store.session();
        let mut done = 0;
        while done < input.len() && replies.next == Next::Read {
            let rest = &input[done..];
            match self.parser.parse(rest) {
                Parsed::Request(len) => {
                    let arguments = self.parser.arguments_of(rest);
                    if arguments.len() > 0 {
                        commands::execute(arguments, &mut session, &mut replies);
                    }
                    done += len;
                }
                Parsed::Partial => break,
                Parsed::Wrong(message) => {
                    replies.error(&format!("ERR {message}"));
                    replies.next = Next::Close;
                }
            }
        }
        // Others may have the locks while the replies are copied.
        drop(session);
        let protocol = replies.protocol;
        let next = replies.finish();
        self.protocol = protocol;
        (done, next)
    }

    fn serve_input(&mut self, conn: &Conn<'_>, store: &Store, data: &[u8]) -> Action {
        if !self.backlog.is_empty() {
            self.backlog.extend_from_slice(data);
            return self.serve_backlog(conn, store);
        }
        let (done, next) = self.serve(conn, store, data);
        let rest = &data[done..];
        match next {
            Next::Close => Action::Close,
            Next::Read if rest.len() <= KEPT => {
                conn.keep(rest.len()).map_or(Action::Close, |()| Action::None)
            }
            Next::Read | Next::Wait => {
                self.backlog = rest.to_vec();
                Action::None
            }
        }
    }

    fn serve_backlog(&mut self, conn: &Conn<'_>, store: &Store) -> Action {
        let backlog = std::mem::take(&mut self.backlog);
        let (done, next) = self.serve(conn, store, &backlog);
        self.backlog = match done {
            0 => backlog,
            // In memory of its size: a large value may have been in front of it.
            _ => backlog[done..].to_vec(),
        };
        if next == Next::Close {
            return Action::Close;
        }
        Action::None
    }
}

struct Kv {
    store: Store,
    /// The number of the client that came last.
    clients: AtomicI64,
}

impl Handler for Kv {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        conn.set_context(Box::new(Client::new(self.clients.fetch_add(1, Ordering::Relaxed) + 1)));
        Action::None
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        let served = conn.with_context(|client: &mut Client| client.serve_input(conn, &self.store, data));
        served.unwrap_or(Action::Close)
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        let served = conn.with_context(|client: &mut Client| client.serve_backlog(conn, &self.store));
        served.unwrap_or(Action::Close)
    }

    fn on_close(&self, conn: &Conn<'_>, _: Closed) {
        conn.with_context(|client: &mut Client| self.store.session().unwatch(&mut client.peer.watch));
    }

    fn on_tick(&self, _: &Handle) -> Option<Duration> {
        self.store.sweep();
        Some(SWEEP)
    }
}

fn main() -> ExitCode {
    launch::main("kv", || {
        let mut launch = Launch::from_args(|_, _| Ok(false))?.streams_only()?;
        launch.config.hard_limit = HARD_LIMIT;
        let store = Store::new(launch.config.resolved()?.loops);
        launch.run(Kv { store, clients: AtomicI64::new(0) })
    })
}
