//! Delivery: what was read, cut into frames and given to the handler.
//!
//! ```text
//!   the loop's buffer      0          HEADROOM                 HEADROOM + READ_BUFFER
//!                          |     carried ^ read                |
//! ```
//!
//! What a connection carries from the input before is copied to just in front of what is read, so that the
//! handler sees both together and what was read stays where it is. What is too large for the headroom grows in
//! the connection instead.

use std::ops::Range;

use super::{EventLoop, HEADROOM};
use crate::api::conn::Conn;
use crate::base::conn_id::ConnId;
use crate::base::panics::{debug, report};
use crate::conn::stream::machine::Machine;
use crate::contract::action::{Action, CloseReason};
use crate::delivery::receiver::Receiver;
use crate::framing::{Command, Cut, FrameError, Framer};
use crate::loop_state::{Input, LoopState};
use crate::sys::fork;

/// What to do with the front of a connection's input.
enum Piece {
    /// Give this part of it to the handler; the next piece begins behind `consumed` bytes. `raw`: it is all there
    /// is, and no frame.
    Deliver { part: Range<usize>, consumed: usize, raw: bool },
    /// Give this to the handler, if it is one.
    Command(Command),
    /// It cannot be cut, for which the protocol has an answer.
    Wrong(FrameError),
    /// There is no more to give now. If `backlog`, then because the handler takes none, not for want of bytes.
    Keep { backlog: bool },
}

impl EventLoop {
    /// Tells the receiver of what was read into its own memory, and begins there.
    pub(super) fn tell_lent(state: &LoopState, receiver: &mut dyn Receiver, id: ConnId, from: usize) {
        state.metrics().messages_read.add(1);
        Self::tell_of(state, receiver, id, |receiver, conn| receiver.data_lent(conn, from));
        Self::leave_if_forked(state, receiver);
    }

    /// Delivers what was read into the buffer, when there is neither a framing nor anything before it.
    #[inline(always)]
    pub(super) fn deliver_alone(&mut self, id: ConnId, read: usize) {
        let input = &self.buffer[HEADROOM..HEADROOM + read];
        let kept = Self::tell_data(&self.state, &mut *self.receiver, id, input, true);
        if kept > 0 {
            let end = HEADROOM + read;
            // The handler may have set a framing meanwhile, which cuts what was kept.
            self.deliver_rest(id, end - kept..end, false);
        }
    }

    /// Cuts what was read into frames, and delivers them; says whether the connection flows still, with nothing
    /// left over. One that has input of before, or whose framing is a function of the user's, does not.
    /// The first `delivered` bytes are left out.
    pub(super) fn deliver_frames<const LENDS: bool>(
        &mut self,
        id: ConnId,
        delivered: usize,
        read: usize,
    ) -> bool {
        let end = HEADROOM + read;
        let mut at = HEADROOM + delivered;
        while at < end {
            let cut = {
                let conns = &mut *self.state.conns.borrow_mut();
                let entry = conns.slab.flowing(id).filter(|entry| entry.carry().is_empty());
                match entry.and_then(|entry| entry.framer.as_mut()).filter(|framer| !framer.is_slow()) {
                    Some(framer) => framer.next(&self.buffer[at..end]),
                    None => break,
                }
            };
            let Ok(Cut::Frame { frame, consumed }) = cut else { break };
            let piece = &self.buffer[at..end][..consumed];
            Self::tell_frame::<LENDS>(&self.state, &mut *self.receiver, id, piece, frame);
            at += consumed;
        }
        if at == HEADROOM {
            at += self.deliver_commands::<LENDS>(id, read);
        }
        if at == HEADROOM {
            self.deliver_read(id, read);
            return false;
        }
        if at < end {
            // What was gathered of the frames before counts as of the rest.
            self.deliver_rest(id, at..end, true);
        } else if self.gathers {
            Self::tell_delivered(&self.state, &mut *self.receiver, id);
        }
        at == end
    }

