//! How user code is called on a loop: no panic of it unwinds into the loop, and a child that it forks does not go on here.

use std::panic::resume_unwind;

use super::EventLoop;
use crate::base::panics::catch;
use crate::delivery::receiver::Receiver;
use crate::loop_state::LoopState;
use crate::sys::fork;

impl EventLoop {
    /// Calls user code; a panic becomes its text. Does not return in a child that was forked there.
    pub(super) fn call<T>(
        &mut self,
        call: impl FnOnce(&LoopState, &mut dyn Receiver) -> T,
    ) -> Result<T, String> {
        let (state, receiver) = (&*self.state, &mut *self.receiver);
        let called = catch(|| call(state, receiver));
        Self::leave_if_forked(state, receiver);
        called
    }

    /// After user code: a child that was forked there has a copy of a loop that is its parent's.
    #[inline(always)]
    pub(super) fn leave_if_forked(state: &LoopState, receiver: &mut dyn Receiver) {
        if !state.is_of_this_process() {
            Self::leave(state, receiver);
        }
    }

    /// Leaves the loop in such a child without touching anything. A thread of ours ends. A host goes on: this unwinds to its
    /// turn, which answers an error.
    #[cold]
    #[inline(never)]
    pub(super) fn leave(state: &LoopState, receiver: &mut dyn Receiver) -> ! {
        receiver.leave();
        match state.is_hosted() {
            true => resume_unwind(Box::new("the loop is the parent's")),
            false => fork::end_thread(),
        }
    }
}
