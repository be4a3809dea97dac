//! Where the engine's events become calls of protocols.

use std::sync::Arc;

use pyo3::exceptions::{
    PyAttributeError, PyConnectionAbortedError, PyOSError, PyRuntimeError, PyTimeoutError,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use reactor_core::binding::{Carries, Delivery, Event, Receiver};
use reactor_core::{Action, BoxError, CloseReason, Closed, Conn as LoopConn, Handle};

use super::found::{in_context, Memory};
use super::protocol::{Input, Protocol};
use super::shared::{Pending, Shared};
use super::transport::Transport;
use crate::method::Method;

/// The delivery of an engine, and the receiver of its one loop.
pub(crate) struct ToProtocols(pub(crate) Arc<Shared>);

impl Delivery for ToProtocols {
    fn receiver(&self) -> Box<dyn Receiver> {
        Box::new(ToProtocols(Arc::clone(&self.0)))
    }

    fn carries(&self) -> Carries {
        Carries { detach: false, turns: false, commands: false, lends: false, gathers: false }
    }

    fn on_start(&self, _server: &Handle) -> Result<Action, BoxError> {
        Ok(Action::None)
    }

    fn on_stop(&self, _server: &Handle) {}
}

impl Receiver for ToProtocols {
    #[inline]
    fn data(&mut self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        let py = self.locked();
        let Some(transport) = self.0.find(py, conn.id()) else { return Action::None };
        give(&transport, data);
        Action::None
    }

    fn event(&mut self, event: Event<'_>) -> Action {
        match event {
            Event::Open(conn) => self.open(conn),
            Event::Eof(conn) => self.eof(conn),
            Event::Closed(conn, closed) => self.closed(conn, closed),
            Event::Completed(completion, completed) => completion.call(completed),
            Event::PreWrite(server) => server.has_no_pre_write(),
            // Of nobody's asking.
            Event::Drain(_) | Event::Wake(_) | Event::Timer(..) => {}
            Event::Datagram(conn, data) => self.0.datagram(self.locked(), conn, data),
            Event::Undelivered(conn, errno) => {
                self.0.tell_endpoint(self.locked(), conn.id(), "_undelivered", Some(errno));
            }
            Event::Detached(..) => {}
            Event::Tick(..) | Event::Stopping(_) => {}
        }
        Action::None
    }
}

impl ToProtocols {
    /// The lock, which whoever turns the engine or calls it holds.
    #[inline]
    fn locked(&self) -> Python<'_> {
        // SAFETY: a hosted engine calls in `turn`, `between` and when it is dropped, and whoever does these has the lock.
        unsafe { Python::assume_attached() }
    }

    fn open(&self, conn: &LoopConn<'_>) {
        let (py, shared) = (self.locked(), &self.0);
        let pending = shared.pending.borrow_mut().remove(&conn.id());
        if shared.over.get() {
            return;
        }
        match pending {
            Some(pending) => match &pending.factory {
                Some(factory) => {
                    let made = self.made(py, conn, factory, &pending.context);
                    settle(py, shared, &pending, made);
                }
                None => shared.endpoint_connected(py, conn, &pending),
            },
            None => {
                let accepting = shared
                    .accepting
                    .borrow()
                    .as_ref()
                    .map(|accepting| (accepting.factory.clone_ref(py), accepting.context.clone_ref(py)));
                let Some((factory, context)) = accepting else { return drop(conn.abort()) };
                if let Err(error) = self.made(py, conn, &factory, &context) {
                    // asyncio tells nobody.
                    shared.report(py, "Error on transport creation for incoming connection", error, None);
                }
            }
        }
    }

    /// A connection's protocol and transport; without them it is closed.
    fn made<'py>(
        &self,
        py: Python<'py>,
        conn: &LoopConn<'_>,
        factory: &Py<PyAny>,
        context: &Py<PyAny>,
    ) -> PyResult<(Bound<'py, Transport>, Py<PyAny>)> {
        let made = (|| {
            // What connection_made sets is not seen later, as with asyncio: each runs in a copy of its own.
            let first = context.call_method0(py, "copy")?;
            let protocol = in_context(py, &first, || factory.call0(py))?;
            let then = context.call_method0(py, "copy")?;
            let transport = Transport::new(conn.id(), Arc::clone(&self.0), protocol.bind(py), then)?;
            Ok((Bound::new(py, transport)?, protocol, first))
        })();
        let (transport, protocol, first) = made.inspect_err(|_: &PyErr| drop(conn.close()))?;
        self.0.insert(conn.id(), &transport);
        let told = in_context(py, &first, || protocol.call_method1(py, "connection_made", (&transport,)));
        if let Err(error) = told {
            self.0.report(py, "Exception in callback protocol.connection_made()", error, Some(&transport));
        }
        Ok((transport, protocol))
    }

    fn eof(&self, conn: &LoopConn<'_>) {
        let py = self.locked();
        let Some(transport) = self.0.find(py, conn.id()) else { return drop(conn.close()) };
        if !transport.get().state.closing.get() {
            tell_eof(&transport);
        }
    }

    fn closed(&self, conn: &LoopConn<'_>, closed: Closed) {
        self.part(conn, closed);
        if !self.0.over.get() {
            self.0.one_ended(self.locked());
        }
    }

    fn part(&self, conn: &LoopConn<'_>, closed: Closed) {
        let (py, shared) = (self.locked(), &self.0);
        let pending = shared.pending.borrow_mut().remove(&conn.id());
        if let Some(pending) = pending {
            if !shared.over.get() {
                settle(py, shared, &pending, Err(not_made(py, closed)));
            }
            return;
        }
        let Some(transport) = shared.remove(py, conn.id()) else {
            return shared.tell_endpoint(py, conn.id(), "_ended", closed.errno);
        };
        if let Err(error) = transport.get().part_with_socket(py, conn) {
            shared.report(py, "a transport's socket cannot be parted with", error, Some(&transport));
        }
        transport.get().state.gone.set(true);
        transport.get().state.plain.set(false);
        // Both sides have ended, and nobody has closed it: as asyncio has it, that is the program's to do.
        let left = closed.reason == CloseReason::Eof && !transport.get().state.closing.get();
        if left || shared.over.get() {
            return;
        }
        match shared.calling.get() {
            // Not inside a protocol's own call, and not where its context may be entered already.
            true => Transport::lose_soon(&transport, why(py, closed)),
            false => Transport::lose_in_turn(&transport, why(py, closed)),
        }
    }
}

