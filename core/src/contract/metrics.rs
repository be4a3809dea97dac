//! Counters of one loop, and the snapshot that users read.
//!
//! Each loop counts for itself, and so does the thread that accepts for several loops: every set of counters
//! has a single writer, the thread that owns it, and any number of readers. So counting is a plain load and
//! store; no locked instruction, no cache line that two writers share. A reader sees each counter as it was a
//! moment ago, and never going back; counters read together may be some events apart.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::contract::action::CloseReason;

/// One more than the highest [`CloseReason`].
const REASONS: usize = CloseReason::ALL.len() + 1;
/// One per bit of a number of nanoseconds.
const BUCKETS: usize = 64;

/// A number that one thread counts and any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more. Only for the thread that owns the counter: others' counts would be lost.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// For any thread.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counts delays; the single-writer side of [`Histogram`].
#[derive(Debug)]
pub(crate) struct DelayCounters([Counter; BUCKETS]);

impl Default for DelayCounters {
    fn default() -> Self {
        DelayCounters(std::array::from_fn(|_| Counter::default()))
    }
}

impl DelayCounters {
    /// Counts one delay. Only for the thread that owns the counters.
    pub(crate) fn record(&self, nanos: u64) {
        self.0[bucket_of(nanos)].add(1);
    }

    fn snapshot(&self) -> Histogram {
        Histogram { buckets: std::array::from_fn(|bucket| self.0[bucket].get()) }
    }
}

/// The position of the highest bit set; 0 for 0.
fn bucket_of(nanos: u64) -> usize {
    (nanos | 1).ilog2() as usize
}

/// How often durations of each magnitude occurred, in nanoseconds: bucket 0 counts 0 and 1, bucket *n* those
/// from 2^*n* to 2^(*n* + 1) - 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: [0; BUCKETS] }
    }
}

impl Histogram {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, &bucket| sum.saturating_add(bucket))
    }

    /// How many durations each bucket counted.
    #[must_use]
    pub fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }

    /// A duration, in nanoseconds, that at least the fraction `q` of all did not exceed: `percentile(0.99)`.
    /// It is the upper bound of a bucket, so up to twice the true one. `q` outside 0 to 1 counts as the
    /// nearer of the two, NaN as 0. The answer is 0 if nothing was counted.
    #[must_use]
    pub fn percentile(&self, q: f64) -> u64 {
        let rank = ((self.count() as f64 * q.clamp(0.0, 1.0)).ceil() as u64).clamp(1, self.count().max(1));
        let mut counted: u64 = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            counted = counted.saturating_add(count);
            if counted >= rank {
                return u64::MAX >> (BUCKETS - 1 - bucket);
            }
        }
        0
    }
}

impl AddAssign<&Histogram> for Histogram {
    fn add_assign(&mut self, other: &Histogram) {
        add_each(&mut self.buckets, &other.buckets);
    }
}

fn add_each(sums: &mut [u64], others: &[u64]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum = sum.saturating_add(*other);
    }
}

