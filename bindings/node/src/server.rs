//! The server as the JavaScript layer holds it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::sync::Weak;
use std::time::Duration;

use napi::bindgen_prelude::{Either, Unknown};
use napi::Env;
use napi_derive::napi;
use reactor_core::binding::log::Logged;
use reactor_core::binding::Cork;
use reactor_core::{ConnId, Error, ErrorKind, Handle, Metrics, Result, Server};

use crate::channel::{starting, Channel, Deliver, JsReader, OnStart};
use crate::entry::Entry;
use crate::failure::Failure;
use crate::hand_over::Kept;
use crate::inline::Inline;
use crate::options::{millis, NativeOptions};
use crate::plain::Calls;
use crate::remote::{Asked, Reached, Registration};
use crate::teardown::StopAtTeardown;
use crate::told;

/// Where a server stands. Nothing tells JavaScript's garbage collector about descriptors, so the engine's
/// server is dropped as soon as it is of no more use.
enum Life {
    Engine(Rc<Server>),
    /// Another thread's.
    Remote(Weak<Reached>),
    /// Dropped: what can still be asked for, and why it takes no more calls.
    Over {
        addresses: Vec<String>,
        /// Of the whole server, and of each loop.
        metrics: Box<(Metrics, Vec<Metrics>)>,
        refusal: Error,
    },
}

/// What a server's object and its plain functions share.
pub struct State {
    life: RefCell<Life>,
    /// Bytes that JavaScript has written since it last asked.
    written: Cell<u32>,
}

impl State {
    /// Of a server of another thread.
    pub(crate) fn remote(reached: Weak<Reached>) -> State {
        State { life: RefCell::new(Life::Remote(reached)), written: Cell::new(0) }
    }

    /// The failure of a call on a connection whose server is over, or that never was.
    pub(crate) fn closed(&self, id: u64) -> Error {
        let is_remote = matches!(&*self.life.borrow(), Life::Remote(_));
        let why = if is_remote { ": its server is gone" } else { "" };
        Error::new(ErrorKind::Closed, format!("connection {id} is closed{why}"))
    }

    /// Asks a connection for something; by way of its own thread, if that is another.
    pub(crate) fn ask(&self, id: ConnId, asked: Asked) -> Option<Result<()>> {
        if let Life::Remote(reached) = &*self.life.borrow() {
            return Some(reached.upgrade()?.ask(id, asked));
        }
        self.with_handle(|handle| match asked {
            Asked::Hold => handle.hold(id),
            Asked::Release => handle.release(id),
            Asked::Pause => handle.pause(id),
            Asked::Resume => handle.resume(id),
            Asked::Detach => handle.detach(id),
            Asked::Ended => Ok(()),
        })
    }

    /// Ends a connection, and tells its own thread, if that is another.
    pub(crate) fn end_conn(&self, id: ConnId, end: fn(&Handle, ConnId) -> Result<()>) -> Option<Result<()>> {
        match &*self.life.borrow() {
            Life::Remote(reached) => Some(reached.upgrade()?.end(id, end)),
            Life::Engine(_) | Life::Over { .. } => self.with_handle(|handle| end(handle, id)),
        }
    }

    /// Makes a call on the server, unless it is over.
    pub(crate) fn with_handle<T>(&self, call: impl FnOnce(&Handle) -> T) -> Option<T> {
        match &*self.life.borrow() {
            Life::Engine(server) => Some(call(server.handle())),
            Life::Remote(reached) => Some(call(&reached.upgrade()?.handle)),
            Life::Over { .. } => None,
        }
    }

    fn engine(&self) -> Result<Rc<Server>> {
        match &*self.life.borrow() {
            Life::Engine(server) => Ok(Rc::clone(server)),
            Life::Remote(_) => Err(Error::new(ErrorKind::WrongThread, "the server is another thread's")),
            Life::Over { refusal, .. } => Err(refusal.clone()),
        }
    }

    /// Gives the engine's server back, with its descriptors, when it has been asked to stop. Waits for its threads, unless they
    /// `were_none`.
    pub(crate) fn end(&self, were_none: bool) {
        let Ok(server) = self.engine() else { return };
        let refusal = match were_none || server.wait().is_ok() {
            true => Error::new(ErrorKind::WrongState, "the server was started already, and has stopped"),
            false => Error::new(ErrorKind::Stopped, "stop was called before the start"),
        };
        let handle = server.handle();
        let loops = (0..handle.loops()).filter_map(|index| handle.loop_metrics(index)).collect();
        let metrics = Box::new((handle.metrics(), loops));
        let over = Life::Over { addresses: handle.addresses(), metrics, refusal };
        drop(self.life.replace(over));
    }

    pub(crate) fn count_written(&self, len: usize) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.written.set(self.written.get().saturating_add(len));
    }

    pub(crate) fn take_written(&self) -> u32 {
        self.written.take()
    }
}

