use std::sync::Arc;
use std::thread;

use super::*;

fn histogram(delays: &[u64]) -> Histogram {
    let counters = DelayCounters::default();
    delays.iter().for_each(|&nanos| counters.record(nanos));
    counters.snapshot()
}

/// Counters that all differ.
fn counted() -> LoopMetrics {
    let metrics = LoopMetrics::default();
    (1..).zip(metrics.plain()).for_each(|(n, counter)| counter.add(n));
    metrics
}

#[test]
fn each_counter_reaches_its_own_field_of_the_snapshot() {
    let snapshot = Metrics { connections: 27, queued_bytes: 28, ..counted().snapshot() };
    let counters = snapshot.counters();
    assert_eq!(counters.len(), 28);
    for (n, (name, value)) in (1..).zip(counters) {
        assert_eq!(value, n, "{name}");
    }
    assert_eq!((snapshot.accepted, snapshot.bytes_read, snapshot.reads_paused_by_budget), (1, 7, 26));
    assert_eq!((snapshot.closed_total(), snapshot.delay.count()), (0, 0));
}

#[test]
fn closed_connections_are_counted_by_reason() {
    let metrics = LoopMetrics::default();
    for (n, reason) in (1..).zip(CloseReason::ALL) {
        (0..n).for_each(|_| metrics.count_closed(reason));
    }
    let snapshot = metrics.snapshot();
    for (n, reason) in (1..).zip(CloseReason::ALL) {
        assert_eq!((snapshot.closed_by(reason), snapshot.closed[reason as usize]), (n, n), "{reason:?}");
    }
    let count = CloseReason::ALL.len() as u64;
    assert_eq!(snapshot.closed_total(), count * (count + 1) / 2);
}

#[test]
fn a_sum_has_every_number_of_its_parts() {
    let loops = counted();
    loops.count_closed(CloseReason::Eof);
    loops.delay.record(5);
    let one = Metrics { connections: 3, queued_bytes: 100, ..loops.snapshot() };
    let mut sum = one.clone();
    sum += &one;
    sum += &Metrics::default();
    for (single, double) in one.counters().into_iter().zip(sum.counters()) {
        assert_eq!((single.0, 2 * single.1), double);
    }
    assert_eq!((sum.closed_by(CloseReason::Eof), sum.closed_total()), (2, 2));
    assert_eq!((sum.delay.count(), sum.connections, sum.queued_bytes), (2, 6, 200));
    assert_ne!(sum, one);
}

#[test]
fn a_bucket_counts_what_has_its_highest_bit() {
    for (nanos, bucket) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1023, 9), (1024, 10), (u64::MAX, 63)] {
        let histogram = histogram(&[nanos]);
        assert_eq!((histogram.count(), histogram.buckets()[bucket]), (1, 1), "{nanos}");
    }
}

#[test]
fn percentiles_are_the_upper_bounds_of_their_buckets() {
    let delays: Vec<u64> = (0..90).map(|_| 1000).chain((0..9).map(|_| 5000)).chain([1 << 20]).collect();
    let histogram = histogram(&delays);
    for (q, expected) in
        [(0.0, 1023), (0.5, 1023), (0.9, 1023), (0.901, 8191), (0.99, 8191), (0.991, (2 << 20) - 1)]
    {
        assert_eq!(histogram.percentile(q), expected, "{q}");
    }
    for (q, expected) in [(1.0, (2 << 20) - 1), (7.0, (2 << 20) - 1), (-1.0, 1023), (f64::NAN, 1023)] {
        assert_eq!(histogram.percentile(q), expected, "{q}");
    }
}

#[test]
fn percentiles_exist_at_both_ends() {
    assert_eq!(Histogram::default().percentile(0.5), 0);
    assert_eq!(histogram(&[0]).percentile(1.0), 1);
    assert_eq!(histogram(&[u64::MAX]).percentile(0.5), u64::MAX);
}

#[test]
fn a_reader_on_another_thread_sees_counters_grow_to_the_last_count() {
    const COUNTS: u64 = 100_000;
    let metrics = Arc::new(LoopMetrics::default());
    let writer = Arc::clone(&metrics);
    let thread = thread::spawn(move || (0..COUNTS).for_each(|_| writer.turns.add(1)));
    let mut seen = 0;
    while !thread.is_finished() {
        let turns = metrics.snapshot().turns;
        assert!((seen..=COUNTS).contains(&turns));
        seen = turns;
    }
    thread.join().unwrap();
    assert_eq!(metrics.snapshot().turns, COUNTS);
}