/// Gives input to a transport's protocol.
#[inline]
fn give(transport: &Bound<'_, Transport>, data: &[u8]) {
    let (py, this) = (transport.py(), transport.get());
    let Some(protocol) = this.protocol() else { return };
    match &protocol.input {
        Input::Data(method) => {
            let data = PyBytes::new(py, data);
            let told = in_context(py, &this.state.context, || method.call(py, [data.as_any()]));
            if let Err(error) = told {
                Transport::fail(transport, "Fatal error: protocol.data_received() call failed.", error);
            }
        }
        Input::Buffer { get, updated } => fill(transport, &protocol, get, updated, data),
        Input::Lacking => {
            let name = protocol.object.bind(py).get_type();
            let error = PyAttributeError::new_err(format!("{name} has no method for what is received"));
            Transport::fail(transport, "Fatal error: protocol.data_received() call failed.", error);
        }
    }
}

/// Gives input to a BufferedProtocol, buffer by buffer. What it does not want now, because it has paused the transport in the
/// middle, waits.
fn fill(
    transport: &Bound<'_, Transport>,
    protocol: &std::rc::Rc<Protocol>,
    get: &Method,
    updated: &Method,
    mut data: &[u8],
) {
    let (py, this) = (transport.py(), transport.get());
    let hint = (-1_i64).into_pyobject(py);
    let Ok(hint) = hint;
    while !data.is_empty() && !this.state.closing.get() {
        if this.state.paused.get() {
            return this.state.rest.borrow_mut().extend_from_slice(data);
        }
        let same = this.protocol().is_some_and(|now| std::rc::Rc::ptr_eq(&now, protocol));
        if !same {
            return give(transport, data);
        }
        let filled = in_context(py, &this.state.context, || {
            let buffer = get.call(py, [hint.as_any()])?;
            let mut memory = Memory::of(&buffer)?;
            match memory.len() {
                0 => Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer")),
                _ => Ok(memory.fill(data)),
            }
        });
        let len = match filled {
            Ok(len) => len,
            Err(error) => {
                return Transport::fail(transport, "Fatal error: protocol.get_buffer() call failed.", error);
            }
        };
        data = &data[len..];
        let Ok(len) = len.into_pyobject(py);
        let told = in_context(py, &this.state.context, || updated.call(py, [len.as_any()]));
        if let Err(error) = told {
            Transport::fail(transport, "Fatal error: protocol.buffer_updated() call failed.", error);
        }
    }
}

