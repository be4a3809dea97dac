//! The framings of the package as the engine's.

use std::sync::Arc;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyString, PyTuple, PyType};
use reactor_core::binding::{check_framing as check, Limit};
use reactor_core::{BoxError, ByteOrder, Error, ErrorKind, Framing, LengthField, Width};

use crate::argument::Argument;
use crate::bytes::with_bytes;
use crate::errors::{exception, IntoPyResult};
use crate::report::log_of;

/// A class of `reactor._framing`.
fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("reactor._framing")?.getattr(name)
}

/// `reactor._framing.Framing`, the base of the others.
fn base(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static BASE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    BASE.import(py, "reactor._framing", "Framing")
}

/// The engine's framing for what a program has given: one of the package's, a function, or None for no framing.
pub(crate) fn framing(given: &Bound<'_, PyAny>) -> PyResult<Option<Framing>> {
    if given.is_none() {
        return Ok(None);
    }
    let made = match given.is_instance(base(given.py())?)? {
        true => made(given)?,
        false => Framing::custom(measure(given)?),
    };
    check(&made).into_py_result(given.py())?;
    Ok(Some(made))
}

/// Raises what is wrong with a framing of the package's.
#[pyfunction]
pub(crate) fn check_framing(framing: &Bound<'_, PyAny>) -> PyResult<()> {
    check(&made(framing)?).into_py_result(framing.py())
}

/// The engine's framing for one of the package's.
fn made(given: &Bound<'_, PyAny>) -> PyResult<Framing> {
    let py = given.py();
    let is = |name| class(py, name).and_then(|class| given.is_instance(&class));
    let framing = if is("Line")? {
        with_settings(Framing::line(), given)?
    } else if is("Fixed")? {
        Framing::fixed(count(given, "length")?)
    } else if is("Delimiter")? {
        with_settings(delimited(given)?, given)?
    } else if is("LengthField")? {
        Framing::length_field(length_field(given)?)
    } else if is("Resp")? {
        Framing::resp().max_arguments(count(given, "max_arguments")?)
    } else if is("Custom")? {
        Framing::custom(measure(&given.getattr("measure")?)?)
    } else {
        return Err(no_framing(given));
    };
    Ok(framing.max_frame(count(given, "max_frame")?))
}

/// What lines and delimiters have besides.
fn with_settings(framing: Framing, given: &Bound<'_, PyAny>) -> PyResult<Framing> {
    let framing = if truth(given, "keep_delimiter")? { framing.keep_delimiter() } else { framing };
    Ok(if truth(given, "deliver_rest")? { framing.deliver_rest() } else { framing })
}

fn delimited(given: &Bound<'_, PyAny>) -> PyResult<Framing> {
    let delimiters = given.getattr("delimiters")?.cast_into::<PyTuple>()?;
    let bytes = |delimiter: Bound<'_, PyAny>| with_bytes(&delimiter, <[u8]>::to_vec);
    let delimiters = delimiters.iter().map(bytes).collect::<PyResult<Vec<_>>>()?;
    Ok(match &delimiters[..] {
        [one] => Framing::delimiter(one.clone()),
        _ => Framing::delimiters(delimiters),
    })
}

fn length_field(given: &Bound<'_, PyAny>) -> PyResult<LengthField> {
    let mut field = LengthField::new(width(given)?, order(given)?);
    field.offset = count(given, "offset")?;
    field.adjustment =
        given.getattr("adjustment")?.extract().map_err(|error| named(given, "adjustment", error))?;
    if !given.getattr("strip")?.is_none() {
        field.strip = count(given, "strip")?;
    }
    Ok(field)
}

fn width(given: &Bound<'_, PyAny>) -> PyResult<Width> {
    let width = given.getattr("width")?;
    let number = width.extract::<u64>().ok();
    match number {
        Some(1) => return Ok(Width::One),
        Some(2) => return Ok(Width::Two),
        Some(3) => return Ok(Width::Three),
        Some(4) => return Ok(Width::Four),
        Some(8) => return Ok(Width::Eight),
        _ => {}
    }
    if width.cast::<PyString>().is_ok_and(|width| width.to_cow().is_ok_and(|width| width == "varint")) {
        return Ok(Width::Varint);
    }
    Err(invalid(&width, format!("width must be 1, 2, 3, 4, 8 or \"varint\", not {}", width.repr()?)))
}

