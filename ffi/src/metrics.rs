//! What happened so far.

use reactor_core::{Metrics, Result};

use crate::call::Call;
use crate::server::reactor_server;
use crate::sized::{self, ends, SizedStruct};
use crate::status::reactor_status;

/// For functions that take a loop: all loops of the server together, and what accepts for them.
pub const REACTOR_ALL_LOOPS: u32 = u32::MAX;
/// Reasons that struct reactor_metrics has room for, those to come included.
pub const REACTOR_METRICS_REASONS: usize = 32;
/// Magnitudes of a delay: one per bit of a number of nanoseconds.
pub const REACTOR_METRICS_DELAYS: usize = 64;

/// What a loop, or all loops of a server together, did since the start. Set size to sizeof before the call.
/// Counters only grow; connections and queued_bytes say how it is now. Numbers are read one after the other
/// while the loops go on, so two of them may be some events apart.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_metrics {
    /// sizeof(struct reactor_metrics).
    pub size: usize,
    /// Connections that are open now.
    pub connections: u64,
    /// Bytes of output that wait to be sent now.
    pub queued_bytes: u64,
    /// Connections that ended, by reason: the number at REACTOR_CLOSE_EOF, and so on. Failed outgoing
    /// connections count.
    pub closed: [u64; REACTOR_METRICS_REASONS],
    /// Delays from ready to handled, from the moment the poller reported a connection to the call of its
    /// callback, in the turns that were sampled, by magnitude: the number at n counts those from 2^n to
    /// 2^(n+1)-1 nanoseconds, and the first 0, too.
    pub delay: [u64; REACTOR_METRICS_DELAYS],
    /// Connections accepted from listeners.
    pub accepted: u64,
    /// Outgoing connections established.
    pub connected: u64,
    /// Connections taken over by their descriptor.
    pub enrolled: u64,
    /// Connections refused because the server held max_connections.
    pub refused_by_total: u64,
    /// Connections refused because their address held as many as one address may.
    pub refused_by_address: u64,
    /// Calls to accept that failed, other than for want of a waiting connection.
    pub accept_errors: u64,
    /// Bytes received from streams and in datagrams.
    pub bytes_read: u64,
    /// Bytes that the kernel took, of streams and of datagrams.
    pub bytes_written: u64,
    /// Calls of on_data.
    pub messages_read: u64,
    /// Writes by the program that were accepted.
    pub messages_written: u64,
    /// Datagrams received.
    pub datagrams_read: u64,
    /// Datagrams that the kernel took.
    pub datagrams_written: u64,
    /// Datagrams given up unsent, because the queue was full or the kernel refused them.
    pub datagrams_dropped: u64,
    /// Datagrams received that did not fit the buffer and lost their end.
    pub datagrams_truncated: u64,
    /// System calls that waited for or asked after events. More than one in a turn: the loop looked before it slept.
    pub polls: u64,
    /// System calls that read, successful or not.
    pub reads: u64,
    /// System calls that wrote, successful or not.
    pub writes: u64,
    /// System calls that accepted, successful or not.
    pub accepts: u64,
    /// System calls of any other kind that the engine made while it ran.
    pub other_calls: u64,
    /// Times that another thread woke the loop: one, however many wakes came together.
    pub wakeups: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Timers that fired, time-outs included.
    pub timers_fired: u64,
    /// Nanoseconds spent in callbacks, in the turns that were sampled.
    pub callback_nanos_sampled: u64,
    /// Turns whose time in callbacks was measured.
    pub turns_sampled: u64,
    /// Closed connections that the linger limit ended, before the peer did.
    pub linger_expired: u64,
    /// Always 0, for programs that read it: nobody waits for the byte budget, as those who hold too much are closed.
    pub reads_paused_by_budget: u64,
}

