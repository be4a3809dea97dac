//! The interpreter lock, as a loop takes it and gives it back.

use std::cell::Cell;
use std::ptr;

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// The hold of a loop's thread on the interpreter lock: taken at the first callback that needs it, kept for those that
/// follow, and given back before the loop sends or sleeps. For the loop's thread alone, which `attached` keeps attached. A host
/// has it throughout a turn, and so it is not given back.
pub(crate) struct InterpreterLock {
    /// What the interpreter calls this thread; null until the lock is first taken.
    thread: Cell<*mut ffi::PyThreadState>,
    held: Cell<bool>,
    of_host: bool,
}

impl InterpreterLock {
    pub(crate) const fn new() -> Self {
        InterpreterLock { thread: Cell::new(ptr::null_mut()), held: Cell::new(false), of_host: false }
    }

    /// For a loop that its host turns with the lock held.
    pub(crate) const fn of_host() -> Self {
        InterpreterLock { thread: Cell::new(ptr::null_mut()), held: Cell::new(true), of_host: true }
    }

    /// The lock, which this thread has from here on until `give_back`.
    #[inline]
    pub(crate) fn take(&self) -> Python<'_> {
        if !self.held.get() {
            self.wait_for_it();
        }
        // SAFETY: this thread holds the lock. No token outlives that: `give_back` needs this to itself.
        unsafe { Python::assume_attached() }
    }

    #[inline(never)]
    fn wait_for_it(&self) {
        if self.thread.get().is_null() {
            // SAFETY: it only looks up what belongs to this thread.
            self.thread.set(unsafe { ffi::PyGILState_GetThisThreadState() });
        }
        // SAFETY: `attached` made this state for this thread, keeps it until the loop has ended, and has given the
        // lock back; so has `give_back`, as nothing is held.
        unsafe { ffi::PyEval_RestoreThread(self.thread.get()) };
        self.held.set(true);
    }

    /// Gives the lock back, if it is held.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        if !self.of_host && self.held.replace(false) {
            // SAFETY: this thread holds the lock, and nobody has a token of it.
            unsafe { ffi::PyEval_SaveThread() };
        }
    }
}

/// Keeps the calling thread attached to the interpreter, without the lock, while `run` runs: attaching for each turn would
/// cost several times as much as taking the lock does.
pub(crate) fn attached(run: &mut dyn FnMut()) {
    // The closure stays on this thread, whatever the bound on `detach` asks of it.
    struct Run<'a>(&'a mut dyn FnMut());
    // SAFETY: `detach` calls its closure on the calling thread; nothing is sent.
    unsafe impl Send for Run<'_> {}
    impl Run<'_> {
        fn call(self) {
            (self.0)();
        }
    }
    let run = Run(run);
    Python::attach(|py| as_thread(py, || py.detach(move || run.call())));
}

/// Runs something on a thread of ours as one of Python's own: under the trace and profile functions for new threads
/// (threading.settrace, coverage, profilers), and with the name that it has.
pub(crate) fn as_thread<T>(py: Python<'_>, run: impl FnOnce() -> T) -> T {
    if let Err(error) = introduce(py) {
        error.write_unraisable(py, None);
    }
    let done = run();
    if let Err(error) = take_leave(py) {
        error.write_unraisable(py, None);
    }
    done
}

fn introduce(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    if let Some(name) = std::thread::current().name() {
        // Made by the module for a thread that it did not start.
        threading.call_method0("current_thread")?.setattr("name", name)?;
    }
    let sys = py.import("sys")?;
    // Python 3.10 has functions to ask for them.
    for (hook, set) in [("_profile_hook", "setprofile"), ("_trace_hook", "settrace")] {
        let function = threading.getattr_opt(hook)?.filter(|function| !function.is_none());
        function.map(|function| sys.call_method1(set, (function,))).transpose()?;
    }
    Ok(())
}

/// The module keeps what it made for the thread, until somebody says that it is gone.
fn take_leave(py: Python<'_>) -> PyResult<()> {
    let sys = py.import("sys")?;
    sys.call_method1("settrace", (py.None(),))?;
    sys.call_method1("setprofile", (py.None(),))?;
    let threading = py.import("threading")?;
    let active = threading.getattr("_active")?;
    active.call_method1("pop", (threading.call_method0("get_ident")?, py.None())).map(drop)
}

/// Refuses an interpreter that is not the main one: there is one set of classes and of servers, and the loops' threads are
/// attached to the main interpreter.
pub(crate) fn expect_main(_attached: Python<'_>) -> PyResult<()> {
    // SAFETY: this thread is attached to an interpreter, which is what the calls are about.
    let id = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match id {
        0 => Ok(()),
        _ => Err(PyImportError::new_err(
            "reactor cannot be used in a sub-interpreter: its callbacks run in the main interpreter. Import it there",
        )),
    }
}

/// Fails where no lock is ever held: on a free-threaded interpreter that was told not to switch it on for modules that need it.
/// Without it callbacks of several loops would run in the same tables at once.
pub(crate) fn expect_lock(py: Python<'_>) -> PyResult<()> {
    let sys = py.import("sys")?;
    // Before Python 3.13 there is always one.
    let Some(is_enabled) = sys.getattr_opt("_is_gil_enabled")? else { return Ok(()) };
    if is_enabled.call0()?.is_truthy()? {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "reactor needs the interpreter lock, which PYTHON_GIL=0 or -X gil=0 forbids: leave that out, and importing it switches it on",
    ))
}
