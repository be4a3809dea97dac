//! What a server has counted.

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use reactor_core::{ErrorKind, Metrics};

use crate::failure::Failure;
use crate::server::NativeServer;

/// The numbers of a server, or of a loop.
#[napi(object)]
pub struct NativeMetrics {
    /// The plain ones, in the order of their names.
    pub plain: Vec<f64>,
    /// Connections that ended, by the number of the reason.
    pub closed: Vec<f64>,
    /// Delays, by the logarithm of their nanoseconds.
    pub delay: Vec<f64>,
}

impl From<Metrics> for NativeMetrics {
    fn from(metrics: Metrics) -> Self {
        NativeMetrics {
            plain: metrics.counters().iter().map(|(_, count)| *count as f64).collect(),
            closed: metrics.closed.map(|count| count as f64).into(),
            delay: metrics.delay.buckets().map(|count| count as f64).into(),
        }
    }
}

/// The names of the plain numbers.
#[napi]
pub fn counters() -> Vec<String> {
    Metrics::default().counters().iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[napi]
impl NativeServer {
    /// What happened so far, of the whole server or of a loop.
    #[napi(catch_unwind)]
    pub fn metrics(&self, on_loop: Option<f64>) -> Either<NativeMetrics, Failure> {
        let on_loop = on_loop.map(|index| index as usize);
        self.snapshot(on_loop)
            .map_or_else(|| Either::B(no_loop(on_loop)), |metrics| Either::A(metrics.into()))
    }
}

/// What is answered for a loop that there is not.
pub(crate) fn no_loop(on_loop: Option<usize>) -> Failure {
    let message = format!("there is no loop {}", on_loop.unwrap_or_default());
    Failure::new(ErrorKind::InvalidArgument, &message)
}