fn order(given: &Bound<'_, PyAny>) -> PyResult<ByteOrder> {
    let order = given.getattr("order")?;
    match order.extract::<String>().as_deref() {
        Ok("big") => Ok(ByteOrder::Big),
        Ok("little") => Ok(ByteOrder::Little),
        _ => Err(invalid(&order, format!("order must be \"big\" or \"little\", not {}", order.repr()?))),
    }
}

/// A member that is a number of bytes.
fn count(given: &Bound<'_, PyAny>, name: &str) -> PyResult<usize> {
    let value = given.getattr(name)?;
    // True is no number of bytes, though Python counts with it.
    let number =
        if value.is_instance_of::<PyBool>() { Err(PyTypeError::new_err(())) } else { value.extract() };
    number.map_err(|error| named(given, name, error))
}

fn truth(given: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    let value = given.getattr(name)?;
    value.cast::<PyBool>().map(|value| value.is_true()).map_err(|error| named(given, name, error.into()))
}

/// The error for a member's value, with the member's name.
fn named(given: &Bound<'_, PyAny>, name: &str, error: PyErr) -> PyErr {
    let Ok(value) = given.getattr(name).and_then(|value| value.repr()) else { return error };
    match error.is_instance_of::<PyOverflowError>(given.py()) {
        true => invalid(given, format!("{name} is out of range: {value}")),
        false => PyTypeError::new_err(format!("{name} has the wrong type: {value}")),
    }
}

fn invalid(near: &Bound<'_, PyAny>, message: String) -> PyErr {
    exception(near.py(), &Error::new(ErrorKind::InvalidArgument, message))
}

fn no_framing(given: &Bound<'_, PyAny>) -> PyErr {
    let quoted = given.repr().map_or_else(|_| "this".to_owned(), |quoted| quoted.to_string());
    let forms =
        "Line(), Fixed(...), Delimiter(...), LengthField(...), Resp(), a function that measures frames, or None";
    PyTypeError::new_err(format!("the framing must be {forms}, not {quoted}"))
}

/// Bytes that a function which measures frames is shown at first.
const SHOWN: usize = 4 << 10;

/// What asks a function of the program's how long a frame is.
fn measure(
    function: &Bound<'_, PyAny>,
) -> PyResult<impl Fn(&[u8]) -> Result<Option<usize>, BoxError> + Send + Sync + 'static> {
    // A class would be called, too: who gives `Line` means `Line()`.
    if function.is_instance_of::<PyType>() || !function.is_callable() {
        return Err(no_framing(function));
    }
    let function = Argument { name: "the function that measures frames", value: function }.function()?;
    let function = Arc::new(Measured { function, told: Limit::new() });
    Ok(move |input: &[u8]| Python::attach(|py| function.ask(py, input)))
}

/// A function of the program's that measures frames.
struct Measured {
    function: Py<PyAny>,
    /// Of what the log is told about its failures.
    told: Limit,
}

impl Measured {
    /// Asks it with as much of the input as it needs: of what a peer has sent ahead it would be given a copy for each frame.
    fn ask(&self, py: Python<'_>, input: &[u8]) -> Result<Option<usize>, BoxError> {
        let mut shown = SHOWN.min(input.len());
        loop {
            match self.ask_with(py, &input[..shown])? {
                None if shown < input.len() => shown = shown.saturating_mul(4).min(input.len()),
                size => return Ok(size),
            }
        }
    }

    fn ask_with(&self, py: Python<'_>, input: &[u8]) -> Result<Option<usize>, BoxError> {
        let answer = self.function.bind(py).call1((PyBytes::new(py, input),)).and_then(|size| size.extract());
        answer.map_err(|error| {
            let text = error.to_string();
            if !error.is_instance_of::<PyValueError>(py) {
                log_of(py, ("the framing's function", "a connection"), &self.told, error);
            }
            text.into()
        })
    }
}
