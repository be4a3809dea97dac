//! Snapshots of the engine's counters as JSON.

use reactor_core::{CloseReason, Error, ErrorKind, Handle, Metrics};
use serde_json::{json, Map, Value};

use crate::outcome::Outcome;

/// Of the server, or of the loop that `on_loop` names.
pub(crate) fn snapshot(server: &Handle, on_loop: &str) -> Outcome {
    if on_loop.is_empty() {
        return Ok(described(&server.metrics()));
    }
    let metrics = on_loop.parse().ok().and_then(|on_loop| server.loop_metrics(on_loop));
    let none = || Error::new(ErrorKind::InvalidArgument, format!("{on_loop} is no loop"));
    Ok(described(&metrics.ok_or_else(none)?))
}

fn described(metrics: &Metrics) -> Value {
    let counters = metrics.counters().into_iter();
    let mut all: Map<String, Value> = counters.map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let closed = CloseReason::ALL.into_iter().map(|reason| (reason.name(), metrics.closed_by(reason)));
    let closed: Map<String, Value> =
        closed.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let (p50, p99) = (metrics.delay.percentile(0.5), metrics.delay.percentile(0.99));
    all.insert("closed".to_owned(), Value::Object(closed));
    all.insert("delay".to_owned(), json!({ "count": metrics.delay.count(), "p50": p50, "p99": p99 }));
    Value::Object(all)
}