/// Declares the plain counters once, for the loop's side and for the snapshot alike.
macro_rules! metrics {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// The counters of one loop, or of the thread that accepts for several. Written by that thread alone,
        /// read by any; on cache lines of its own.
        #[derive(Debug, Default)]
        #[repr(align(64))]
        pub(crate) struct LoopMetrics {
            $($(#[$doc])+ pub(crate) $name: Counter,)+
            closed: [Counter; REASONS],
            /// From the poller's return to the call of the handler.
            pub(crate) delay: DelayCounters,
        }

        impl LoopMetrics {
            /// Counts the end of a connection. Only for the thread that owns the counters.
            pub(crate) fn count_closed(&self, reason: CloseReason) {
                if let Some(counter) = self.closed.get(reason as usize) {
                    counter.add(1);
                }
            }

            /// What was counted so far, with the gauges at 0. For any thread; takes no lock.
            pub(crate) fn snapshot(&self) -> Metrics {
                Metrics {
                    $($name: self.$name.get(),)+
                    closed: std::array::from_fn(|reason| self.closed[reason].get()),
                    delay: self.delay.snapshot(),
                    connections: 0,
                    queued_bytes: 0,
                }
            }
        }

        /// What a loop, or all loops of a server together, did since the start. Counters only grow;
        /// `connections` and `queued_bytes` say how it is now. Numbers are read one after the other while the
        /// loops go on, so two of them may be some events apart.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[$doc])+ pub $name: u64,)+
            /// Connections that ended, by reason: `closed[CloseReason::Eof as usize]`. Failed outgoing
            /// connections count.
            pub closed: [u64; REASONS],
            /// Delay from ready to handled: from the moment the poller reported a connection to the call of
            /// its handler, in nanoseconds.
            pub delay: Histogram,
            /// Connections that are open now.
            pub connections: u64,
            /// Bytes of output that wait to be sent now.
            pub queued_bytes: u64,
        }

        impl AddAssign<&Metrics> for Metrics {
            /// Adds another loop's numbers, gauges too.
            fn add_assign(&mut self, other: &Metrics) {
                $(self.$name = self.$name.saturating_add(other.$name);)+
                add_each(&mut self.closed, &other.closed);
                self.delay += &other.delay;
                self.connections = self.connections.saturating_add(other.connections);
                self.queued_bytes = self.queued_bytes.saturating_add(other.queued_bytes);
            }
        }

        #[cfg(test)]
        impl LoopMetrics {
            /// The plain counters, in the order of [`Metrics::counters`].
            fn plain(&self) -> Vec<&Counter> {
                vec![$(&self.$name,)+]
            }
        }

        impl Metrics {
            /// Every plain number by its name, in the order of the documentation: the counters, then the gauges.
            #[must_use]
            pub fn counters(&self) -> Vec<(&'static str, u64)> {
                vec![
                    $((stringify!($name), self.$name),)+
                    ("connections", self.connections),
                    ("queued_bytes", self.queued_bytes),
                ]
            }
        }
    };
}

metrics! {
    /// Connections accepted from listeners.
    accepted,
    /// Outgoing connections established.
    connected,
    /// Connections taken over by their descriptor.
    enrolled,
    /// Connections refused because the server held `max_connections`.
    refused_by_total,
    /// Connections refused because their address held as many as one address may.
    refused_by_address,
    /// Calls to accept that failed, other than for want of a waiting connection.
    accept_errors,
    /// Bytes received from streams and in datagrams.
    bytes_read,
    /// Bytes that the kernel took, of streams and of datagrams.
    bytes_written,
    /// Calls of `on_data`.
    messages_read,
    /// Writes by the user that were accepted.
    messages_written,
    /// Datagrams received.
    datagrams_read,
    /// Datagrams that the kernel took.
    datagrams_written,
    /// Datagrams given up unsent, because the queue was full or the kernel refused them.
    datagrams_dropped,
    /// Datagrams received that did not fit the buffer and lost their end.
    datagrams_truncated,
    /// System calls that waited for or asked after events. More than one in a turn: the loop looked before it slept.
    polls,
    /// System calls that read, successful or not.
    reads,
    /// System calls that wrote, successful or not.
    writes,
    /// System calls that accepted, successful or not.
    accepts,
    /// System calls of any other kind that the engine made while it ran.
    other_calls,
    /// Times that another thread woke the loop: one, however many wakes came together.
    wakeups,
    /// Turns of the loop.
    turns,
    /// Timers that fired, time-outs included.
    timers_fired,
    /// Nanoseconds that the sampled turns took from the poller's return until their callbacks had returned: what is
    /// read in between is included, what is sent at the end is not.
    callback_nanos_sampled,
    /// Turns whose time in callbacks was measured.
    turns_sampled,
    /// Closed connections that the linger limit ended, before the peer did.
    linger_expired,
    /// Always 0, for programs that read it: nobody waits for the byte budget, as those who hold too much are closed.
    reads_paused_by_budget,
}

impl Metrics {
    /// Connections that ended for this reason.
    #[must_use]
    pub fn closed_by(&self, reason: CloseReason) -> u64 {
        self.closed.get(reason as usize).copied().unwrap_or(0)
    }

    /// Connections that ended for any reason.
    #[must_use]
    pub fn closed_total(&self) -> u64 {
        self.closed.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }
}

#[cfg(test)]
mod tests;
