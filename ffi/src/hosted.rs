//! Servers without a thread of their own: their host polls and calls.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use reactor_core::binding::Uncancelled;
use reactor_core::{Error, ErrorKind, Hosted, Result};

use crate::call::Call;
use crate::inside::{self, Inside};
use crate::server::reactor_server;
use crate::status::reactor_status;
use crate::value::{self, REACTOR_NEVER};

/// The engine of a server that its host drives, and the one thread that may touch it.
#[derive(Default)]
pub(crate) struct Host {
    /// While there is something in `hosted`.
    thread: Mutex<Option<ThreadId>>,
    hosted: RefCell<Option<Hosted>>,
}

// SAFETY: `hosted` is only touched on the thread that put something in, which `thread` names; `put` writes
// that name, under its lock, and only where there is none.
unsafe impl Sync for Host {}
// SAFETY: a server is freed on that thread, too, or when there is nothing in `hosted`: `refuse_elsewhere`.
unsafe impl Send for Host {}

impl Host {
    fn thread(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, start: impl FnOnce() -> Result<Hosted>) -> Result<()> {
        let mut thread = self.thread();
        if thread.is_some() {
            let message = "cannot start: the server was started already";
            return Err(Error::new(ErrorKind::WrongState, message));
        }
        let hosted = start()?;
        *thread = Some(thread::current().id());
        self.hosted.replace(Some(hosted));
        Ok(())
    }

    /// Refuses other threads than the host's, if there is one.
    pub(crate) fn refuse_elsewhere(&self, call: Call) -> Result<()> {
        match *self.thread() {
            Some(host) if host != thread::current().id() => {
                let message = "only the thread that started the server may do it";
                Err(call.error(ErrorKind::WrongThread, message))
            }
            _ => Ok(()),
        }
    }

    fn with<T>(&self, call: Call, with_it: impl FnOnce(&mut Hosted) -> Result<T>) -> Result<T> {
        self.refuse_elsewhere(call)?;
        let not_hosted = || {
            let message = "the server is not started by reactor_server_start_hosted(), or has ended";
            call.error(ErrorKind::WrongState, message)
        };
        if self.thread().is_none() {
            return Err(not_hosted());
        }
        with_it(self.hosted.borrow_mut().as_mut().ok_or_else(not_hosted)?)
    }

    /// Stops and closes everything, if there is anything; on the host's thread.
    pub(crate) fn end(&self) {
        if self.thread().is_none() {
            return;
        }
        let hosted = self.hosted.take();
        // Callbacks run in it.
        let _inside = Inside::mark();
        drop(hosted);
        *self.thread() = None;
    }
}

/// Starts a server of one loop without a thread of its own: the calling thread drives it, by calling
/// reactor_server_turn() whenever the descriptor that reactor_server_poll_fd() gives is readable. on_start is
/// called in the first turn, on_stop in the last. Only looking up names uses a thread. Until the server has
/// ended, the calling thread alone may turn and free it; everything else may come from any thread.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, and if the options do not ask for one loop;
/// REACTOR_STATUS_WRONG_STATE if it was started before; REACTOR_STATUS_SYSTEM when memory or descriptors have
/// run out. After any but the second the server is as before the call.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_start_hosted(server: *mut reactor_server) -> reactor_status {
    let _thread = Uncancelled::new();
    let start = |server: &reactor_server| server.host.put(|| server.core.start_hosted());
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_server_start_hosted").with_server(server, start) }
}

/// Gives the descriptor that is readable whenever a turn with a timeout_ms of 0 has work, timers and postponed
/// work included. It is the server's: it may be polled, and nothing else. It stays the same, and good until the
/// server has ended. Only on the thread that started the server.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD elsewhere, and inside a callback; REACTOR_STATUS_WRONG_STATE if the
/// server is not driven by a host, or has ended; REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_poll_fd(
    server: *mut reactor_server,
    out_descriptor: *mut i32,
) -> reactor_status {
    let call = Call::new("reactor_server_poll_fd");
    let poll_fd = |server: &reactor_server| {
        inside::refuse(call)?;
        server.host.with(call, |hosted| Ok(hosted.poll_fd()))
    };
    // SAFETY: the caller's server, not freed during the call, and NULL or room for the number.
    unsafe { call.getter(server, out_descriptor, "out_descriptor", poll_fd) }
}

/// Does what there is to do, and calls the callbacks; waits up to timeout_ms milliseconds if there is
/// nothing, with REACTOR_NEVER without a limit. Writes 1 to *out_running, or 0 if the server has ended: then
/// this was the last turn. Only on the thread that started the server.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD elsewhere, and inside a callback; REACTOR_STATUS_WRONG_STATE if the
/// server is not driven by a host, or has ended, and in a forked child; REACTOR_STATUS_INVALID_ARGUMENT for a
/// NULL and another negative time. In the first turn also, and the server has ended then, without on_stop:
/// REACTOR_STATUS_STOPPED if on_start returned REACTOR_ACTION_STOP or stop was called before, and
/// REACTOR_STATUS_HANDLER_FAILED if on_start returned a number that is no action.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_turn(
    server: *mut reactor_server,
    timeout_ms: i64,
    out_running: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_server_turn");
    let _thread = Uncancelled::new();
    let turn = |server: &reactor_server| {
        inside::refuse(call)?;
        let timeout = turn_timeout(timeout_ms, call)?;
        let running = server.host.with(call, |hosted| {
            let _inside = Inside::mark();
            hosted.turn(timeout)
        });
        if has_ended(&running) {
            server.host.end();
        }
        running.map(u32::from)
    };
    // SAFETY: the caller's server, not freed during the call, and NULL or room for the number.
    unsafe { call.getter(server, out_running, "out_running", turn) }
}

/// Whether a turn was the last: also the first, if `on_start` refused.
fn has_ended(turn: &Result<bool>) -> bool {
    match turn {
        Ok(running) => !running,
        Err(error) => matches!(error.kind(), ErrorKind::Stopped | ErrorKind::HandlerFailed),
    }
}

fn turn_timeout(timeout_ms: i64, call: Call) -> Result<Option<Duration>> {
    match timeout_ms {
        REACTOR_NEVER => Ok(None),
        _ => value::time(timeout_ms, call, "timeout_ms").map(Some),
    }
}