/// A server. All calls on the JavaScript thread that made it.
#[napi]
pub struct NativeServer {
    pub(crate) state: Rc<State>,
    pub(crate) channel: Channel,
    /// How other threads reach it.
    registration: Registration,
    /// From the start to the stop.
    teardown: RefCell<Option<StopAtTeardown>>,
    /// From the start to the stop, if Node's event loop drives it.
    inline: RefCell<Option<Rc<Inline>>>,
    pub(crate) is_inline: bool,
}

/// Makes a server that is not started and listens nowhere.
#[napi(catch_unwind)]
pub fn create_server(options: NativeOptions) -> Either<NativeServer, Failure> {
    told::listen();
    let is_inline = options.is_inline;
    let made = options.config().and_then(|config| {
        let channel = Channel::new(options.log_level()?);
        let interval = options.batch_interval();
        let reader = JsReader { channel: channel.clone(), commands: options.commands, is_inline, interval };
        Ok((Server::delivering(Logged::new(reader), &config)?, channel))
    });
    match made {
        Ok((server, channel)) => {
            // When the process has nothing left to do, and not when the collector finds the server.
            server.handle().binding_tells_if_unstarted();
            let life = RefCell::new(Life::Engine(Rc::new(server)));
            let state = Rc::new(State { life, written: Cell::new(0) });
            Either::A(NativeServer {
                state,
                channel,
                registration: Registration::default(),
                teardown: RefCell::default(),
                inline: RefCell::default(),
                is_inline,
            })
        }
        Err(error) => Either::B(error.into()),
    }
}

#[napi]
impl NativeServer {
    /// Calls `onStart`, which returns an action's number or the text of its failure; then starts the loops.
    /// From then on `deliver` is called with logs: the number of records and of bytes. They lie in the two arrays, or in others that
    /// follow: five numbers for each record (kind, high and low half of the id, two more), and behind them whether writes may be
    /// gathered; and the bytes, which are lent until it returns. Or it is called with 0, 0, and behind two more what the engine says
    /// and the level of that, or behind four more the token of what was run. The last call, with nothing else, says that the loops
    /// have ended.
    #[napi(catch_unwind)]
    pub fn start(
        &self,
        env: Env,
        #[napi(ts_arg_type = "() => number | string")] on_start: OnStart<'_>,
        #[napi(
            ts_arg_type = "(records: number, length: number, words?: Uint32Array, bytes?: Buffer, told?: string, level?: string, ran?: number) => void"
        )]
        deliver: Deliver<'_>,
        #[napi(ts_arg_type = "Uint32Array")] words: Unknown<'_>,
        #[napi(ts_arg_type = "Uint8Array")] bytes: Unknown<'_>,
    ) -> napi::Result<Option<Failure>> {
        let kept = Kept::of(env.raw(), &words, &bytes)?;
        let server = match self.engine() {
            Ok(server) => server,
            Err(error) => return Ok(Some(error.into())),
        };
        if self.is_inline {
            return self.start_inline(env, &server, &on_start, &deliver, kept);
        }
        self.channel.keep(kept);
        let started = starting(env, &on_start, &deliver, || server.start(), &self.channel)?;
        if started.is_ok() {
            self.teardown.replace(Some(StopAtTeardown::new(
                env,
                Rc::clone(&self.state),
                self.channel.clone(),
            )));
        }
        Ok(started.err().map(Failure::from))
    }

    /// Whether a running server keeps the process alive.
    #[napi(catch_unwind)]
    pub fn set_ref(&self, env: Env, keeps_alive: bool) {
        match &*self.inline.borrow() {
            Some(inline) => inline.set_ref(keeps_alive),
            None => self.channel.set_ref(&env, keeps_alive),
        }
    }

    /// Sends what is queued now, as far as the kernel takes it, for a process that is about to exit.
    #[napi(catch_unwind)]
    pub fn send_now(&self) {
        let inline = self.inline.borrow().clone();
        match (inline, self.engine()) {
            (Some(inline), Ok(server)) => inline.send_now(server.handle()),
            (None, Ok(server)) if self.teardown.borrow().is_some() => send_on_threads(server.handle()),
            // Before the start, and in onStart, no loop runs that could.
            _ => {}
        }
    }

    /// Asks the server to stop.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        if let Ok(server) = self.engine() {
            // What a callback has asked for before comes before.
            Cork::flush();
            server.handle().stop();
        }
    }

    /// Asks the server to stop when its connections have finished, or after so many milliseconds; 0: after as many as its options
    /// say.
    #[napi(catch_unwind)]
    pub fn stop_gracefully(&self, deadline_ms: i64) {
        if let Ok(server) = self.engine() {
            server.handle().stop_gracefully(millis(deadline_ms));
        }
    }

    /// Whether it was asked to stop.
    #[napi(getter, catch_unwind)]
    pub fn is_stopping(&self) -> bool {
        self.engine().map_or(true, |server| server.handle().is_stopping())
    }

    /// Gives the engine's server back, with its descriptors: after the loops have said that they have ended,
    /// whose threads it waits for, or after a stop that came before the start.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        if self.engine().is_err() {
            return;
        }
        self.registration.end();
        self.state.end(self.inline.take().is_some());
        drop(self.teardown.take());
    }

    /// The number by which other threads reach it.
    #[napi(catch_unwind)]
    pub fn number(&self) -> Either<f64, Failure> {
        match self.engine() {
            Ok(server) => Either::A(self.registration.number(server.handle(), &self.channel) as f64),
            Err(error) => Either::B(error.into()),
        }
    }

    /// How many calls other threads have asked for.
    #[napi(catch_unwind)]
    pub fn asked(&self) -> u32 {
        u32::try_from(self.registration.asked()).unwrap_or(u32::MAX)
    }

    /// What other threads ask for next, when what they asked for before was carried out: its kind, and the halves of a connection's
    /// id; nothing if that was the last to be carried out now.
    #[napi(catch_unwind)]
    pub fn next_asked(&self, was_last: bool) -> Option<Vec<u32>> {
        let (asked, id) = self.registration.next_asked(was_last)?;
        Some(vec![asked as u32, (id.to_u64() >> 32) as u32, id.to_u64() as u32])
    }

    /// The calls by id.
    #[napi(catch_unwind)]
    pub fn calls(&self, env: Env) -> napi::Result<Calls> {
        Calls::new(env.raw(), &self.state)
    }

    /// The addresses really bound.
    #[napi(getter, catch_unwind)]
    pub fn addresses(&self) -> Vec<String> {
        match &*self.state.life.borrow() {
            Life::Engine(server) => server.handle().addresses(),
            Life::Remote(_) => Vec::new(),
            Life::Over { addresses, .. } => addresses.clone(),
        }
    }

    /// The number of event loops.
    #[napi(getter, catch_unwind)]
    pub fn loops(&self) -> u32 {
        match &*self.state.life.borrow() {
            // At most Config::MAX_LOOPS.
            Life::Engine(server) => server.handle().loops() as u32,
            Life::Remote(_) => 0,
            Life::Over { metrics, .. } => metrics.1.len() as u32,
        }
    }

    /// Connections that are open.
    #[napi(getter, catch_unwind)]
    pub fn connections(&self) -> f64 {
        self.engine().map_or(0.0, |server| server.handle().connections() as f64)
    }

    /// The ids of those, each as its high and its low half.
    #[napi(getter, catch_unwind)]
    pub fn connection_ids(&self) -> Vec<u32> {
        let ids = self.engine().map(|server| server.handle().connection_ids()).unwrap_or_default();
        ids.iter().map(|id| id.to_u64()).flat_map(|id| [(id >> 32) as u32, id as u32]).collect()
    }

    /// Bytes written and not yet taken by the kernel.
    #[napi(getter, catch_unwind)]
    pub fn queued_bytes(&self) -> f64 {
        self.engine().map_or(0.0, |server| server.handle().queued_bytes() as f64)
    }
}

