//! The end of a transport: closing, giving up, and `connection_lost`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::found::in_context;
use super::transport::Transport;

impl Transport {
    /// Closes it behind what was written.
    pub(crate) fn begin_close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (this, state) = (slf.get(), &slf.get().state);
        if state.closing.get() {
            return Ok(());
        }
        let left = match this.is_out() {
            true => 0,
            false => this.shared.with_loop(|server| {
                let left = server.send_now(this.id);
                // Both are refused for a connection that is broken, of which the end comes by itself.
                match left {
                    0 => drop(server.close(this.id)),
                    _ => drop(server.pause(this.id)),
                }
                left
            })?,
        };
        state.closing.set(true);
        state.plain.set(false);
        match left {
            0 => Self::lose_soon(slf, None),
            _ => Self::wait(slf),
        }
        Ok(())
    }

    /// Closes it at once: with a reset if somebody would take what was sent for all.
    pub(crate) fn give_up(slf: &Bound<'_, Self>, error: Option<PyErr>) -> PyResult<()> {
        let (this, state) = (slf.get(), &slf.get().state);
        if state.lost.get() {
            return Ok(());
        }
        if !state.gone.get() {
            let unread = this.has_unread();
            this.shared.with_loop(|server| {
                // Refused if it is broken: then it ends by itself.
                match server.send_now(this.id) == 0 && !unread {
                    true => drop(server.close(this.id)),
                    false => drop(server.abort(this.id)),
                }
            })?;
        }
        state.closing.set(true);
        state.plain.set(false);
        Self::lose_soon(slf, error);
        Ok(())
    }

    /// Whether the kernel has input that nobody has read.
    fn has_unread(&self) -> bool {
        let Ok(descriptor) = self.server().descriptor(self.id) else { return false };
        let mut byte = 0_u8;
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: one byte is written to at most, which outlives the call; the descriptor is open until the connection's last
        // callback, which comes on this thread.
        (unsafe { libc::recv(descriptor, std::ptr::from_mut(&mut byte).cast(), 1, flags) }) > 0
    }

    /// A callback failed: the event loop's exception handler is told, and the connection given up.
    pub(crate) fn fail(slf: &Bound<'_, Self>, message: &str, error: PyErr) {
        let (py, shared) = (slf.py(), &slf.get().shared);
        let reason = error.clone_ref(py);
        // As asyncio has it: what the system says is no defect of the program's.
        if !error.is_instance_of::<pyo3::exceptions::PyOSError>(py) {
            shared.report(py, message, error, Some(slf));
        }
        if let Err(error) = Self::give_up(slf, Some(reason)) {
            shared.report(py, "a transport cannot be closed", error, Some(slf));
        }
    }

    /// Has `connection_lost` called by the event loop, once.
    pub(crate) fn lose_soon(slf: &Bound<'_, Self>, error: Option<PyErr>) {
        let py = slf.py();
        if slf.get().state.lost.replace(true) {
            return;
        }
        let error = error.map(|error| error.into_value(py).into_any());
        if Self::call_lose_soon(slf, error).is_err() {
            // The event loop is closed: it calls nobody any more.
            drop(slf.get().state.protocol.take());
        }
    }

    /// Has a method called by the event loop, which enters the connection's context itself.
    pub(crate) fn soon(slf: &Bound<'_, Self>, method: &str) -> PyResult<()> {
        let event_loop = slf.get().shared.event_loop.bind(slf.py());
        event_loop.call_method1("call_soon", (slf.getattr(method)?,)).map(drop)
    }

    fn call_lose_soon(slf: &Bound<'_, Self>, error: Option<Py<PyAny>>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let named = PyDict::new(py);
        named.set_item("context", &this.state.context)?;
        let call_soon = this.shared.event_loop.bind(py).getattr("call_soon")?;
        call_soon.call((slf.getattr("_lose")?, error), Some(&named)).map(drop)
    }

    /// Calls `connection_lost` in a turn of the engine's, if that was not done.
    pub(crate) fn lose_in_turn(slf: &Bound<'_, Self>, error: Option<PyErr>) {
        let (py, this) = (slf.py(), slf.get());
        if this.state.lost.replace(true) {
            return;
        }
        let error = error.map(|error| error.into_value(py).into_bound(py).into_any());
        let lost = in_context(py, &this.state.context, || Self::lose(slf, error.as_ref()));
        if let Err(error) = lost {
            this.shared.report(py, "Exception in callback protocol.connection_lost()", error, Some(slf));
        }
    }

    /// Calls `connection_lost`, and parts with the protocol.
    pub(crate) fn lose(slf: &Bound<'_, Self>, error: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.state.closing.set(true);
        this.state.plain.set(false);
        let Some(protocol) = this.protocol_object(py) else { return Ok(()) };
        let told = protocol.call_method1(py, "connection_lost", (error,));
        let protocol = this.state.protocol.take();
        drop(protocol);
        this.shared.one_lost(py);
        told.map(drop)
    }
}
