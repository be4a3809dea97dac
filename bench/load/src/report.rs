//! The result, as one JSON object.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::tally::Tally;
use crate::window::Measured;

/// Memory of the watched process around the idle connections, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// Microseconds.
#[derive(Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
    mean: f64,
}

/// Times in seconds, memory in bytes; null where there was nothing to watch.
#[derive(Serialize)]
pub(crate) struct Report {
    mode: &'static str,
    requests: u64,
    seconds: f64,
    throughput: f64,
    wrong: u64,
    lost: u64,
    errors: u64,
    cut_off: u64,
    connections: u64,
    bytes: u64,
    latency: Latency,
    server_cpu_seconds: Option<f64>,
    load_cpu_seconds: f64,
    rss_before: Option<u64>,
    rss_after: Option<u64>,
    bytes_per_connection: Option<f64>,
}

impl Report {
    pub(crate) fn new(mode: &'static str, connections: u64, tally: &Tally, measured: Measured) -> Self {
        Self {
            mode,
            requests: tally.requests,
            seconds: measured.seconds,
            throughput: if measured.seconds > 0.0 { tally.requests as f64 / measured.seconds } else { 0.0 },
            wrong: tally.wrong,
            lost: tally.lost,
            errors: tally.errors,
            cut_off: tally.cut_off,
            connections,
            bytes: tally.bytes,
            latency: latency(tally.latencies()),
            server_cpu_seconds: measured.server_cpu,
            load_cpu_seconds: measured.load_cpu,
            rss_before: None,
            rss_after: None,
            bytes_per_connection: None,
        }
    }

    /// With the memory that the connections took.
    pub(crate) fn with_memory(mut self, memory: Memory) -> Self {
        self.rss_before = Some(memory.before);
        self.rss_after = Some(memory.after);
        let more = memory.after as f64 - memory.before as f64;
        self.bytes_per_connection = Some(more / self.connections as f64);
        self
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and fixed names can be written")
    }
}

fn latency(histogram: &Histogram<u64>) -> Latency {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Latency {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: histogram.max() as f64 / 1e3,
        mean: histogram.mean() / 1e3,
    }
}
