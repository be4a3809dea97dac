//! Servers of other JavaScript threads, by a number that can be sent there.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use napi::bindgen_prelude::Either;
use napi::Env;
use napi_derive::napi;
use reactor_core::{ConnId, Error, ErrorKind, Handle, Result};

use crate::channel::Channel;
use crate::conns::NativeInfo;
use crate::failure::Failure;
use crate::hand_over::Message;
use crate::metrics::{no_loop, NativeMetrics};
use crate::options::millis;
use crate::plain::Calls;
use crate::server::State;

/// What is asked of a connection, and of what its own JavaScript thread keeps of it: a record's kind, beyond those of the engine. It is
/// carried out there.
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
    /// To be handed out.
    Detach = 0x8004,
    /// Nothing: it takes no more writes, because another thread has ended it.
    Ended = 0x8005,
}

impl Asked {
    pub(crate) const ALL: [(Asked, &'static str); 6] = [
        (Asked::Hold, "hold"),
        (Asked::Release, "release"),
        (Asked::Pause, "pause"),
        (Asked::Resume, "resume"),
        (Asked::Detach, "detach"),
        (Asked::Ended, "ended"),
    ];
}

/// What other threads have asked for, in order, until the server's own thread carries it out.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Asked, ConnId)>,
    /// What is being carried out.
    taken: Option<(Asked, ConnId)>,
    /// How many more holds than releases of each connection are not carried out yet. A release counts until it is taken: one too many
    /// is dropped there, and one that is refused here without need would leave the connection held.
    holds: HashMap<ConnId, i64>,
}

impl Queue {
    fn push(&mut self, asked: Asked, id: ConnId) {
        self.count(id, holds_of(asked));
        self.waiting.push_back((asked, id));
    }

    /// The one before was carried out.
    fn carried_out(&mut self) {
        if let Some((Asked::Hold, id)) = self.taken.take() {
            self.count(id, -1);
        }
    }

    fn next(&mut self) -> Option<(Asked, ConnId)> {
        self.taken = self.waiting.pop_front();
        if let Some((Asked::Release, id)) = self.taken {
            self.count(id, 1);
        }
        self.taken
    }

    fn count(&mut self, id: ConnId, change: i64) {
        if change == 0 {
            return;
        }
        let holds = self.holds.entry(id).or_default();
        *holds += change;
        if *holds == 0 {
            self.holds.remove(&id);
        }
    }

    fn holds(&self, id: ConnId) -> i64 {
        self.holds.get(&id).copied().unwrap_or(0)
    }
}

fn holds_of(asked: Asked) -> i64 {
    match asked {
        Asked::Hold => 1,
        Asked::Release => -1,
        Asked::Pause | Asked::Resume | Asked::Detach | Asked::Ended => 0,
    }
}

/// So many calls may wait for the server's own thread: more than it may have connections, as a rule, and some 30 MB.
const MOST_WAITING: usize = 1 << 18;

/// What other threads reach of a server, for as long as it has one.
pub(crate) struct Reached {
    pub(crate) handle: Handle,
    channel: Channel,
    queue: Mutex<Queue>,
}

impl Reached {
    /// Has the server's own thread do something with a connection, of which that thread keeps a part: what waits there for the
    /// handler, and how often it is held. It comes to it soon, and before it does such a thing itself.
    pub(crate) fn ask(&self, id: ConnId, asked: Asked) -> Result<()> {
        match asked {
            Asked::Pause | Asked::Resume => self.handle.expect_pause(id)?,
            Asked::Hold | Asked::Release => self.handle.expect_hold(id)?,
            Asked::Detach => self.handle.expect_detach(id)?,
            Asked::Ended => {}
        }
        let mut queue = self.queue();
        if asked == Asked::Release && !self.is_held(id, &queue)? {
            return Err(not_held(id));
        }
        // What has been done is told in any case.
        if queue.waiting.len() >= MOST_WAITING && asked != Asked::Ended {
            return Err(too_many(id));
        }
        queue.push(asked, id);
        drop(queue);
        self.channel.send(Message::Asked(asked, id));
        Ok(())
    }

    /// Ends a connection in one way or another. Its own thread is told: it might go on to gather writes for it.
    pub(crate) fn end(&self, id: ConnId, end: fn(&Handle, ConnId) -> Result<()>) -> Result<()> {
        end(&self.handle, id)?;
        self.ask(id, Asked::Ended)
    }

    fn is_held(&self, id: ConnId, queue: &Queue) -> Result<bool> {
        Ok(queue.holds(id) + i64::from(self.handle.holds(id)?) > 0)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(id: ConnId) -> Error {
    let message =
        format!("connection {id}: {MOST_WAITING} calls of other threads wait for the server's own already");
    Error::new(ErrorKind::Full, message)
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
            let reached = Arc::new(Reached {
                handle: handle.clone(),
                channel: channel.clone(),
                queue: Mutex::default(),
            });
            known().get_or_insert_default().insert(number, Arc::downgrade(&reached));
            (number, reached)
        });
        *number
    }

    /// How many calls other threads have asked for.
    pub(crate) fn asked(&self) -> usize {
        self.0.borrow().as_ref().map_or(0, |(_, reached)| reached.queue().waiting.len())
    }

    /// What other threads ask for next, when what they asked for before was carried out; nothing if that `was_last`.
    pub(crate) fn next_asked(&self, was_last: bool) -> Option<(Asked, ConnId)> {
        let own = self.0.borrow();
        let mut queue = own.as_ref()?.1.queue();
        queue.carried_out();
        if was_last {
            None
        } else {
            queue.next()
        }
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

    /// What can be read of a connection.
    #[napi(catch_unwind)]
    pub fn info(&self, high: u32, low: u32) -> Either<NativeInfo, Failure> {
        self.state.info(high, low)
    }

    /// What happened so far, of the whole server or of a loop.
    #[napi(catch_unwind)]
    pub fn metrics(&self, on_loop: Option<f64>) -> Either<NativeMetrics, Failure> {
        let on_loop = on_loop.map(|index| index as usize);
        let found = self.state.with_handle(|handle| match on_loop {
            None => Some(handle.metrics()),
            Some(index) => handle.loop_metrics(index),
        });
        match found {
            Some(Some(metrics)) => Either::A(metrics.into()),
            Some(None) => Either::B(no_loop(on_loop)),
            None => Either::B(gone().into()),
        }
    }
}

impl NativeRemote {
    fn on_server(&self, call: impl FnOnce(&Handle)) -> Option<Failure> {
        self.state.with_handle(call).is_none().then(|| gone().into())
    }
}
