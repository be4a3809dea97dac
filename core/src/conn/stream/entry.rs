//! A stream connection as its loop holds it: the wire, the state machine, unfinished input, the user's
//! context, timers and time-outs.

use crate::address::Address;
use crate::base::timer::TimerId;
use crate::conn::stream::extra::{Clocks, Extra};
use crate::conn::stream::machine::Machine;
use crate::conn::stream::queue::BlockPool;
use crate::conn::stream::timing::Timing;
use crate::conn::stream::wire::Wire;
use crate::contract::action::{CloseReason, Closed};
use crate::contract::options::Context;
use crate::dial::Dial;
use crate::framing::Framer;

/// A connection and its socket.
pub(crate) struct StreamEntry {
    pub(crate) wire: Wire,
    pub(crate) machine: Machine,
    /// Cuts the input, if the connection has a framing.
    pub(crate) framer: Option<Box<Framer>>,
    /// Another framing was set since this was last cleared.
    pub(crate) reframed: bool,
    /// What is carried waits to be delivered, without anything being read first.
    pub(crate) backlog: bool,
    /// Stands in the list of connections to serve, to drain of input, to settle.
    pub(crate) in_ready: bool,
    pub(crate) in_discard: bool,
    pub(crate) in_dirty: bool,
    /// Others know that it holds [memory](Self::memory).
    pub(crate) holds: bool,
    flows: Flowing,
}

/// Unfinished input of this size keeps its memory when most of it is consumed: little, and often needed again.
const KEPT: usize = 4 << 10;

/// A window that is as good as none.
const WIDEST: u8 = 14;

/// Whether nothing is to be done with a connection but to hand its input on and send its output. In this order and of this
/// size a UDP socket's place among the values is here, so that one comparison finds a stream that flows: see `Entry`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
enum Flowing {
    Plainly,
    /// But for its time-outs, which are told.
    Timed,
    No,
}

/// The addresses of a connection, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) local: Option<Address>,
    pub(crate) remote: Option<Address>,
}

/// A part of the input, for the handler.
pub(crate) struct Piece<'a> {
    pub(crate) part: &'a [u8],
    /// The next piece begins behind so many bytes.
    pub(crate) consumed: usize,
    /// It is all there is, and no frame.
    pub(crate) raw: bool,
}

impl StreamEntry {
    pub(crate) fn new(wire: Wire, machine: Machine) -> Self {
        StreamEntry {
            wire,
            machine,
            framer: None,
            reframed: false,
            backlog: false,
            in_ready: false,
            in_discard: false,
            in_dirty: false,
            holds: false,
            flows: Flowing::No,
        }
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.machine.extra()
    }

    /// How many frames a receiver that hands over is given at once.
    pub(crate) fn window(&self) -> usize {
        let window = self.machine.extra.as_ref().map_or(0, |extra| extra.window);
        if window == 0 {
            usize::MAX
        } else {
            1 << (window - 1)
        }
    }

    /// As many were given. Next time it may be twice that, and at last as many as there are.
    pub(crate) fn widen_window(&mut self) {
        if let Some(extra) = &mut self.machine.extra {
            extra.window = (extra.window + 1) % WIDEST;
        }
    }

    pub(crate) fn clocks(&mut self) -> &mut Clocks {
        self.extra().clocks.get_or_insert_default()
    }

    /// Keeps another context from now on, and gives back the one before.
    pub(crate) fn set_context(&mut self, context: Option<Context>) -> Option<Context> {
        match &mut self.machine.extra {
            None if context.is_none() => None,
            _ => std::mem::replace(&mut self.extra().context, context),
        }
    }

    /// Takes every timer of the connection.
    pub(crate) fn take_timers(&mut self) -> Vec<TimerId> {
        let attempt = self.dial().and_then(|dial| dial.timer.take());
        let clocks = self.machine.extra.as_mut().and_then(|extra| extra.clocks.as_mut());
        let timers = clocks.map_or_else(Vec::new, |clocks| clocks.take_timers());
        timers.into_iter().chain(attempt).collect()
    }

    /// The addresses of both sides, for who asks when the socket is closed. That of an outgoing connection which was never
    /// made is the last that was tried.
    pub(crate) fn ends(&mut self) -> Ends {
        let unnamed = self.wire.is_unix().then_some(Address::Unnamed);
        let (local, remote) = (self.wire.local(), self.machine.shared.known_peer());
        match self.dial() {
            Some(dial) => Ends {
                local: local.or_else(|| dial.local()).or(unnamed),
                remote: remote.or_else(|| dial.tried()),
            },
            None => Ends { local: local.or(unnamed.clone()), remote: remote.or(unnamed) },
        }
    }

    /// Of an outgoing connection that is not made yet.
    pub(crate) fn dial(&mut self) -> Option<&mut Dial> {
        self.machine.extra.as_mut()?.opening.as_mut()?.dial()
    }

