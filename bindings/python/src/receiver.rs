//! Where a loop's events become calls of the handler's methods.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use reactor_core::binding::{Event, Receiver, Turn};
use reactor_core::{Action, Conn as LoopConn, Handle, TimerId};

use crate::callback::Callback;
use crate::conn::Conn;
use crate::conns::Conns;
use crate::datagram::Datagram;
use crate::gathered::{Gathered, Who};
use crate::interpreter::InterpreterLock;
use crate::names::Names;
use crate::state::State;
use crate::timer::Timer;

mod calling;
mod ending;
mod ticking;

pub(crate) use ending::close_reason;

/// The receiver of one loop. It takes the interpreter lock at the first callback of a turn and gives it back before the
/// turn's output is sent; what is called after that takes it once more, until the turn ends. So other threads run Python
/// while the loop sends and sleeps.
pub(crate) struct PythonReceiver {
    pub(crate) state: Arc<State>,
    /// Made with the first connection.
    conns: OnceCell<Arc<Conns>>,
    /// The frames or commands of the read that is being delivered.
    pub(crate) gathered: Gathered,
    /// Who is told commands as lists; `None` if each is told alone.
    pub(crate) commands_to: Option<Who>,
    /// Of commands.
    pub(crate) names: Names,
    /// What `on_tick` has returned last.
    tick: Duration,
    pub(crate) lock: InterpreterLock,
    /// Under asyncio callbacks run in scopes.
    is_scoped: bool,
}

impl Receiver for PythonReceiver {
    fn data(&mut self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        if conn.has_arguments() {
            return self.command(conn, data);
        }
        let callback = &self.state.callbacks.on_data;
        if callback.method().is_none() {
            return self.frame(conn, data);
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = self.call(callback, conn, [object.as_any(), PyBytes::new(py, data).as_any()]);
        self.action_of(callback, conn, &object, answer)
    }

    fn delivered(&mut self, conn: &LoopConn<'_>) -> Action {
        self.tell_gathered(conn)
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        let callbacks = &self.state.callbacks;
        match event {
            Event::Open(conn) => return self.open(conn),
            Event::Datagram(conn, data) => return self.datagram(conn, data),
            Event::Eof(conn) => return self.tell(&callbacks.on_eof, conn, Action::Close),
            Event::Drain(conn) => return self.tell(&callbacks.on_drain, conn, Action::None),
            Event::Wake(conn) => return self.tell(&callbacks.on_wake, conn, Action::None),
            Event::Timer(conn, timer) => return self.timer(conn, timer),
            Event::Detached(conn, detached) => self.detached(conn, detached),
            Event::Closed(conn, closed) => return self.closed(conn, closed),
            Event::Completed(completion, completed) => {
                // All that is to be completed here is Python's.
                self.lock.take();
                completion.call(completed);
            }
            Event::Undelivered(..) => {}
            Event::Tick(server, next) => *next = self.tick(server),
            Event::PreWrite(server) => self.pre_write(server),
            Event::Stopping(server) => self.tell_of_server(&callbacks.on_stopping, server),
        }
        Action::None
    }

    fn before_flush(&mut self, _turn: &Turn<'_>) {
        self.lock.give_back();
    }

    fn turn_ends(&mut self, _turn: &Turn<'_>) {
        self.lock.give_back();
    }

    fn leave(&mut self) {
        self.lock.give_back();
    }
}

impl PythonReceiver {
    pub(crate) fn new(state: Arc<State>) -> Self {
        let lock = if state.is_hosted() { InterpreterLock::of_host() } else { InterpreterLock::new() };
        let is_scoped = state.scopes().is_some();
        let commands_to = Who::of_commands(&state.callbacks);
        PythonReceiver {
            state,
            conns: OnceCell::new(),
            gathered: Gathered::default(),
            commands_to,
            names: Names::default(),
            tick: Duration::from_secs(1),
            lock,
            is_scoped,
        }
    }

