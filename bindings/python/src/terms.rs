//! Options of listeners and connections as keyword arguments: what the engine's table has, and nothing else.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};
use reactor_core::binding::{OptionRow, Terms, OPTIONS};

use crate::argument::{each_keyword, invalid, Argument};
use crate::framing::framing;

/// What a call's options are for.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Listener,
    /// An outgoing connection.
    Connect,
    /// A connection, however it comes.
    Conn,
}

impl Subject {
    fn has(self, row: &OptionRow) -> bool {
        match self {
            Subject::Listener => row.is_of_listeners(),
            Subject::Connect => row.is_of_connects(),
            Subject::Conn => row.is_of_conns(),
        }
    }

    pub(crate) fn rows(self) -> impl Iterator<Item = &'static OptionRow> {
        OPTIONS.iter().filter(move |row| self.has(row))
    }
}

/// Reads the options of a call, by the names that they have among an API's. `others` are the names that the call has besides,
/// which `take_other` reads.
pub(crate) fn terms<'py>(
    call: &str,
    subject: Subject,
    given: Option<&Bound<'py, PyDict>>,
    others: &[&str],
    mut take_other: impl FnMut(Argument<'_, 'py>) -> PyResult<()>,
) -> PyResult<Terms> {
    let mut terms = Terms::default();
    let known: Vec<&str> = others.iter().copied().chain(subject.rows().map(|row| row.member)).collect();
    each_keyword(call, &known, given, |argument| {
        if others.contains(&argument.name) {
            return take_other(argument).map(|()| true);
        }
        let Some(row) = subject.rows().find(|row| row.member == argument.name) else { return Ok(false) };
        // Nothing was asked.
        if !argument.value.is_none() {
            set(&mut terms, row, argument)?;
        }
        Ok(true)
    })?;
    Ok(terms)
}

fn set(terms: &mut Terms, row: &OptionRow, argument: Argument<'_, '_>) -> PyResult<()> {
    if row.form == "FRAMING" {
        return set_framing(terms, row, argument);
    }
    for text in texts(row, argument)? {
        terms.set(row, &text).ok_or_else(|| argument.outside(what(row)))?;
    }
    Ok(())
}

/// One of the package's, a function, or a string, as it would stand in a query.
fn set_framing(terms: &mut Terms, row: &OptionRow, argument: Argument<'_, '_>) -> PyResult<()> {
    if !argument.value.is_instance_of::<PyString>() {
        terms.set_framing(framing(argument.value)?);
        return Ok(());
    }
    let text = argument.text(row.value)?;
    terms.set(row, &text).ok_or_else(|| argument.outside(row.value))
}

/// What an option's value is, in Python's terms.
fn what(row: &OptionRow) -> &'static str {
    match row.form {
        "BOOL" => "True or False",
        "MS" => "a number of seconds, 0 for never",
        "OCTAL" => "the permission bits as an integer, such as 0o600",
        "BOOL|IDLE[,INTERVAL[,COUNT]]" => {
            "True, False, or whole seconds before the first probe, as one integer or in a tuple with the seconds between \
             probes and their number, each above 0"
        }
        "GROUP[@INTERFACE]" => "GROUP or GROUP@INTERFACE, or a sequence of those",
        _ => row.value,
    }
}

/// A value as the engine's table reads it: once, or for each of several.
fn texts(row: &OptionRow, argument: Argument<'_, '_>) -> PyResult<Vec<String>> {
    let one = |text: String| Ok(vec![text]);
    match row.form {
        "BOOL" => one(argument.switch()?.to_string()),
        "N" => one(integer(argument, row)?),
        "MS" => one(argument.seconds()?.as_nanos().div_ceil(1_000_000).to_string()),
        "OCTAL" => one(octal(argument, row)?),
        "BOOL|IDLE[,INTERVAL[,COUNT]]" => one(keepalive(argument, row)?),
        "GROUP[@INTERFACE]" => groups(argument, row),
        "NAME" | "IP[:PORT]" => one(argument.text(what(row))?),
        form => {
            let text = format!(
                "{} has the form {form}, which this package cannot take: it can stand in the query",
                row.member
            );
            Err(invalid(argument.py(), text))
        }
    }
}

fn integer(argument: Argument<'_, '_>, row: &OptionRow) -> PyResult<String> {
    argument.integer(what(row))?;
    Ok(argument.value.str()?.to_string())
}

fn octal(argument: Argument<'_, '_>, row: &OptionRow) -> PyResult<String> {
    integer(argument, row)?;
    let bits = argument.value.extract::<u32>().map_err(|_| argument.outside(what(row)))?;
    Ok(format!("{bits:o}"))
}

fn keepalive(argument: Argument<'_, '_>, row: &OptionRow) -> PyResult<String> {
    if argument.value.is_instance_of::<PyBool>() {
        return Ok(argument.switch()?.to_string());
    }
    let Ok(numbers) = argument.value.cast::<PyTuple>() else { return integer(argument, row) };
    let text = |value: &Bound<'_, PyAny>| integer(Argument { name: argument.name, value }, row);
    let texts: Vec<_> = numbers.iter().map(|number| text(&number)).collect::<PyResult<_>>()?;
    Ok(texts.join(","))
}

fn groups(argument: Argument<'_, '_>, row: &OptionRow) -> PyResult<Vec<String>> {
    if argument.value.is_instance_of::<PyString>() {
        return Ok(vec![argument.text(what(row))?]);
    }
    let groups = argument.value.try_iter().map_err(|_| argument.no(what(row)))?;
    groups.map(|group| Argument { name: argument.name, value: &group? }.text(what(row))).collect()
}