// SAFETY: integers only, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_metrics {
    const ENDS: &'static [usize] = ends!(
        reactor_metrics: size, connections; queued_bytes, closed, delay, accepted, connected, enrolled, refused_by_total,
        refused_by_address, accept_errors, bytes_read, bytes_written, messages_read, messages_written,
        datagrams_read, datagrams_written, datagrams_dropped, datagrams_truncated, polls, reads, writes,
        accepts, other_calls, wakeups, turns, timers_fired, callback_nanos_sampled, turns_sampled,
        linger_expired, reads_paused_by_budget,
    );
}

/// Gives what happened so far, on one loop, counted from 0, or with REACTOR_ALL_LOOPS on the whole server;
/// after the stop, too. It walks over all connections, for queued_bytes: cheap enough to take every second.
/// Refused connections and failures to accept are counted where they happen: with several loops, on the
/// accepting thread, which is in the whole only.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a loop that there is not, and a size that cannot be.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_metrics(
    server: *mut reactor_server,
    on_loop: u32,
    out_metrics: *mut reactor_metrics,
) -> reactor_status {
    let call = Call::new("reactor_server_metrics");
    // SAFETY: the caller's server, not freed during the call, and NULL or a structure of the size that it says.
    let get = || Ok(from_core(&metrics(unsafe { call.server(server) }?, on_loop, call)?));
    // SAFETY: as above.
    call.run(|| unsafe { sized::fill(out_metrics, call, "out_metrics", get) })
}

/// Gives a delay from ready to handled, in nanoseconds, that at least the fraction of all did not exceed:
/// 0.99, say, of the same loops as reactor_server_metrics(). It is the upper bound of a magnitude, so up to
/// twice the true one; 0 if nothing was counted. A fraction outside 0 to 1 counts as the nearer of the two.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a loop that there is not.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_delay_percentile(
    server: *mut reactor_server,
    on_loop: u32,
    fraction: f64,
    out_nanoseconds: *mut u64,
) -> reactor_status {
    let call = Call::new("reactor_server_delay_percentile");
    let get = |server: &reactor_server| Ok(metrics(server, on_loop, call)?.delay.percentile(fraction));
    // SAFETY: the caller's server, not freed during the call, and NULL or room for the number.
    unsafe { call.getter(server, out_nanoseconds, "out_nanoseconds", get) }
}

fn metrics(server: &reactor_server, on_loop: u32, call: Call) -> Result<Metrics> {
    let handle = server.handle();
    if on_loop == REACTOR_ALL_LOOPS {
        return Ok(handle.metrics());
    }
    handle.loop_metrics(on_loop as usize).ok_or_else(|| {
        let loops = handle.loops();
        call.invalid(format_args!("on_loop is {on_loop}, the number of loops is {loops}"))
    })
}

fn from_core(of: &Metrics) -> reactor_metrics {
    /// Each number from the one of its name.
    macro_rules! same {
        ($($name:ident)+) => {
            reactor_metrics { size: 0, closed: [0; REACTOR_METRICS_REASONS], delay: *of.delay.buckets(), $($name: of.$name,)+ }
        };
    }
    let mut metrics = same! {
        connections queued_bytes accepted connected enrolled refused_by_total refused_by_address
        accept_errors bytes_read bytes_written messages_read messages_written datagrams_read
        datagrams_written datagrams_dropped datagrams_truncated polls reads writes accepts other_calls
        wakeups turns timers_fired callback_nanos_sampled turns_sampled linger_expired
        reads_paused_by_budget
    };
    metrics.closed.iter_mut().zip(&of.closed).for_each(|(ours, count)| *ours = *count);
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_every_reason() {
        assert!(Metrics::default().closed.len() <= REACTOR_METRICS_REASONS);
    }

    #[test]
    fn what_was_counted_arrives_by_its_name() {
        let mut metrics = Metrics::default();
        (metrics.connections, metrics.closed[3], metrics.reads_paused_by_budget) = (1, 2, 3);
        let ours = from_core(&metrics);
        assert_eq!((ours.connections, ours.closed[3], ours.reads_paused_by_budget), (1, 2, 3));
    }
}
