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

/// The counters that are plain numbers, by their names.
macro_rules! plain {
    ($metrics:expr, $($name:ident)+) => {
        [$((stringify!($name), $metrics.$name),)+]
    };
}

fn described(metrics: &Metrics) -> Value {
    let plain = plain!(metrics,
        accepted connected enrolled refused_by_total refused_by_address accept_errors bytes_read bytes_written
        messages_read messages_written datagrams_read datagrams_written datagrams_dropped datagrams_truncated polls
        reads writes accepts other_calls wakeups turns timers_fired callback_nanos_sampled turns_sampled
        linger_expired reads_paused_by_budget connections queued_bytes
    );
    let mut all: Map<String, Value> =
        plain.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let closed = CloseReason::ALL.into_iter().map(|reason| (reason.name(), metrics.closed_by(reason)));
    let closed: Map<String, Value> =
        closed.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), json!(count))).collect();
    let (p50, p99) = (metrics.delay.percentile(0.5), metrics.delay.percentile(0.99));
    all.insert("closed".to_owned(), Value::Object(closed));
    all.insert("delay".to_owned(), json!({ "count": metrics.delay.count(), "p50": p50, "p99": p99 }));
    Value::Object(all)
}
