//! Functions that run on loops, now or when a timer is due.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use reactor_core::Handle;

use crate::argument::Argument;
use crate::callback::Callback;
use crate::errors::IntoPyResult;
use crate::server::Server;
use crate::state::State;
use crate::timer::Timer;

#[pymethods]
impl Server {
    /// Runs a function on a loop's thread, soon: behind what this thread has asked of that loop before. What it returns is
    /// dropped. One that raises is reported to the handler's `on_error`, with None for the connection, or without that to the
    /// logger "reactor". Usable on any thread; it never blocks. A function that a loop has not come to when it ends is not run.
    ///
    /// loop: from 0. function: any callable but an `async def`, which nobody would await. args: its arguments.
    ///
    /// Raises `InvalidArgumentError` for a loop that there is not, `WrongStateError` before the start and after the loop's end,
    /// `TypeError` for what cannot be called, and for a coroutine function.
    #[pyo3(signature = (r#loop, function, *args))]
    fn run_on_loop(
        &self,
        r#loop: &Bound<'_, PyAny>,
        function: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        let py = function.py();
        let index = Argument { name: "loop", value: r#loop }.count(usize::MAX)?;
        let job = Job::of(self.owned(py)?.state, function, args)?;
        self.handle
            .run_on(index, move |server| job.run(server, |state| &state.callbacks.run_on_loop))
            .into_py_result(py)
    }

    /// Calls a function on the calling loop's thread after a time, and returns its `Timer`. One that raises is reported as by
    /// `run_on_loop`; a timer that repeats goes on all the same. Only on the thread of a loop of this server, which is where
    /// callbacks run; from elsewhere, let `run_on_loop` call it.
    ///
    /// delay: seconds, to the millisecond, rounded up, counted from the beginning of the loop's turn. function: any callable
    /// but an `async def`, which nobody would await. args: its arguments.
    /// repeat: seconds between further calls. 0.0, the default: it is called once.
    ///
    /// Raises `WrongThreadError` elsewhere, `InvalidArgumentError` for a time that is none, and beyond 16,777,216 timers on a
    /// loop, `TypeError` for what cannot be called, and for a coroutine function.
    #[pyo3(signature = (delay, function, *args, repeat=None))]
    #[pyo3(text_signature = "($self, delay, function, *args, repeat=0.0)")]
    fn set_timer(
        &self,
        delay: &Bound<'_, PyAny>,
        function: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        repeat: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Timer> {
        let py = function.py();
        let delay = Argument { name: "delay", value: delay }.seconds()?;
        let repeat = repeat.map(|value| Argument { name: "repeat", value }.seconds()).transpose()?;
        let job = Job::of(self.owned(py)?.state, function, args)?;
        let due = move |server: &Handle| job.run(server, |state| &state.callbacks.timer);
        let id = self.handle.start_timer(delay, repeat.unwrap_or_default(), due).into_py_result(py)?;
        Ok(Timer::new(id, self.handle.clone()))
    }

    /// The loop, from 0, whose thread the calling one is, as in callbacks; None elsewhere.
    fn current_loop(&self) -> Option<usize> {
        self.handle.current_loop()
    }
}

/// A function of the program's and its arguments.
struct Job {
    state: Arc<State>,
    function: Py<PyAny>,
    args: Py<PyTuple>,
}

impl Job {
    fn of(state: Arc<State>, function: &Bound<'_, PyAny>, args: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let function = Argument { name: "function", value: function }.function()?;
        Ok(Job { state, function, args: args.clone().unbind() })
    }

    /// Runs it, on a loop's thread; `name` is what its failure is told under.
    fn run(&self, server: &Handle, name: fn(&State) -> &Callback) {
        Python::attach(|py| {
            if let Err(error) = self.function.bind(py).call1(self.args.bind(py)) {
                self.state.failed(py, server, name(&self.state), None, error);
            }
        });
    }
}
