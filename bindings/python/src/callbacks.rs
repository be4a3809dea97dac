//! All callbacks of a handler.

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use reactor_core::{Error, ErrorKind};

use crate::callback::{handler_class, Callback};
use crate::conn::Conn;
use crate::errors::exception;
use crate::report::log;

/// Declares the callbacks once: their members, and how all of them are found and gone through.
macro_rules! callbacks {
    ($($name:ident),+ $(,)?) => {
        /// What a server calls.
        pub(crate) struct Callbacks {
            $(pub(crate) $name: Callback,)+
            /// Completions and functions that were run: they have no name of their own for the log.
            pub(crate) on_complete: Callback,
            pub(crate) run_on_loop: Callback,
            pub(crate) timer: Callback,
        }

        impl Callbacks {
            /// The names of the callbacks.
            pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),+];

            fn found(handler: &Bound<'_, PyAny>, hosted: bool) -> PyResult<Self> {
                Ok(Callbacks {
                    $($name: Callback::of(handler, stringify!($name), hosted)?,)+
                    on_complete: Callback::named("on_complete"),
                    run_on_loop: Callback::named("the function of run_on_loop"),
                    timer: Callback::named("the function of a timer"),
                })
            }

            fn all(&self) -> impl Iterator<Item = &Callback> {
                [$(&self.$name),+].into_iter()
            }
        }
    };
}

callbacks! {
    on_start,
    on_open,
    on_data,
    on_frames,
    on_command,
    on_commands,
    on_datagram,
    on_eof,
    on_drain,
    on_wake,
    on_timer,
    on_detach,
    on_close,
    on_tick,
    on_pre_write,
    on_stopping,
    on_stop,
    on_error,
}

impl Callbacks {
    /// `hosted`: they may be coroutine functions, as asyncio may run them.
    pub(crate) fn of(handler: &Bound<'_, PyAny>, hosted: bool) -> PyResult<Self> {
        if let Ok(class) = handler.cast::<PyType>() {
            let name = class.name()?;
            let text = format!("the handler must be an instance, such as {name}(), not the class {name}");
            return Err(PyTypeError::new_err(text));
        }
        if handler.is_instance(handlers_class(handler.py())?)? {
            // Functions that were chosen by decorators.
            return Self::of_object(&handler.call_method0("_take")?, handler, hosted);
        }
        Self::of_object(handler, handler, hosted)
    }

    /// The callbacks of `object`, which the user knows as `handler`.
    fn of_object(object: &Bound<'_, PyAny>, handler: &Bound<'_, PyAny>, hosted: bool) -> PyResult<Self> {
        let callbacks = Self::found(object, hosted)?;
        refuse_unknown(object)?;
        callbacks.refuse_both(handler)?;
        let is_handler = object.is_instance(handler_class(object.py())?)?;
        if !is_handler && !callbacks.all().any(|callback| callback.method().is_some()) {
            let text =
                format!("the handler must have a callback, such as on_data: {} has none", handler.repr()?);
            return Err(PyTypeError::new_err(text));
        }
        Ok(callbacks)
    }

    /// One that is a coroutine function.
    pub(crate) fn any_async(&self) -> Option<&Callback> {
        self.all().find(|callback| callback.is_async)
    }

    /// The one of this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Callback> {
        self.all().find(|callback| callback.name == name)
    }

    /// The same input is not told twice.
    fn refuse_both(&self, handler: &Bound<'_, PyAny>) -> PyResult<()> {
        let pairs = [(&self.on_data, &self.on_frames), (&self.on_command, &self.on_commands)];
        let twice = |(one, list): &(&Callback, &Callback)| one.method().is_some() && list.method().is_some();
        let Some((one, list)) = pairs.into_iter().find(twice) else { return Ok(()) };
        let (class, one, list) = (handler.get_type().name()?, one.name, list.name);
        let text =
            format!("{class} has both {one} and {list}, which take the same input: choose one of them");
        Err(exception(handler.py(), &Error::new(ErrorKind::InvalidArgument, text)))
    }

    /// Whether frames or commands are told as lists.
    pub(crate) fn gather(&self) -> bool {
        self.on_frames.method().is_some() || self.on_commands.method().is_some()
    }

    /// What commands are told to: what is made for them, or else what is told of other input.
    pub(crate) fn of_commands(&self) -> &Callback {
        [&self.on_commands, &self.on_command, &self.on_frames]
            .into_iter()
            .find(|callback| callback.method().is_some())
            .unwrap_or(&self.on_data)
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.all().try_for_each(|callback| callback.visit(visit))
    }

    /// Reports a failed callback to the handler's `on_error`, or at most once a second for each callback to the log.
    pub(crate) fn report(
        &self,
        py: Python<'_>,
        failed: &Callback,
        conn: Option<&Bound<'_, Conn>>,
        error: PyErr,
    ) -> PyResult<()> {
        let Some(on_error) = self.on_error.method() else {
            log(py, failed, conn, error);
            return Ok(());
        };
        let told = match conn {
            Some(conn) => conn.as_any().clone(),
            None => py.None().into_bound(py),
        };
        let exception = error.clone_ref(py).into_value(py).into_bound(py);
        let Err(second) = on_error.call(py, [&told, exception.as_any()]) else { return Ok(()) };
        log(py, failed, conn, error);
        if is_exit(py, &second) {
            return Err(second);
        }
        log(py, &self.on_error, conn, second);
        Ok(())
    }
}

/// Whether an exception is the wish to end the program, as `sys.exit()` and Ctrl-C raise it.
pub(crate) fn is_exit(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py)
}

/// A method whose name begins as a callback's does, and is none, would never be called.
fn refuse_unknown(handler: &Bound<'_, PyAny>) -> PyResult<()> {
    for name in handler.dir()? {
        let Ok(name) = name.extract::<String>() else { continue };
        let is_known = !name.starts_with("on_") || Callbacks::NAMES.contains(&name.as_str());
        if is_known || !handler.getattr_opt(name.as_str())?.is_some_and(|found| found.is_callable()) {
            continue;
        }
        let class = handler.get_type().name()?;
        let known = Callbacks::NAMES.join(", ");
        let text = format!("{class}.{name} is no callback, and would never be called (known: {known})");
        return Err(exception(handler.py(), &Error::new(ErrorKind::InvalidArgument, text)));
    }
    Ok(())
}

/// `reactor.Handlers`.
fn handlers_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static HANDLERS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    HANDLERS.import(py, "reactor._handlers", "Handlers")
}
