//! What may be asked of a connection from anywhere, done on its loop.

use super::LoopState;
use crate::base::conn_id::ConnId;
use crate::base::error::Result;
use crate::conn::entry::Entry;
use crate::conn::request::Request;
use crate::conn::stream::entry::StreamEntry;
use crate::conn::stream::queue::BlockPool;
use crate::contract::action::{CloseReason, Closed};
use crate::framing::Framer;
use crate::shared::mailbox::{no_detach_error, note_request};

impl LoopState {
    pub(crate) fn request(&self, id: ConnId, request: Request) -> Result<()> {
        self.expect_own_process()?;
        let shared = self.shared(id)?;
        if matches!(request, Request::Detach) && !self.server.shared.carries.detach {
            return Err(no_detach_error(id));
        }
        if note_request(id, &shared, &request)? {
            drop(self.carry_out(id, request));
        }
        Ok(())
    }

    /// A callback of the connection's failed, whatever it had asked for before. A UDP endpoint stays as it is.
    pub(crate) fn fail(&self, id: ConnId) {
        let conns = &mut *self.conns.borrow_mut();
        match conns.slab.get_mut(id) {
            Some(Entry::Stream(stream)) => stream.machine.fail(&mut conns.pool),
            Some(Entry::Udp(udp)) if udp.listener.is_none() => {
                udp.close(Closed::by(CloseReason::HandlerError));
            }
            _ => {}
        }
        conns.mark_dirty(id);
    }

    /// Does what was asked for, and noted on the shared part before. Returns a framing that is replaced: a
    /// function of the user's may go with it, which must not run while anything is borrowed.
    #[must_use]
    pub(crate) fn carry_out(&self, id: ConnId, request: Request) -> Option<Box<Framer>> {
        if matches!(request, Request::Evict) {
            self.evict(id);
            return None;
        }
        let conns = &mut *self.conns.borrow_mut();
        let replaced = match conns.slab.get_mut(id)? {
            Entry::Stream(stream) => self.carry_out_of(id, stream, request, &mut conns.pool),
            Entry::Udp(udp) => {
                udp.carry_out(&request);
                None
            }
        };
        conns.mark_dirty(id);
        conns.line_up(id);
        replaced
    }

    fn carry_out_of(
        &self,
        id: ConnId,
        entry: &mut StreamEntry,
        request: Request,
        pool: &mut BlockPool,
    ) -> Option<Box<Framer>> {
        match request {
            Request::Close(reason) => entry.machine.close(reason, pool),
            Request::Abort => entry.end_now(Closed::by(CloseReason::Abort), pool),
            Request::Overflow | Request::Evict => entry.end_now(Closed::by(CloseReason::Overflow), pool),
            Request::End => entry.machine.end(),
            Request::Detach => {
                if !entry.machine.detach() {
                    // Not made yet, or broken: there is nothing to hand out.
                    entry.machine.close(CloseReason::LocalClose, pool);
                }
            }
            Request::Wake => {}
            Request::Pause => {
                entry.machine.pause(true);
                entry.held();
            }
            Request::Resume => {
                entry.machine.pause(false);
                entry.timing().into_iter().for_each(|timing| timing.reads_again(self.moment()));
            }
            Request::Hold => {
                entry.machine.change_holds(1);
                entry.held();
            }
            Request::Release => {
                if entry.machine.change_holds(-1) {
                    self.goes_on(entry, pool);
                }
            }
            Request::Timeouts(timeouts) => {
                entry.machine.choose_timeouts();
                self.set_timeouts(id, entry, timeouts);
            }
            Request::Framing(_) => {
                // The one that was noted last, so that cutting and `write_frame` agree whoever came first.
                let framer = entry.machine.shared.framing().map(Framer::new).map(Box::new);
                let replaced = std::mem::replace(&mut entry.framer, framer);
                entry.reframed = true;
                // What is carried is looked at with new eyes.
                entry.backlog = !entry.carry().is_empty();
                return replaced;
            }
        }
        None
    }
}
