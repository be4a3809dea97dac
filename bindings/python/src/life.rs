//! The life of a server: start, wait, stop.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyWeakrefReference};
use reactor_core::{Error, ErrorKind};

use crate::argument::Argument;
use crate::errors::{exception, IntoPyResult};
use crate::exit::register;
use crate::server::{Owned, Server};
use crate::wakeup::Wakeup;

#[pymethods]
impl Server {
    /// Calls `on_start` on this thread, then starts the loops and returns. A server can be started once.
    /// Raises `StoppedError` if on_start returned STOP or stop was called before, `HandlerFailedError` if
    /// on_start raised an `Exception` (`KeyboardInterrupt` and its kin are raised on), `SystemCallError`, or
    /// if it was started before, or made to be hosted, or the interpreter ends, `WrongStateError`.
    fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let Owned { core, state, key } = this.owned(py)?;
        if this.handle.loops() == 0 && !register(key, this.handle.clone()) {
            let ends = Error::new(ErrorKind::WrongState, "cannot start: the interpreter ends");
            return Err(exception(py, &ends));
        }
        if state.for_host {
            let message = "cannot start: the server was made with hosted=True. Let asyncio serve() it, or drive it by Hosted";
            return Err(exception(py, &Error::new(ErrorKind::WrongState, message)));
        }
        state.set_server(&PyWeakrefReference::new(slf)?);
        this.started.store(true, Ordering::Release);
        let result = py.detach(|| core.start());
        this.started.store(this.handle.loops() > 0, Ordering::Release);
        result.map_err(|error| state.start_error(py, &error))
    }

    /// Starts, and waits until the server has stopped; in the main thread signals are handled meanwhile.
    /// Ctrl-C (`KeyboardInterrupt`) stops the server and makes this return; another exception of a signal
    /// handler stops it and is raised on. A callback's `KeyboardInterrupt` counts as Ctrl-C, and its `sys.exit()`
    /// stops the server and is raised here. Raises what `start` and `wait` raise.
    fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        // Before the start: one that nobody can wait for would go on running.
        reactor_core::Server::check_thread().into_py_result(py)?;
        Self::start(slf)?;
        let Err(error) = this.wait(py, None) else { return Ok(()) };
        this.handle.stop();
        // A second Ctrl-C ends the waiting, too.
        this.wait(py, None)?;
        match error.is_instance_of::<PyKeyboardInterrupt>(py) {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// Blocks until the server has stopped, on_stop has returned and its threads have ended: returns True then. An exception of
    /// a signal handler, such as `KeyboardInterrupt`, is raised on; the server keeps running. What a callback raised to end the
    /// program, by `sys.exit()` or as `KeyboardInterrupt`, stopped the server and is raised here, once.
    ///
    /// timeout: seconds to wait at most; False is returned when they are over, and the server keeps running. None, the
    ///     default: for ever.
    ///
    /// Raises `WrongThreadError` in a callback, `WrongStateError` if the server was not started.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let Owned { core, state, .. } = self.owned(py)?;
        let seconds = timeout.map(|value| Argument { name: "timeout", value }.seconds()).transpose()?;
        // One that is never over may be left out.
        let end = seconds.and_then(|seconds| Instant::now().checked_add(seconds));
        // There are none where signals are not handled.
        let signals = Wakeup::begin(py)?;
        let waited = wait_until(py, &core, signals.as_ref(), end);
        signals.into_iter().for_each(|signals| signals.end(py));
        match waited {
            Ok(true) => state.take_exit(py).map_or(Ok(true), Err),
            waited => waited,
        }
    }

    /// Asks the server to stop: connections are closed with `CloseReason.SHUTDOWN`. Asynchronous, usable from
    /// any thread and callback, may be repeated; before the start, the start is refused.
    fn stop(&self) {
        self.handle.stop();
    }

    /// Asks the server to stop when its connections have finished: `on_stopping` is called, whoever the kernel has connected
    /// is taken in, the listeners are closed, and the connections go on until all have ended or the deadline is over; what is
    /// left is then closed as by `stop`. A further call can only bring the deadline forward. Asynchronous, usable from any
    /// thread and callback.
    ///
    /// deadline: seconds from now. None, the default: the `stop_deadline` of the server.
    ///
    /// Raises `InvalidArgumentError` for a deadline that is none.
    #[pyo3(signature = (deadline=None))]
    fn stop_gracefully(&self, deadline: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let deadline = deadline.map(|value| Argument { name: "deadline", value }.seconds()).transpose()?;
        // Zero is the engine's word for its default, and here it is what was asked for.
        let deadline = deadline.map_or(Duration::ZERO, |deadline| deadline.max(Duration::from_nanos(1)));
        self.handle.stop_gracefully(deadline);
        Ok(())
    }

    /// Whether `stop` or `stop_gracefully` was called, by whomever.
    #[getter]
    fn is_stopping(&self) -> bool {
        self.handle.is_stopping()
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Stops the server and waits for it, if it was started. One that is hosted ends in its host's next turn.
    #[pyo3(signature = (exc_type=None, *_exc_info))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<&Bound<'_, PyAny>>,
        _exc_info: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        if exc_type.is_none() {
            self.handle.tell_if_unstarted();
        }
        self.handle.stop();
        let is_hosted = self.state(py).is_ok_and(|state| state.is_hosted());
        match self.handle.loops() {
            0 => Ok(()),
            _ if is_hosted => Ok(()),
            _ => self.wait(py, None).map(drop),
        }
    }
}

/// Waits until the server has stopped: true; or the time is over: false. Signals are handled meanwhile in the main thread, which
/// is told of them.
fn wait_until(
    py: Python<'_>,
    core: &reactor_core::Server,
    signals: Option<&Wakeup>,
    end: Option<Instant>,
) -> PyResult<bool> {
    loop {
        if let Some(signals) = signals {
            signals.drain(py);
            // Before the wait: from here on a signal ends it, whichever thread it interrupts.
            py.check_signals()?;
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let wait = || core.wait_within(signals.map(Wakeup::as_fd), left);
        if py.detach(wait).into_py_result(py)? {
            return Ok(true);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(false);
        }
    }
}
