//! What a host does between two turns, for bindings whose users write when no callback runs.

use std::rc::Rc;

use super::{Hosted, Life};
use crate::base::error::{Error, ErrorKind, Result};

impl Hosted {
    /// Runs `run` between two turns as a callback of the loop's, so that its calls take the loop's own path, and sends what
    /// they have written. What they bring about besides is done in the next turn. Its last callbacks may come to connections
    /// meanwhile.
    ///
    /// # Errors
    /// [`WrongState`](ErrorKind::WrongState) before the first turn, after the end, and in a forked child.
    #[doc(hidden)]
    pub fn between<T>(&mut self, run: impl FnOnce() -> T) -> Result<T> {
        self.expect_here()?;
        if self.life != Life::Going {
            return Err(Error::new(ErrorKind::WrongState, "the loop does not run"));
        }
        let state = Rc::clone(self.event_loop.state());
        let done = state.enter(|| {
            let done = run();
            self.event_loop.settle_or_stop();
            done
        });
        // A callback may have forked.
        self.expect_here()?;
        self.arm();
        Ok(done)
    }
}
