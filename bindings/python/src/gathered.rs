//! Input that is told otherwise than by `on_data`: commands, and frames as a list for each read.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use reactor_core::{Action, Conn as LoopConn};

use crate::callback::Callback;
use crate::callbacks::Callbacks;
use crate::names::Names;
use crate::receiver::PythonReceiver;

/// The frames or commands that one read has brought so far, and who is to be told.
#[derive(Default)]
pub(crate) struct Gathered(Option<(Who, Py<PyList>)>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    OnFrames,
    OnCommands,
}

impl Who {
    /// Who is told commands as lists; `None` if each is told alone.
    pub(crate) fn of_commands(callbacks: &Callbacks) -> Option<Who> {
        let told = callbacks.of_commands();
        [Who::OnCommands, Who::OnFrames].into_iter().find(|who| ptr::eq(told, who.callback(callbacks)))
    }

    fn callback(self, callbacks: &Callbacks) -> &Callback {
        match self {
            Who::OnFrames => &callbacks.on_frames,
            Who::OnCommands => &callbacks.on_commands,
        }
    }
}

impl PythonReceiver {
    /// A command: one call, or one more of a list.
    #[inline(never)]
    pub(crate) fn command(&mut self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        match self.commands_to {
            Some(who) => self.gather(conn, who, |py, names| Ok(arguments(py, names, conn, data)?.into_any())),
            None => {
                let make = |py| arguments(py, &self.names, conn, data);
                self.call_with(self.state.callbacks.of_commands(), conn, make)
            }
        }
    }

    /// Input for a handler without `on_data`: one more of a list, or a list of its own if nothing has cut it.
    #[inline]
    pub(crate) fn frame(&mut self, conn: &LoopConn<'_>, data: &[u8]) -> Action {
        if self.state.callbacks.on_frames.method().is_none() {
            return Action::None;
        }
        if conn.has_frame() {
            return self.gather(conn, Who::OnFrames, |py, _| Ok(PyBytes::new(py, data).into_any()));
        }
        self.call_with(&self.state.callbacks.on_frames, conn, |py| PyList::new(py, [PyBytes::new(py, data)]))
    }

    /// Calls a callback that is told one list.
    fn call_with<'s>(
        &'s self,
        callback: &Callback,
        conn: &LoopConn<'_>,
        make: impl FnOnce(Python<'s>) -> PyResult<Bound<'s, PyList>>,
    ) -> Action {
        if callback.method().is_none() {
            return Action::None;
        }
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let answer = make(py).and_then(|list| self.call(callback, conn, [object.as_any(), list.as_any()]));
        self.action_of(callback, conn, &object, answer)
    }

    /// Adds to the list of this read.
    #[inline]
    fn gather(
        &mut self,
        conn: &LoopConn<'_>,
        who: Who,
        make: impl for<'py> FnOnce(Python<'py>, &Names) -> PyResult<Bound<'py, PyAny>>,
    ) -> Action {
        if self.gathered.0.as_ref().is_some_and(|(before, _)| *before != who) {
            // A framing's function has set another framing.
            let action = self.tell_gathered(conn);
            if action != Action::None {
                return action;
            }
        }
        let py = self.lock.take();
        let (_, list) = self.gathered.0.get_or_insert_with(|| (who, PyList::empty(py).unbind()));
        let added = make(py, &self.names).and_then(|item| list.bind(py).append(item));
        match added {
            Ok(()) => Action::None,
            Err(error) => self.gather_failed(conn, who, error),
        }
    }

    /// There is no memory for it. The input would have a hole: none of it is told.
    #[cold]
    fn gather_failed(&mut self, conn: &LoopConn<'_>, who: Who, error: PyErr) -> Action {
        self.gathered = Gathered::default();
        let py = self.lock.take();
        let Some(object) = self.listening(py, conn) else { return Action::None };
        self.action_of(who.callback(&self.state.callbacks), conn, &object, Err(error))
    }

    /// Calls with what was gathered, if that is something.
    pub(crate) fn tell_gathered(&mut self, conn: &LoopConn<'_>) -> Action {
        let Some((who, list)) = self.gathered.0.take() else { return Action::None };
        let py = self.lock.take();
        let list = list.into_bound(py);
        let Some(object) = self.listening(py, conn) else { return Action::None };
        let callback = who.callback(&self.state.callbacks);
        let answer = self.call(callback, conn, [object.as_any(), list.as_any()]);
        self.action_of(callback, conn, &object, answer)
    }
}

/// The arguments of a command, a list of `bytes`.
#[inline(always)]
fn arguments<'py>(
    py: Python<'py>,
    names: &Names,
    conn: &LoopConn<'_>,
    data: &[u8],
) -> PyResult<Bound<'py, PyList>> {
    let told = conn.arguments(data);
    // SAFETY: the lock is held, as `py` says; null becomes an error.
    let list = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyList_New(told.len() as ffi::Py_ssize_t))? };
    for (place, argument) in told.iter().enumerate() {
        let object = if place == 0 { names.object(py, argument) } else { PyBytes::new(py, argument) };
        // SAFETY: the list has as many places as there are arguments, all of them empty, and nobody else has it. The object
        // is its own from here on. It cannot fail then.
        unsafe { ffi::PyList_SetItem(list.as_ptr(), place as ffi::Py_ssize_t, object.into_ptr()) };
    }
    // SAFETY: it was made as a list.
    Ok(unsafe { list.cast_into_unchecked() })
}