    fn open(&self, conn: &LoopConn<'_>) -> Action {
        let (py, callback) = (self.lock.take(), &self.state.callbacks.on_open);
        match self.admit(py, conn) {
            Ok(object) => {
                let answer = self.call(callback, conn, [object.as_any()]);
                self.action_of(callback, conn, &object, answer)
            }
            Err(error) => {
                // Without an object nothing can be called. The answer only says whether it was open.
                let _ = conn.fail();
                Python::attach(|py| self.state.failed(py, conn.server(), callback, None, error));
                Action::None
            }
        }
    }

    /// Calls a callback that is told nothing but the connection; if there is none, `otherwise`.
    fn tell(&self, callback: &Callback, conn: &LoopConn<'_>, otherwise: Action) -> Action {
        if callback.method().is_none() {
            return otherwise;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = self.call(callback, conn, [object.as_any()]);
        self.action_of(callback, conn, &object, answer)
    }

    /// A datagram, with what came with it if the handler wants to know.
    fn datagram(&self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        let callbacks = &self.state.callbacks;
        let told = callbacks.on_datagram.method().is_some();
        let callback = if told { &callbacks.on_datagram } else { &callbacks.on_data };
        if callback.method().is_none() {
            return Action::None;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let data = PyBytes::new(py, data);
        let answer = match Datagram::of(conn).filter(|_| told) {
            Some(came) => Bound::new(py, came)
                .and_then(|came| self.call(callback, conn, [object.as_any(), data.as_any(), came.as_any()])),
            None => self.call(callback, conn, [object.as_any(), data.as_any()]),
        };
        self.action_of(callback, conn, &object, answer)
    }

    fn timer(&self, conn: &LoopConn<'_>, timer: TimerId) -> Action {
        let callback = &self.state.callbacks.on_timer;
        if callback.method().is_none() {
            return Action::None;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = Bound::new(py, Timer::new(timer, conn.server().clone()))
            .and_then(|timer| self.call(callback, conn, [object.as_any(), timer.as_any()]));
        self.action_of(callback, conn, &object, answer)
    }

    fn pre_write(&mut self, server: &Handle) {
        let callback = &self.state.callbacks.on_pre_write;
        if callback.method().is_none() {
            return server.has_no_pre_write();
        }
        self.tell_of_server(&self.state.callbacks.on_pre_write, server);
        // What it has written is sent next.
        self.lock.give_back();
    }

    fn tell_of_server(&self, callback: &Callback, server: &Handle) {
        if callback.method().is_some() {
            let py = self.lock.take();
            self.state.call_of_server(py, server, callback);
        }
    }

    /// The object of a connection that begins, or that was not heard of yet: an endpoint's.
    #[inline(never)]
    fn admit<'py>(&self, py: Python<'py>, conn: &LoopConn<'_>) -> PyResult<Bound<'py, Conn>> {
        let conns = self.conns.get_or_init(|| self.state.conns.of_new_loop(py));
        let object = self.state.first_conn(py, conn.server(), conn.id())?;
        // At once: whoever asks for the object from here on is to find this one.
        conns.insert(&object);
        self.state.conns.expect_no_more(py, conn.id());
        if let Some(scopes) = self.state.scopes() {
            // It runs code of Python's, which may fail.
            let scope = scopes.open(&object).inspect_err(|_| drop(conns.remove(py, conn.id())))?;
            conns.insert_scope(conn.id(), scope);
        }
        Ok(object)
    }

    /// The connection's object, if this side has not closed it.
    #[inline]
    pub(crate) fn listening<'py>(&self, py: Python<'py>, conn: &LoopConn<'_>) -> Option<Bound<'py, Conn>> {
        match self.conns.get().and_then(|conns| conns.get(py, conn.id())) {
            Some(object) => Some(object).filter(|object| object.get().takes_events()),
            None => self.admit(py, conn).ok(),
        }
    }
}

impl Drop for PythonReceiver {
    fn drop(&mut self) {
        if let Some(conns) = self.conns.take() {
            let py = self.lock.take();
            // The loop has parted with every connection, unless it failed or found itself in a forked child.
            conns.clear(py);
            self.names.clear(py);
        }
        self.lock.give_back();
    }
}
