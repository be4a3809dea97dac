//! What happened so far.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use reactor_core::{CloseReason, Metrics};

use crate::argument::{invalid, Argument};
use crate::made::data;
use crate::receiver::close_reason;
use crate::server::Server;

/// Delays in magnitudes: how many there were, of which length, and below which most of them were.
#[pyclass(module = "reactor", frozen, eq)]
#[derive(PartialEq)]
pub(crate) struct Histogram(reactor_core::Histogram);

#[pymethods]
impl Histogram {
    /// How many delays were counted.
    #[getter]
    fn count(&self) -> u64 {
        self.0.count()
    }

    /// How many delays each magnitude has: the first those of 0 and 1 nanoseconds, and the one at index n those from 2**n to
    /// 2**(n+1) - 1 nanoseconds.
    #[getter]
    fn buckets(&self) -> Vec<u64> {
        self.0.buckets().to_vec()
    }

    /// A delay, in seconds, that at least the fraction `q` of all did not exceed: `percentile(0.99)`. It is the upper bound of
    /// a magnitude, so up to twice the true one. A `q` outside 0 to 1 counts as the nearer of the two. 0.0 if nothing was
    /// counted.
    fn percentile(&self, q: &Bound<'_, PyAny>) -> PyResult<f64> {
        Ok(seconds(self.0.percentile(fraction(q)?)))
    }

    fn __repr__(&self) -> String {
        format!(
            "<reactor.Histogram of {}, half of them within {} s>",
            self.count(),
            seconds(self.0.percentile(0.5))
        )
    }
}

fn fraction(q: &Bound<'_, PyAny>) -> PyResult<f64> {
    Argument { name: "q", value: q }.number("a number from 0 to 1")
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[pymethods]
impl Server {
    /// What happened so far: a `Metrics`, whose attributes it explains. After the stop, too. It walks over all connections, for
    /// `queued_bytes`: cheap enough to take every second. Usable on any thread.
    ///
    /// loop: the loop, from 0, that it is of. What is refused, or fails to be accepted, is counted where that happens: with
    ///     several loops on a thread that accepts for them, and so in none of theirs. None, the default: of the whole server.
    ///
    /// Raises `InvalidArgumentError` for a loop that there is not.
    #[pyo3(signature = (r#loop=None))]
    fn metrics<'py>(
        &self,
        py: Python<'py>,
        r#loop: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        object(py, &self.snapshot(py, r#loop)?)
    }

    /// A delay, in seconds, that at least the fraction `q` of all did not exceed, from the moment the poller reported a
    /// connection to the call of its handler: `delay_percentile(0.99)`. Up to twice the true one; 0.0 if nothing was sampled.
    ///
    /// q: from 0 to 1. loop: as `metrics` has it.
    #[pyo3(signature = (q, r#loop=None))]
    fn delay_percentile(&self, q: &Bound<'_, PyAny>, r#loop: Option<&Bound<'_, PyAny>>) -> PyResult<f64> {
        let fraction = fraction(q)?;
        Ok(seconds(self.snapshot(q.py(), r#loop)?.delay.percentile(fraction)))
    }

    /// The number of event loops; 0 before the start.
    #[getter]
    fn loops(&self) -> usize {
        self.handle.loops()
    }

    /// How many connections are open, those being made or closed included.
    #[getter]
    fn connections(&self) -> usize {
        self.handle.connections()
    }

    /// The ids of the connections that are open, those being made or closed included. Usable on any thread.
    fn connection_ids(&self, py: Python<'_>) -> Vec<u64> {
        py.detach(|| self.handle.connection_ids()).into_iter().map(reactor_core::ConnId::to_u64).collect()
    }

    /// Bytes written to connections and not yet taken by the kernel.
    #[getter]
    fn queued_bytes(&self) -> usize {
        self.handle.queued_bytes()
    }
}

impl Server {
    fn snapshot(&self, py: Python<'_>, on_loop: Option<&Bound<'_, PyAny>>) -> PyResult<Metrics> {
        let Some(value) = on_loop else { return Ok(py.detach(|| self.handle.metrics())) };
        let index = Argument { name: "loop", value }.count(usize::MAX)?;
        let metrics = py.detach(|| self.handle.loop_metrics(index));
        metrics.ok_or_else(|| {
            invalid(py, format!("there is no loop {index}: the server has {} loops", self.handle.loops()))
        })
    }
}

/// A `reactor.Metrics`.
fn object<'py>(py: Python<'py>, metrics: &Metrics) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let members = PyDict::new(py);
    for (name, count) in metrics.counters() {
        members.set_item(name, count)?;
    }
    let closed = PyDict::new(py);
    for reason in CloseReason::ALL.into_iter().filter(|reason| metrics.closed_by(*reason) > 0) {
        closed.set_item(close_reason(py, reason)?, metrics.closed_by(reason))?;
    }
    members.set_item("closed", closed)?;
    members.set_item("delay", Bound::new(py, Histogram(metrics.delay.clone()))?)?;
    data(CLASS.import(py, "reactor._metrics", "Metrics")?, &members)
}
