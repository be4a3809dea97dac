//! Arguments of calls: from Python's values, with errors that name the argument and what it can be.

use std::fmt::Display;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyCFunction, PyDict, PyFloat, PyInt, PyString, PyType};
use reactor_core::{Error, ErrorKind};

use crate::errors::exception;

/// An argument, by its name.
#[derive(Clone, Copy)]
pub(crate) struct Argument<'a, 'py> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a Bound<'py, PyAny>,
}

impl<'py> Argument<'_, 'py> {
    pub(crate) fn py(&self) -> Python<'py> {
        self.value.py()
    }

    /// The error for a value of another type.
    pub(crate) fn no(&self, what: impl Display) -> PyErr {
        match self.value.repr() {
            Ok(quoted) => PyTypeError::new_err(format!("{} must be {what}, not {quoted}", self.name)),
            Err(error) => error,
        }
    }

    /// A function to be called, which is not `async def`: it would make a coroutine, and nobody awaits that.
    pub(crate) fn function(&self) -> PyResult<Py<PyAny>> {
        if !self.value.is_callable() {
            return Err(self.no("a callable"));
        }
        if is_async(self.value)? {
            return Err(self.no(
                "a plain function, as nobody would await it (it may have asyncio.create_task run a coroutine)",
            ));
        }
        Ok(self.value.clone().unbind())
    }

    /// The error for a value of the right type that is outside what the call takes.
    pub(crate) fn outside(&self, what: impl Display) -> PyErr {
        match self.value.str() {
            Ok(text) => invalid(self.py(), format!("{} must be {what}, not {text}", self.name)),
            Err(error) => error,
        }
    }

    /// An integer that counts something.
    pub(crate) fn count(&self, max: usize) -> PyResult<usize> {
        self.integer("an integer")?;
        match self.value.extract::<usize>() {
            Ok(count) if count <= max => Ok(count),
            Err(error) if !error.is_instance_of::<PyOverflowError>(self.py()) => Err(error),
            _ => Err(self.outside(format_args!("between 0 and {max}"))),
        }
    }

    /// Nothing, if it is an integer. True and False are none.
    pub(crate) fn integer(&self, what: impl Display) -> PyResult<()> {
        match is_integer(self.value) {
            true => Ok(()),
            false => Err(self.no(what)),
        }
    }

    /// True or false.
    pub(crate) fn switch(&self) -> PyResult<bool> {
        self.value.cast::<PyBool>().map(|switch| switch.is_true()).map_err(|_| self.no("True or False"))
    }

    /// A string.
    pub(crate) fn text(&self, what: impl Display) -> PyResult<String> {
        self.value.cast::<PyString>().map_err(|_| self.no(what))?.extract()
    }

    /// A number, which may be negative, infinite, or the one that is none.
    pub(crate) fn number(&self, what: impl Display) -> PyResult<f64> {
        match self.value.is_instance_of::<PyFloat>() || is_integer(self.value) {
            true => self.value.extract::<f64>(),
            false => Err(self.no(what)),
        }
    }

    /// Seconds, 0 or more. What is above 0 is no less than a nanosecond: zero is something else to the engine.
    pub(crate) fn seconds(&self) -> PyResult<Duration> {
        let seconds = self.number("a number of seconds")?;
        let wrong = |what: &str| self.outside(format_args!("a number of seconds, {what}"));
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| wrong("0 or more"))?;
        match duration.is_zero() && seconds > 0.0 {
            true => Err(wrong("0 or at least a nanosecond")),
            false => Ok(duration),
        }
    }

    /// The member of an enumeration that has this name.
    pub(crate) fn one_of<T: Copy>(&self, all: &[(T, &str)]) -> PyResult<T> {
        let known = || all.iter().map(|(_, name)| format!("\"{name}\"")).collect::<Vec<_>>();
        let name = self.value.cast::<PyString>().map_err(|_| self.no(one_of(&known())))?.to_string();
        let found = all.iter().find(|(_, known)| *known == name).map(|(member, _)| *member);
        found.ok_or_else(|| {
            invalid(self.py(), format!("{} must be {}, not {name:?}", self.name, one_of(&known())))
        })
    }
}

/// Whether it is an integer that stands for a number.
pub(crate) fn is_integer(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>()
}

/// `"a", "b" or "c"`.
fn one_of(names: &[String]) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

pub(crate) fn invalid(py: Python<'_>, message: String) -> PyErr {
    exception(py, &Error::new(ErrorKind::InvalidArgument, message))
}

/// Gives each keyword argument to `take`, which says whether the call has it.
pub(crate) fn each_keyword<'py>(
    call: &str,
    known: &[&str],
    given: Option<&Bound<'py, PyDict>>,
    mut take: impl FnMut(Argument<'_, 'py>) -> PyResult<bool>,
) -> PyResult<()> {
    for (name, value) in given.iter().flat_map(|given| given.iter()) {
        let name = name.extract::<String>()?;
        if !take(Argument { name: &name, value: &value })? {
            let known = known.join(", ");
            let text = format!("{call}() got an unexpected keyword argument '{name}' (known: {known})");
            return Err(PyTypeError::new_err(text));
        }
    }
    Ok(())
}

/// The flags of code objects that make coroutines and asynchronous generators (CO_COROUTINE, CO_ASYNC_GENERATOR).
const ASYNC: u32 = 0x80 | 0x200;

/// Whether calling it makes a coroutine, or an asynchronous generator. Functions and methods, which are most of all, are known by
/// their code.
pub(crate) fn is_async(function: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = function.py();
    // Calling a class makes one of its instances.
    if function.is_instance_of::<PyCFunction>() || function.is_instance_of::<PyType>() {
        return Ok(false);
    }
    let flags = |code: Bound<'_, PyAny>| {
        code.getattr(intern!(py, "co_flags")).and_then(|flags| flags.extract::<u32>())
    };
    if let Some(Ok(flags)) = function.getattr_opt(intern!(py, "__code__"))?.map(flags) {
        return Ok(flags & ASYNC != 0);
    }
    let inspect = py.import(intern!(py, "inspect"))?;
    let call = function.get_type().getattr(intern!(py, "__call__"))?;
    for one in [function, &call] {
        for test in [intern!(py, "iscoroutinefunction"), intern!(py, "isasyncgenfunction")] {
            if inspect.call_method1(test, (one,))?.is_truthy()? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