impl NativeServer {
    /// What happened so far: of the whole server, or of a loop, if there is such a one.
    pub(crate) fn snapshot(&self, on_loop: Option<usize>) -> Option<Metrics> {
        match (&*self.state.life.borrow(), on_loop) {
            (Life::Engine(server), None) => Some(server.handle().metrics()),
            (Life::Engine(server), Some(index)) => server.handle().loop_metrics(index),
            (Life::Remote(_), _) => None,
            (Life::Over { metrics, .. }, None) => Some(metrics.0.clone()),
            (Life::Over { metrics, .. }, Some(index)) => metrics.1.get(index).cloned(),
        }
    }

    pub(crate) fn engine(&self) -> Result<Rc<Server>> {
        self.state.engine()
    }

    fn start_inline(
        &self,
        env: Env,
        server: &Server,
        on_start: &OnStart<'_>,
        deliver: &Deliver<'_>,
        kept: Kept,
    ) -> napi::Result<Option<Failure>> {
        let entry = Entry::new(env, deliver.create_ref()?, kept)?;
        let start = || Inline::start(env, server, entry, self.channel.clone());
        let started = starting(env, on_start, deliver, start, &self.channel)?;
        Ok(started.map(|inline| drop(self.inline.replace(Some(inline)))).err().map(Failure::from))
    }
}

/// How long a process that exits waits for a loop that is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has each loop send what is queued for its connections, and waits for that.
fn send_on_threads(handle: &Handle) {
    let (begun, over) = channel::<()>();
    for index in 0..handle.loops() {
        let begun = begun.clone();
        // A loop that has ended has nothing to send.
        let _ = handle.run_on(index, move |handle| {
            for id in handle.connection_ids() {
                // What is left the kernel does not take. Nothing is sent here for those of other loops.
                let _ = handle.send_now(id);
            }
            drop(begun);
        });
    }
    drop(begun);
    // Within a callback what is asked for waits for its end.
    Cork::flush();
    // Nobody says anything: it ends when each has let go of its end, having run or not.
    let _ = over.recv_timeout(PATIENCE);
}
