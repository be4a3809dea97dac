//! Servers of other JavaScript threads, by a number that can be sent there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use napi::bindgen_prelude::Either;
use napi::Env;
use napi_derive::napi;
use reactor_core::{ConnId, Error, ErrorKind, Handle, Result};

use crate::channel::Channel;
use crate::failure::Failure;
use crate::hand_over::Message;
use crate::options::millis;
use crate::plain::Calls;
use crate::server::State;

/// What is asked of a connection, and of what its own JavaScript thread keeps of it: a record's kind, beyond those of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Asked {
    /// To be held once more.
    Hold = 0x8000,
    /// To be held once less.
    Release = 0x8001,
    /// Not to be read.
    Pause = 0x8002,
    /// To be read again.
    Resume = 0x8003,
}

impl Asked {
    pub(crate) const ALL: [(Asked, &'static str); 4] = [
        (Asked::Hold, "hold"),
        (Asked::Release, "release"),
        (Asked::Pause, "pause"),
        (Asked::Resume, "resume"),
    ];
}

/// What other threads reach of a server, for as long as it has one.
pub(crate) struct Reached {
    pub(crate) handle: Handle,
    channel: Channel,
}

impl Reached {
    /// Asks a connection for something of which its own thread must know, too. What makes it be read again is done there: what waits
    /// there for the handler comes before.
    pub(crate) fn ask(&self, id: ConnId, asked: Asked) -> Result<()> {
        match asked {
            Asked::Hold => self.handle.hold(id)?,
            Asked::Pause => self.handle.pause(id)?,
            Asked::Release if self.handle.is_held(id)? => {}
            Asked::Release => return Err(not_held(id)),
            // It only says whether the connection is there.
            Asked::Resume => self.handle.is_held(id).map(|_| ())?,
        }
        self.channel.send(Message::Asked(asked, id));
        Ok(())
    }
}

fn not_held(id: ConnId) -> Error {
    let message = format!("connection {id} is not held: it was released as often as it was held");
    Error::new(ErrorKind::WrongState, message)
}

/// Those that have a number. Whoever has a server keeps its own.
static KNOWN: Mutex<Option<HashMap<u64, Weak<Reached>>>> = Mutex::new(None);

fn known() -> MutexGuard<'static, Option<HashMap<u64, Weak<Reached>>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server's number, from when it is asked for until the server is over.
#[derive(Default)]
pub(crate) struct Registration(RefCell<Option<(u64, Arc<Reached>)>>);

impl Registration {
    pub(crate) fn number(&self, handle: &Handle, channel: &Channel) -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let mut own = self.0.borrow_mut();
        let (number, _) = own.get_or_insert_with(|| {
            let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            let reached = Arc::new(Reached { handle: handle.clone(), channel: channel.clone() });
            known().get_or_insert_default().insert(number, Arc::downgrade(&reached));
            (number, reached)
        });
        *number
    }

    /// Nobody reaches it any more.
    pub(crate) fn end(&self) {
        let Some((number, reached)) = self.0.take() else { return };
        known().get_or_insert_default().remove(&number);
        drop(reached);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server of another thread, or of this one.
#[napi]
pub struct NativeRemote {
    state: Rc<State>,
}

/// Finds a server by its number.
#[napi(catch_unwind)]
pub fn reach(number: f64) -> Either<NativeRemote, Failure> {
    let reached = known().as_ref().and_then(|known| known.get(&(number as u64)).cloned());
    match reached {
        Some(reached) => Either::A(NativeRemote { state: Rc::new(State::remote(reached)) }),
        None => Either::B(gone().into()),
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Stopped, "the server is gone: it has stopped, or the thread that had it has ended")
}

#[napi]
impl NativeRemote {
    /// The calls by id.
    #[napi(catch_unwind)]
    pub fn calls(&self, env: Env) -> napi::Result<Calls> {
        Calls::new(env.raw(), &self.state)
    }

    /// Whether the server is still there.
    #[napi(getter, catch_unwind)]
    pub fn is_there(&self) -> bool {
        self.state.with_handle(|_| ()).is_some()
    }

    /// Asks the server to stop.
    #[napi(catch_unwind)]
    pub fn stop(&self) -> Option<Failure> {
        self.on_server(Handle::stop)
    }

    /// Asks the server to stop when its connections have finished, or after so many milliseconds.
    #[napi(catch_unwind)]
    pub fn stop_gracefully(&self, deadline_ms: i64) -> Option<Failure> {
        self.on_server(|handle| handle.stop_gracefully(millis(deadline_ms)))
    }

    /// The ids of the connections that are open, each as its high and its low half.
    #[napi(catch_unwind)]
    pub fn connection_ids(&self) -> Either<Vec<u32>, Failure> {
        let ids = self.state.with_handle(Handle::connection_ids);
        let halves = |id: &ConnId| [(id.to_u64() >> 32) as u32, id.to_u64() as u32];
        ids.map_or_else(|| Either::B(gone().into()), |ids| Either::A(ids.iter().flat_map(halves).collect()))
    }
}

impl NativeRemote {
    fn on_server(&self, call: impl FnOnce(&Handle)) -> Option<Failure> {
        self.state.with_handle(call).is_none().then(|| gone().into())
    }
}
