//! What ends a connection, stops and resumes it, and calls it back.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use reactor_core::{Handle, Timeouts};

use crate::argument::Argument;
use crate::conn::Conn;
use crate::errors::IntoPyResult;
use crate::framing::framing;
use crate::state::State;
use crate::timer::Timer;

#[pymethods]
impl Conn {
    /// Shuts the writing side down, behind what is queued: the peer sees end of file. Reading goes on; the connection is
    /// closed when the peer's side has ended, too. Never blocks; usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing, or was ended before; `UnsupportedError` for a UDP endpoint.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        self.handle().end(self.conn_id()).into_py_result(py)
    }

    /// From now on writes raise `ClosedError`; what is queued is sent, and `on_close` is the only callback to
    /// come. Never blocks; usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing already; `UnsupportedError` for a UDP endpoint.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.end_by(py, Handle::close)
    }

    /// Resets the connection at once: what is queued is dropped. Also one that is being closed. Never blocks; usable on any
    /// thread.
    ///
    /// Raises `ClosedError` if the connection is gone; `UnsupportedError` for a UDP endpoint.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.end_by(py, Handle::abort)
    }

    /// Takes the connection out of the engine: completions are told False, one attempt is made to send what is queued, then
    /// `on_detach` gets the socket. One that is broken, or not made yet, has nothing to hand out, and is closed. Never blocks;
    /// usable on any thread. `return Action.DETACH` does the same.
    ///
    /// Raises `ClosedError` if the connection is closed or closing; `UnsupportedError` for a UDP endpoint.
    fn detach(&self, py: Python<'_>) -> PyResult<()> {
        self.handle().detach(self.conn_id()).into_py_result(py)
    }

    /// Stops reading, until `resume`: the peer feels it as backpressure. Frames that were read already wait, too, and so does
    /// the peer's end of file; but a reset ends the connection at once, with what was not read. Never blocks; usable on any
    /// thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing.
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        self.handle().pause(self.conn_id()).into_py_result(py)
    }

    /// Reads again. Never blocks; usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        self.handle().resume(self.conn_id()).into_py_result(py)
    }

    /// Holds the connection while an answer is made elsewhere, by a pool of threads, say: until `release` it is not
    /// read, and the end of the peer's side does not close it. Its idle and read time-outs do not run; writes go on.
    /// Holds are counted. A reset, `close`, the write time-out and the server's stop end it all the same. Never blocks;
    /// usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing; `UnsupportedError` for a UDP endpoint.
    fn hold(&self, py: Python<'_>) -> PyResult<()> {
        self.handle().hold(self.conn_id()).into_py_result(py)
    }

    /// Takes one `hold` back: the connection goes on when it was released as often as it was held. What this thread has
    /// written before is sent before the connection ends. Never blocks; usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing, `WrongStateError` if it is not held.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        self.handle().release(self.conn_id()).into_py_result(py)
    }

    /// In `on_data`, or `on_frames`: the last `count` bytes of the input do not count as consumed; they come again, in front of the next. The
    /// last call counts. More than 16 MiB is a protocol error: a handler that waits for more than that takes the bytes itself.
    ///
    /// Raises `InvalidArgumentError` if the input has fewer bytes, `WrongStateError` outside these callbacks of this connection, with a
    /// framing and on UDP, `WrongThreadError` elsewhere than on its loop, `ClosedError` if it is gone.
    fn keep(&self, count: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, count) = (count.py(), Argument { name: "count", value: count }.count(usize::MAX)?);
        let kept = self.handle().with_conn(self.conn_id(), |conn| conn.keep(count));
        kept.and_then(|kept| kept).into_py_result(py)
    }

    /// Has `on_wake` called on the connection's loop. Several calls before it comes are one. Never blocks; usable on any
    /// thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing.
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        self.handle().wake(self.conn_id()).into_py_result(py)
    }

    /// Has a function called on the connection's loop, with this object; also if the connection has closed meanwhile. What
    /// it raises is reported, and ends nothing. Never blocks; usable on any thread.
    ///
    /// Raises `ClosedError` if the connection is closed or closing; then the function is not called. `TypeError` for what cannot be
    /// called, and for a coroutine function, which nobody would await.
    fn run_on_loop(slf: &Bound<'_, Self>, function: &Bound<'_, PyAny>) -> PyResult<()> {
        run_on_loop(&slf.get().state(slf.py())?, slf, function)
    }

    /// Calls `on_timer` after `delay` seconds, and again after each `repeat` seconds if that is not 0; both to the millisecond,
    /// rounded up. The timer ends with the connection, or by its `cancel`. Only on the connection's loop, which is where its
    /// callbacks run; `run_on_loop` leads there.
    ///
    /// Raises `WrongThreadError` elsewhere, `ClosedError` if the connection is closed or closing, `WrongStateError` before
    /// `on_open`, `InvalidArgumentError` for a negative time and beyond 16,777,216 timers on one loop.
    #[pyo3(signature = (delay, repeat=None), text_signature = "($self, delay, repeat=0.0)")]
    fn set_timer(&self, delay: &Bound<'_, PyAny>, repeat: Option<&Bound<'_, PyAny>>) -> PyResult<Timer> {
        let py = delay.py();
        let delay = Argument { name: "delay", value: delay }.seconds()?;
        let repeat = seconds_or_zero("repeat", repeat)?;
        let started = self.handle().with_conn(self.conn_id(), |conn| conn.start_timer(delay, repeat));
        let id = started.and_then(|started| started).into_py_result(py)?;
        Ok(Timer::new(id, self.handle().clone()))
    }

    /// Changes when the connection is closed for want of traffic: in seconds, 0 for never. All three begin anew.
    ///
    /// idle: nothing came or went for this long: `CloseReason.IDLE`. What the peer takes of bytes that the kernel holds for it is
    ///     traffic, too.
    /// read: nothing came for this long while it was read: `CloseReason.TIME_OUT`.
    /// write: output waited for this long without the kernel or the peer taking any: it is reset, with `CloseReason.TIME_OUT`.
    ///
    /// Raises `ClosedError` if the connection is closed or closing, `InvalidArgumentError` for a negative time.
    #[pyo3(signature = (*, idle=None, read=None, write=None), text_signature = "($self, *, idle=0.0, read=0.0, write=0.0)")]
    fn set_timeouts(
        &self,
        py: Python<'_>,
        idle: Option<&Bound<'_, PyAny>>,
        read: Option<&Bound<'_, PyAny>>,
        write: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let timeouts = Timeouts {
            idle: seconds_or_zero("idle", idle)?,
            read: seconds_or_zero("read", read)?,
            write: seconds_or_zero("write", write)?,
        };
        self.handle().set_timeouts(self.conn_id(), timeouts).into_py_result(py)
    }

    /// Changes how the connection's input is cut into frames, from the next byte that `on_data` has not had: a `Framing`, such as
    /// `Line()`; a function that measures frames, which stands for `Custom(function)`; or None: `on_data` gets whatever there is.
    ///
    /// Raises `ClosedError` if the connection is closed or closing, `UnsupportedError` for a UDP endpoint, `TypeError` for anything
    /// else.
    fn set_framing(&self, framing: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, framing) = (framing.py(), self::framing(framing)?);
        self.handle().set_framing(self.conn_id(), framing).into_py_result(py)
    }
}

/// The seconds in an argument, 0 if it is left out.
fn seconds_or_zero(name: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Duration> {
    given.map_or(Ok(Duration::ZERO), |value| Argument { name, value }.seconds())
}

/// Has a function called with a connection, on its loop.
pub(crate) fn run_on_loop(
    state: &Arc<State>,
    conn: &Bound<'_, Conn>,
    function: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let function = Argument { name: "function", value: function }.function()?;
    let (py, state) = (conn.py(), Arc::downgrade(state));
    let object = conn.clone().unbind();
    let job = move |conn: &reactor_core::Conn<'_>| {
        Python::attach(|py| {
            let (object, function) = (object.into_bound(py), function.into_bound(py));
            if let (Err(error), Some(state)) = (function.call1((&object,)), state.upgrade()) {
                state.failed(py, conn.server(), &state.callbacks.run_on_loop, Some(&object), error);
            }
        });
    };
    conn.get().handle().run_on_conn(conn.get().conn_id(), job).into_py_result(py)
}
