//! What few connections have, behind one pointer that is null for most: the user's context and holds, unfinished input,
//! completions, timers and time-outs, and what must happen before `on_open`.

use crate::base::limits::Admission;
use crate::base::timer::TimerId;
use crate::conn::completions::Completions;
use crate::conn::stream::opening::Opening;
use crate::conn::stream::timing::Timing;
use crate::contract::options::Context;

#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) context: Option<Context>,
    /// Its place among the connections admitted.
    pub(crate) admission: Option<Box<Admission>>,
    /// Input that was read and is not consumed: half a frame, what was kept, or what waits for a handler that
    /// takes none now. Its capacity is counted in the pool's `change`; it has none while it is empty.
    pub(crate) carry: Vec<u8>,
    /// Of its writes, by the number of sent bytes that each waits for; `None` without any. Their memory is counted in the
    /// pool's `change`.
    pub(crate) completions: Option<Box<Completions>>,
    /// How many more times the user has held it than released it.
    pub(crate) holds: i32,
    /// How many frames of it a receiver that hands over is given at once: 2 to the power of one less; 0 for as many as there are.
    pub(crate) window: u8,
    pub(crate) clocks: Option<Box<Clocks>>,
    pub(crate) opening: Option<Box<Opening>>,
}

/// What is timed.
#[derive(Default)]
pub(crate) struct Clocks {
    /// The user's timers. May name some that are over.
    pub(crate) timers: Vec<TimerId>,
    pub(crate) timing: Option<Timing>,
    /// The end of connecting, of lingering, or of waiting for the peer of a closing connection, which takes nothing.
    pub(crate) deadline: Option<TimerId>,
    /// When that wait began: how many bytes were sent, and how many of them the kernel held.
    pub(crate) sent_then: (u64, usize),
}

impl Extra {
    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        // A window is for what is carried.
        let Extra { context, admission, carry, completions, holds, window: _, clocks, opening } = self;
        let has_none = context.is_none() && admission.is_none() && clocks.is_none() && opening.is_none();
        has_none && carry.is_empty() && completions.is_none() && *holds == 0
    }
}

impl Clocks {
    /// Every timer of the connection.
    pub(crate) fn take_timers(&mut self) -> Vec<TimerId> {
        let mut timers = std::mem::take(&mut self.timers);
        timers.extend(self.timing.as_mut().and_then(|timing| timing.timer.take()));
        timers.extend(self.deadline.take());
        timers
    }
}
