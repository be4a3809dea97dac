//! The server as the JavaScript layer holds it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use napi::bindgen_prelude::Either;
use napi::Env;
use napi_derive::napi;
use reactor_core::binding::batch::Batched;
use reactor_core::{Config, ConnId, Error, ErrorKind, Handle, Pressure, Server};

use crate::failure::Failure;
use crate::sink::{starting, Channel, Deliver, JsSink, OnStart};
use crate::teardown::StopAtTeardown;

/// The options, checked by the JavaScript layer: whole numbers from 0 on. 0 means the default.
#[napi(object)]
pub struct NativeOptions {
    /// Event loops.
    pub loops: i64,
    /// Bytes.
    pub high_water: i64,
    /// Bytes.
    pub low_water: i64,
    /// Bytes.
    pub hard_limit: i64,
    /// Bytes, at most 1 GiB.
    pub read_budget: i64,
    /// Milliseconds.
    pub linger_ms: i64,
}

impl NativeOptions {
    fn config(&self) -> Config {
        let size = |number: i64| usize::try_from(number).unwrap_or(0);
        Config {
            loops: size(self.loops),
            high_water: size(self.high_water),
            low_water: size(self.low_water),
            hard_limit: size(self.hard_limit),
            read_budget: size(self.read_budget),
            linger: Duration::from_millis(self.linger_ms.unsigned_abs()),
            ..Config::default()
        }
    }
}

/// Where a server stands. Nothing tells JavaScript's garbage collector about descriptors, so the engine's
/// server is dropped as soon as it is of no more use.
enum Life {
    Engine(Rc<Server>),
    /// Dropped: what can still be asked for, and why it takes no more calls.
    Over {
        addresses: Vec<String>,
        loops: u32,
        refusal: Error,
    },
}

/// A server. All calls on the JavaScript thread that made it.
#[napi]
pub struct NativeServer {
    life: RefCell<Life>,
    channel: Channel,
    /// From the start to the stop.
    teardown: RefCell<Option<StopAtTeardown>>,
    /// Bytes that JavaScript has written since it last asked.
    written: Cell<u32>,
}

/// Makes a server that is not started and listens nowhere.
#[napi(catch_unwind)]
pub fn create_server(options: NativeOptions) -> Either<NativeServer, Failure> {
    let channel = Channel::default();
    match Server::delivering(Batched::new(JsSink(channel.clone())), &options.config()) {
        Ok(server) => {
            let life = RefCell::new(Life::Engine(Rc::new(server)));
            Either::A(NativeServer { life, channel, teardown: RefCell::default(), written: Cell::new(0) })
        }
        Err(error) => Either::B(error.into()),
    }
}

#[napi]
impl NativeServer {
    /// Binds and listens; returns the address really bound.
    #[napi(catch_unwind)]
    pub fn listen(&self, url: String) -> Either<String, Failure> {
        match self.engine().and_then(|server| server.listen(&url)) {
            Ok(address) => Either::A(address),
            Err(error) => Either::B(error.into()),
        }
    }

    /// Calls `onStart`, which returns an action's number or the text of its failure; then starts the loops.
    /// From then on `deliver` is called with batches: five numbers for each event (kind, high and low half of
    /// the id, two more), and the bytes. The last call, without an event, says that the loops have ended.
    #[napi(catch_unwind)]
    pub fn start(
        &self,
        env: Env,
        #[napi(ts_arg_type = "() => number | string")] on_start: OnStart<'_>,
        #[napi(ts_arg_type = "(words: Uint32Array, bytes: Buffer) => void")] deliver: Deliver<'_>,
    ) -> napi::Result<Option<Failure>> {
        let server = match self.engine() {
            Ok(server) => server,
            Err(error) => return Ok(Some(error.into())),
        };
        let started = starting(env, &on_start, &deliver, || server.start(), &self.channel)?;
        if started.is_ok() {
            self.teardown.replace(Some(StopAtTeardown::new(env, server, self.channel.clone())));
        }
        Ok(started.err().map(Failure::from))
    }