    /// Delivers a rest of what was read into the buffer in the general way, which may leave some with the connection.
    #[inline(never)]
    pub(super) fn deliver_rest(&mut self, id: ConnId, rest: Range<usize>, fresh: bool) {
        // Lent out for the callbacks, which cannot reach it otherwise.
        let buffer = std::mem::take(&mut self.buffer);
        let left = self.deliver(id, &buffer[rest.clone()], fresh);
        self.state.carry(id, buffer[rest][left].to_vec());
        self.buffer = buffer;
    }

    /// Delivers what was read into the buffer, behind what the connection carries.
    pub(super) fn deliver_read(&mut self, id: ConnId, read: usize) {
        let mut carried = self.take_carry(id);
        if carried.len() > HEADROOM {
            if carried.capacity() - carried.len() < read {
                // By a quarter and not to the double: it is counted as it is held.
                let spare = HEADROOM.max(carried.len() / 4);
                carried.reserve_exact(read.max(self.state.within_budget(carried.len(), spare)));
            }
            carried.extend_from_slice(&self.buffer[HEADROOM..HEADROOM + read]);
            let rest = self.deliver(id, &carried, true);
            carried.drain(..rest.start);
            return self.state.carry(id, carried);
        }
        let start = HEADROOM - carried.len();
        self.buffer[start..HEADROOM].copy_from_slice(&carried);
        // Lent out for the callbacks, which cannot reach it otherwise.
        let buffer = std::mem::take(&mut self.buffer);
        let rest = self.deliver(id, &buffer[start..HEADROOM + read], true);
        if !rest.is_empty() {
            let rest = &buffer[start + rest.start..start + rest.end];
            carried.clear();
            carried.extend_from_slice(rest);
            self.state.carry(id, carried);
        }
        self.buffer = buffer;
    }

    /// Delivers what waits in the connection, without reading.
    pub(super) fn deliver_backlog(&mut self, id: ConnId) {
        let mut carried = self.take_carry(id);
        let rest = self.deliver(id, &carried, true);
        carried.drain(..rest.start);
        self.state.carry(id, carried);
    }