/// Tells a protocol that the peer has ended its side, and closes unless it answers with a true value.
fn tell_eof(transport: &Bound<'_, Transport>) {
    let (py, this) = (transport.py(), transport.get());
    let Some(protocol) = this.protocol_object(py) else { return };
    let kept =
        in_context(py, &this.state.context, || protocol.call_method0(py, "eof_received")?.is_truthy(py));
    match kept {
        Ok(true) => this.state.at_eof.set(true),
        Ok(false) => {
            if let Err(error) = Transport::begin_close(transport) {
                this.shared.report(py, "a transport cannot be closed", error, Some(transport));
            }
        }
        Err(error) => Transport::fail(transport, "Fatal error: protocol.eof_received() call failed.", error),
    }
}

impl Transport {
    /// Reading was resumed: what waited for that comes first.
    pub(crate) fn go_on(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        if this.state.closing.get() || this.state.paused.get() {
            return Ok(());
        }
        let rest = this.state.rest.take();
        if !rest.is_empty() {
            give(slf, &rest);
        }
        if this.state.closing.get() || this.state.paused.get() || this.is_out() {
            return Ok(());
        }
        if this.state.at_eof.get() {
            // As asyncio has it, once for each time that reading is resumed.
            tell_eof(slf);
        }
        this.shared.with_loop(|server| drop(server.resume(this.id)))
    }
}

/// Tells who waits for an outgoing connection what came of it.
fn settle(
    py: Python<'_>,
    shared: &Shared,
    pending: &Pending,
    made: PyResult<(Bound<'_, Transport>, Py<PyAny>)>,
) {
    let waiter = pending.waiter.bind(py);
    let told = (|| {
        if waiter.call_method0("done")?.is_truthy()? {
            // Nobody waits any more.
            return match made {
                Ok((transport, _)) => Transport::give_up(&transport, None),
                Err(_) => Ok(()),
            };
        }
        match made {
            Ok(made) => waiter.call_method1("set_result", (made,)),
            Err(error) => waiter.call_method1("set_exception", (error.into_value(py),)),
        }
        .map(drop)
    })();
    if let Err(error) = told {
        shared.report(py, "an outgoing connection cannot be handed out", error, None);
    }
}

/// The exception for a connection that could not be made.
fn not_made(py: Python<'_>, closed: Closed) -> PyErr {
    match closed.errno {
        Some(errno) => system_error(py, errno),
        None if closed.reason == CloseReason::TimedOut => {
            PyTimeoutError::new_err("the connection was not made in time")
        }
        None => PyOSError::new_err("the name cannot be looked up"),
    }
}

/// The exception that connection_lost is given.
fn why(py: Python<'_>, closed: Closed) -> Option<PyErr> {
    match (closed.reason, closed.errno) {
        (_, Some(errno)) => Some(system_error(py, errno)),
        (CloseReason::Eof | CloseReason::LocalClose | CloseReason::Abort, None) => None,
        (CloseReason::Idle | CloseReason::TimedOut, None) => {
            Some(PyTimeoutError::new_err(format!("the engine closed the connection: {}", closed.reason)))
        }
        (reason, None) => {
            Some(PyConnectionAbortedError::new_err(format!("the engine closed the connection: {reason}")))
        }
    }
}

/// OSError, or the class derived from it that belongs to the number.
fn system_error(py: Python<'_>, errno: i32) -> PyErr {
    let text = py.import("os").and_then(|os| os.call_method1("strerror", (errno,)));
    match text {
        Ok(text) => PyOSError::new_err((errno, text.unbind())),
        Err(error) => error,
    }
}