    pub(crate) fn timing(&mut self) -> Option<&mut Timing> {
        self.machine.extra.as_mut()?.clocks.as_mut()?.timing.as_mut()
    }

    pub(crate) fn has_deadline(&self) -> bool {
        self.existing_clocks().is_some_and(|clocks| clocks.deadline.is_some())
    }

    pub(crate) fn has_timing(&self) -> bool {
        self.existing_clocks().is_some_and(|clocks| clocks.timing.is_some())
    }

    fn existing_clocks(&self) -> Option<&Clocks> {
        self.machine.extra.as_ref()?.clocks.as_deref()
    }

    pub(crate) fn carry(&self) -> &[u8] {
        self.machine.extra.as_ref().map_or(&[], |extra| &extra.carry)
    }

    /// Memory of what is carried.
    pub(crate) fn input_held(&self) -> usize {
        self.machine.extra.as_ref().map_or(0, |extra| extra.carry.capacity())
    }

    /// Memory that it holds from turn to turn.
    pub(crate) fn memory(&self) -> usize {
        self.input_held() + self.machine.out().memory() + self.machine.completions_memory()
    }

    /// Takes what is carried.
    pub(crate) fn take_carry(&mut self, pool: &mut BlockPool) -> Vec<u8> {
        let extra = self.machine.extra.as_mut();
        let carry = extra.map_or_else(Vec::new, |extra| std::mem::take(&mut extra.carry));
        pool.change -= carry.capacity() as isize;
        carry
    }

    /// Carries these bytes from now on. Memory that they do not need is given back.
    pub(crate) fn set_carry(&mut self, mut bytes: Vec<u8>, pool: &mut BlockPool) {
        drop(self.take_carry(pool));
        if bytes.is_empty() {
            return;
        }
        if bytes.capacity() > (2 * bytes.len()).max(KEPT) {
            bytes.shrink_to_fit();
        }
        pool.change += bytes.capacity() as isize;
        self.extra().carry = bytes;
    }

    /// Ends it without waiting for anything.
    pub(crate) fn end_now(&mut self, closed: Closed, pool: &mut BlockPool) {
        self.machine.end_now(closed, pool);
    }

    /// It was brought to rest at the end of a turn: if nothing is to be done with it but to hand its input on and
    /// send its output, it flows.
    pub(crate) fn rest(&mut self) {
        self.machine.extra.take_if(|extra| extra.is_empty());
        let rests = !(self.in_ready | self.in_discard | self.backlog) && self.machine.rests();
        self.flows = match self.has_timing() {
            _ if !rests => Flowing::No,
            true => Flowing::Timed,
            false => Flowing::Plainly,
        };
    }

    /// Nothing is to be done with it but to hand its input on and send its output.
    #[inline]
    pub(crate) fn flows(&self) -> bool {
        self.flows != Flowing::No
    }

    /// Somebody may be about to change that.
    #[inline]
    pub(crate) fn interrupt(&mut self) {
        self.flows = Flowing::No;
    }

    /// It flows, and has no time-outs.
    #[inline]
    pub(crate) fn flows_plainly(&self) -> bool {
        self.flows == Flowing::Plainly
    }

    /// Whether input goes to the handler as it comes.
    pub(crate) fn has_no_input(&self) -> bool {
        self.framer.is_none() && self.carry().is_empty()
    }

    /// What of input that came goes to the handler first, as it is; `None` if there is more to it: input of before, a
    /// framing that is a function of the user's, or no whole frame.
    #[inline(always)]
    pub(crate) fn first_piece<'a>(&mut self, input: &'a [u8]) -> Option<Piece<'a>> {
        if !self.carry().is_empty() {
            return None;
        }
        let Some(framer) = &mut self.framer else {
            return Some(Piece { part: input, consumed: input.len(), raw: true });
        };
        let (part, consumed) = framer.whole(input)?;
        Some(Piece { part: input.get(part)?, consumed, raw: false })
    }

    /// EOF was seen and nothing waits, be it an answer: what is left is the last frame then, if the framing says so, and
    /// otherwise an error. Says whether there is some.
    pub(crate) fn check_end(&mut self, pool: &mut BlockPool) -> bool {
        let ended = self.machine.is_at_eof() && !self.machine.is_held() && !self.backlog;
        let half = ended && self.framer.is_some() && !self.carry().is_empty();
        if half {
            self.backlog = self.framer.as_mut().is_some_and(|framer| framer.end());
        }
        if half && !self.backlog {
            self.machine.close(CloseReason::Protocol, pool);
        }
        half
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::conn_id::ConnId;
    use crate::conn::entry::Entry;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_idle_connection_fits_a_block_of_80_bytes() {
        assert_eq!((size_of::<Machine>(), size_of::<Wire>()), (40, 8));
        // 8 bytes of the allocator's own come on top.
        assert_eq!(size_of::<(ConnId, Entry)>(), 72);
    }
}