    /// Asks the server to stop.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        if let Ok(server) = self.engine() {
            server.handle().stop();
        }
    }

    /// Gives the engine's server back, with its descriptors: after the loops have said that they have ended,
    /// whose threads it waits for, or after a stop that came before the start.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        let Ok(server) = self.engine() else { return };
        let refusal = match server.wait() {
            Ok(()) => Error::new(ErrorKind::WrongState, "the server was started already, and has stopped"),
            Err(_) => Error::new(ErrorKind::Stopped, "stop was called before the start"),
        };
        let over = Life::Over { addresses: self.addresses(), loops: self.loops(), refusal };
        drop(self.teardown.take());
        drop(self.life.replace(over));
    }

    /// Queues a copy of the bytes: true to go on, false above the high-water mark.
    #[napi(catch_unwind)]
    pub fn write(&self, high: u32, low: u32, data: &[u8]) -> Either<bool, Failure> {
        match self.with_conn(high, low, |handle, id| handle.write(id, data)) {
            Ok(pressure) => {
                let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
                self.written.set(self.written.get().saturating_add(len));
                Either::A(pressure == Pressure::Low)
            }
            Err(failure) => Either::B(failure),
        }
    }

    /// Bytes written since the last call.
    #[napi(catch_unwind)]
    pub fn take_written(&self) -> u32 {
        self.written.take()
    }

    /// Closes a connection.
    #[napi(catch_unwind)]
    pub fn close(&self, high: u32, low: u32) -> Option<Failure> {
        self.with_conn(high, low, Handle::close).err()
    }

    /// Closes a connection whose callback failed.
    #[napi(catch_unwind)]
    pub fn fail(&self, high: u32, low: u32) -> Option<Failure> {
        self.with_conn(high, low, Handle::fail).err()
    }

    /// Whether a connection takes writes.
    #[napi(catch_unwind)]
    pub fn is_open(&self, high: u32, low: u32) -> bool {
        self.with_conn(high, low, |handle, id| Ok(handle.is_open(id))).unwrap_or(false)
    }

    /// The addresses really bound.
    #[napi(getter, catch_unwind)]
    pub fn addresses(&self) -> Vec<String> {
        match &*self.life.borrow() {
            Life::Engine(server) => server.handle().addresses(),
            Life::Over { addresses, .. } => addresses.clone(),
        }
    }

    /// The number of event loops.
    #[napi(getter, catch_unwind)]
    pub fn loops(&self) -> u32 {
        match &*self.life.borrow() {
            // At most Config::MAX_LOOPS.
            Life::Engine(server) => server.handle().loops() as u32,
            Life::Over { loops, .. } => *loops,
        }
    }

    /// Connections that are open.
    #[napi(getter, catch_unwind)]
    pub fn connections(&self) -> f64 {
        self.engine().map_or(0.0, |server| server.handle().connections() as f64)
    }

    /// Bytes written and not yet taken by the kernel.
    #[napi(getter, catch_unwind)]
    pub fn queued_bytes(&self) -> f64 {
        self.engine().map_or(0.0, |server| server.handle().queued_bytes() as f64)
    }
}

impl NativeServer {
    fn engine(&self) -> reactor_core::Result<Rc<Server>> {
        match &*self.life.borrow() {
            Life::Engine(server) => Ok(Rc::clone(server)),
            Life::Over { refusal, .. } => Err(refusal.clone()),
        }
    }

    fn with_conn<T>(
        &self,
        high: u32,
        low: u32,
        call: impl FnOnce(&Handle, ConnId) -> reactor_core::Result<T>,
    ) -> Result<T, Failure> {
        let id = ConnId::from_u64(u64::from(high) << 32 | u64::from(low));
        match (&*self.life.borrow(), id) {
            (Life::Engine(server), Some(id)) => call(server.handle(), id).map_err(Failure::from),
            _ => Err(Failure::new(ErrorKind::Closed, "the connection is closed")),
        }
    }
}
