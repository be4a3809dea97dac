//! Delivery of commands, whose arguments are told as well.

use super::deliver::log_trouble;
use super::{EventLoop, HEADROOM};
use crate::base::conn_id::ConnId;
use crate::contract::action::CloseReason;
use crate::delivery::receiver::Receiver;
use crate::framing::{Command, FrameError, Framer};
use crate::loop_state::{Input, LoopState};

impl EventLoop {
    /// Delivers the commands in what was read, as long as the connection flows and has no input of before. Says how many
    /// bytes that were.
    #[inline(never)]
    pub(super) fn deliver_commands<const LENDS: bool>(&mut self, id: ConnId, read: usize) -> usize {
        let (state, receiver) = (&*self.state, &mut *self.receiver);
        let input = &self.buffer[HEADROOM..HEADROOM + read];
        let mut at = 0;
        while at < input.len() {
            let found = {
                let conns = &mut *state.conns.borrow_mut();
                let entry = conns.slab.flowing(id).filter(|entry| entry.carry().is_empty());
                match entry.and_then(|entry| entry.framer.as_mut()).filter(|framer| cuts_commands(framer)) {
                    Some(framer) => state.arguments.fill(|places| framer.command(&input[at..], places)),
                    None => break,
                }
            };
            match found {
                Ok(Command::Need) | Err(_) => break,
                Ok(command) => {
                    at += Self::tell_command::<LENDS>(state, receiver, id, &input[at..], &command);
                }
            }
        }
        at
    }

    /// Gives the receiver a command, if it is one. Says how many bytes of the input it took.
    #[inline(always)]
    pub(super) fn tell_command<const LENDS: bool>(
        state: &LoopState,
        receiver: &mut dyn Receiver,
        id: ConnId,
        input: &[u8],
        command: &Command,
    ) -> usize {
        let (data, consumed) = match command {
            Command::Whole(len) => (&input[..*len], *len),
            Command::Unquoted(text, len) => (&text[..], *len),
            Command::Nothing(len) => return *len,
            Command::Need => return 0,
        };
        match LENDS {
            true => {
                let told = Input { id, len: data.len(), raw: false };
                let piece = &input[..consumed];
                Self::tell_input(state, receiver, told, |receiver, conn| receiver.command(conn, piece, data))
            }
            false => Self::tell_data(state, receiver, id, data, false),
        };
        state.arguments.clear();
        consumed
    }

    /// The peer's protocol has words for what is wrong: it is told, behind what was written before. Then the connection is
    /// closed.
    #[cold]
    pub(super) fn refuse_frame(&mut self, id: ConnId, error: &FrameError) {
        let framing = self.state.conns.borrow_mut().slab.peek_stream(id).and_then(|entry| {
            let framer = entry.framer.as_ref()?;
            framer.framing().answer_to(error)
        });
        if let Some(answer) = framing {
            // It may be ended, or full.
            let _ = self.state.write(id, &[answer.as_bytes()], None);
        }
        {
            let conns = &mut *self.state.conns.borrow_mut();
            let Some(entry) = conns.slab.stream_mut(id) else { return };
            entry.machine.close(CloseReason::Protocol, &mut conns.pool);
            conns.mark_dirty(id);
        }
        log_trouble(id, CloseReason::Protocol, &error.to_string());
    }
}

fn cuts_commands(framer: &Framer) -> bool {
    framer.framing().cuts_commands()
}