    fn take_carry(&mut self, id: ConnId) -> Vec<u8> {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return Vec::new() };
        entry.take_carry(&mut conns.pool)
    }

    /// Gives input to the handler, piece by piece, and says which part of it is left over. `fresh` input goes to
    /// a handler without framing even if it has kept some of it before.
    fn deliver(&mut self, id: ConnId, input: &[u8], mut fresh: bool) -> Range<usize> {
        let mut at = 0;
        // The receiver may have gathered frames, which it is to handle before anything else.
        let mut gathered = self.gathers;
        let mut window = if self.lends { self.window(id) } else { usize::MAX };
        loop {
            let piece = match window {
                0 if at < input.len() => self.close_window(id),
                _ => self.next_piece(id, &input[at..], fresh, gathered),
            };
            let backlog = match piece {
                Piece::Keep { .. } if gathered => {
                    Self::tell_delivered(&self.state, &mut *self.receiver, id);
                    gathered = false;
                    continue;
                }
                Piece::Deliver { part, consumed, raw } => {
                    gathered = self.gathers;
                    let piece = &input[at..][..consumed];
                    let (state, receiver) = (&*self.state, &mut *self.receiver);
                    let kept = match (raw, self.lends) {
                        (true, _) => Self::tell_data(state, receiver, id, piece, true),
                        (false, true) => Self::tell_frame::<true>(state, receiver, id, piece, part),
                        (false, false) => Self::tell_frame::<false>(state, receiver, id, piece, part),
                    };
                    // What was shown without a framing, and kept, waits for more.
                    fresh = !raw;
                    at += consumed - kept;
                    window = window.saturating_sub(1);
                    continue;
                }
                Piece::Command(command) => {
                    gathered = self.gathers;
                    let (state, receiver) = (&*self.state, &mut *self.receiver);
                    at += match self.lends {
                        true => Self::tell_command::<true>(state, receiver, id, &input[at..], &command),
                        false => Self::tell_command::<false>(state, receiver, id, &input[at..], &command),
                    };
                    fresh = true;
                    window = window.saturating_sub(1);
                    continue;
                }
                Piece::Wrong(error) => {
                    self.refuse_frame(id, &error);
                    false
                }
                Piece::Keep { backlog } => backlog,
            };
            if let Some(entry) = self.state.conns.borrow_mut().slab.stream_mut(id) {
                entry.backlog = backlog && at < input.len();
                if entry.machine.is_at_eof() {
                    waits(self.lends, &mut *self.receiver, &mut entry.machine, id);
                }
            }
            return at..input.len();
        }
    }

    fn window(&self, id: ConnId) -> usize {
        self.state.conns.borrow_mut().slab.peek_stream(id).map_or(usize::MAX, |entry| entry.window())
    }

    /// The receiver has been given as many frames as it is to be given at once: the rest waits for its answer.
    fn close_window(&mut self, id: ConnId) -> Piece {
        let conns = &mut *self.state.conns.borrow_mut();
        let Some(entry) = conns.slab.stream_mut(id) else { return Piece::Keep { backlog: false } };
        entry.widen_window();
        waits(self.lends, &mut *self.receiver, &mut entry.machine, id);
        Piece::Keep { backlog: entry.machine.is_open() }
    }

    /// Gives the receiver input, and says how many of the bytes the handler keeps.
    #[inline(always)]
    pub(super) fn tell_data(
        state: &LoopState,
        receiver: &mut dyn Receiver,
        id: ConnId,
        data: &[u8],
        raw: bool,
    ) -> usize {
        let input = Input { id, len: data.len(), raw };
        Self::tell_input(state, receiver, input, |receiver, conn| receiver.data(conn, data))
    }

    /// Gives the receiver a frame, which takes this piece of the stream.
    #[inline(always)]
    pub(super) fn tell_frame<const LENDS: bool>(
        state: &LoopState,
        receiver: &mut dyn Receiver,
        id: ConnId,
        piece: &[u8],
        frame: Range<usize>,
    ) -> usize {
        if !LENDS {
            return Self::tell_data(state, receiver, id, &piece[frame], false);
        }
        let input = Input { id, len: frame.len(), raw: false };
        Self::tell_input(state, receiver, input, |receiver, conn| receiver.frame(conn, piece, frame))
    }

    /// Gives the receiver input, and says how many of the bytes the handler keeps.
    #[inline(always)]
    pub(super) fn tell_input(
        state: &LoopState,
        receiver: &mut dyn Receiver,
        input: Input,
        call: impl FnOnce(&mut dyn Receiver, &Conn<'_>) -> Action,
    ) -> usize {
        state.metrics().messages_read.add(1);
        let id = input.id;
        state.input.set(Some(input));
        Self::tell_of(state, receiver, id, call);
        state.input.set(None);
        match state.kept.get() {
            0 => 0,
            fork::IN_CHILD => Self::leave(state, receiver),
            _ => state.kept.take(),
        }
    }

    /// Has the receiver handle the frames that it has gathered.
    #[inline(never)]
    pub(super) fn tell_delivered(state: &LoopState, receiver: &mut dyn Receiver, id: ConnId) {
        state.input.set(Some(Input { id, len: 0, raw: false }));
        Self::tell_of(state, receiver, id, |receiver, conn| receiver.delivered(conn));
        state.input.set(None);
        Self::leave_if_forked(state, receiver);
    }

    /// What to do with the input from here on. A framing's function is called without a borrow. If frames were `gathered`, what
    /// cannot be cut has to wait for them to be handled.
    fn next_piece(&mut self, id: ConnId, input: &[u8], fresh: bool, gathered: bool) -> Piece {
        let mut framer = {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.stream_mut(id) else { return Piece::Keep { backlog: false } };
            if input.is_empty() {
                return Piece::Keep { backlog: false };
            }
            if !entry.machine.takes_input() {
                let wanted = fresh || entry.framer.is_some();
                return Piece::Keep { backlog: wanted && entry.machine.is_open() };
            }
            entry.reframed = false;
            if let Some(framer) = entry.framer.as_mut().filter(|framer| framer.framing().cuts_commands()) {
                return match self.state.arguments.fill(|places| framer.command(input, places)) {
                    Ok(Command::Need) => Piece::Keep { backlog: false },
                    Ok(command) => Piece::Command(command),
                    Err(_) if gathered || waits(self.lends, &mut *self.receiver, &mut entry.machine, id) => {
                        // The commands before are answered first. Then it is cut again.
                        framer.begin_anew();
                        Piece::Keep { backlog: true }
                    }
                    Err(error) => Piece::Wrong(error),
                };
            }
            match entry.framer.take() {
                Some(framer) => framer,
                None if fresh => {
                    return Piece::Deliver { part: 0..input.len(), consumed: input.len(), raw: true };
                }
                None => return Piece::Keep { backlog: false },
            }
        };
        let cut = self.call(|_, _| framer.next(input));
        // Dropped when nothing is borrowed any more: it may be the last owner of a function of the user's.
        let mut framer = Some(framer);
        let mut borrowed = self.state.conns.borrow_mut();
        let conns = &mut *borrowed;
        let Some(entry) = conns.slab.stream_mut(id) else { return Piece::Keep { backlog: false } };
        if !entry.reframed {
            // The function has set no other.
            entry.framer = framer.take();
        }
        if cut.is_ok() && !entry.machine.takes_input() {
            // The function has closed or paused its own connection: the frame is not the handler's any more, or not yet.
            let again = entry.machine.shared.framing().map(Framer::new).map(Box::new);
            entry.framer = again;
            return Piece::Keep { backlog: entry.machine.is_open() };
        }
        if !matches!(cut, Ok(Ok(_)))
            && (gathered || waits(self.lends, &mut *self.receiver, &mut entry.machine, id))
        {
            // The frames before are answered first. Then it is cut again.
            entry.framer = entry.machine.shared.framing().map(Framer::new).map(Box::new);
            return Piece::Keep { backlog: true };
        }
        let (reason, trouble) = match cut {
            Ok(Ok(Cut::Frame { frame, consumed })) => {
                return Piece::Deliver { part: frame, consumed, raw: false };
            }
            Ok(Ok(Cut::Need(_))) => return Piece::Keep { backlog: false },
            Ok(Err(error)) => (CloseReason::Protocol, error.to_string()),
            Err(panic) => (CloseReason::HandlerError, format!("the framing's function panicked: {panic}")),
        };
        entry.machine.close(reason, &mut conns.pool);
        conns.mark_dirty(id);
        // The logger is the user's.
        drop(borrowed);
        log_trouble(id, reason, &trouble);
        Piece::Keep { backlog: false }
    }
}

/// Whether what is wrong with a connection's input has to wait, because frames before it were not answered. It is held then. Only a
/// receiver that `lends` hands them over so that it could overtake them.
pub(super) fn waits(lends: bool, receiver: &mut dyn Receiver, machine: &mut Machine, id: ConnId) -> bool {
    if lends && !machine.is_held() && receiver.awaits_answer(id) {
        machine.hold();
    }
    machine.is_held()
}

/// A handler's failure is reported as an error; what a peer sends is no more than a matter for debugging.
pub(super) fn log_trouble(id: ConnId, reason: CloseReason, trouble: &str) {
    match reason {
        CloseReason::HandlerError => report(format_args!("connection {id}: {trouble}")),
        _ => debug(format_args!("connection {id}: {trouble}")),
    }
}
