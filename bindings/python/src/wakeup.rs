//! How signals end a wait of the main thread.
//!
//! The system may interrupt whichever thread it likes, or the main one just before it waits. The interpreter only notes then
//! that there is a handler to call. But it writes to a descriptor, if it was given one: that is waited for.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// While the main thread waits: what the interpreter writes a byte to for each signal that has a handler.
pub(crate) struct Wakeup {
    reader: UnixStream,
    /// The interpreter has its number.
    _writer: UnixStream,
    /// What it was given before, or -1.
    before: RawFd,
}

impl Wakeup {
    /// Begins; `None` in a thread where no signal is handled.
    pub(crate) fn begin(py: Python<'_>) -> PyResult<Option<Self>> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        match set_wakeup_fd(py, writer.as_raw_fd()) {
            Ok(before) => Ok(Some(Wakeup { reader, _writer: writer, before })),
            Err(error) if error.is_instance_of::<PyValueError>(py) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes what was written, and passes it on to whom it would have been for.
    pub(crate) fn drain(&self, py: Python<'_>) {
        let mut signals = [0; 64];
        while let Ok(count @ 1..) = (&self.reader).read(&mut signals) {
            if self.before >= 0 {
                // If there is no room for it, somebody is told already.
                let _ =
                    py.import("os").and_then(|os| os.call_method1("write", (self.before, &signals[..count])));
            }
        }
    }

    /// Ends.
    pub(crate) fn end(self, py: Python<'_>) {
        if let Err(error) = set_wakeup_fd(py, self.before) {
            error.write_unraisable(py, None);
            // Not the number of what is closed now.
            let _ = set_wakeup_fd(py, -1);
        }
        self.drain(py);
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// Gives the interpreter another descriptor; says which it had.
fn set_wakeup_fd(py: Python<'_>, descriptor: RawFd) -> PyResult<RawFd> {
    let options = PyDict::new(py);
    options.set_item("warn_on_full_buffer", false)?;
    py.import("signal")?.call_method("set_wakeup_fd", (descriptor,), Some(&options))?.extract()
}
