//! What the closed and the open loop drive.

use crate::clock::Nanoseconds;
use crate::connection::Shared;
use crate::failure::Failure;
use crate::poll::Ready;

/// Connections, or sockets of datagrams: each has its index as its token in the poller.
pub(crate) trait Clients {
    fn count(&self) -> usize;

    /// Requests without an answer.
    fn outstanding(&self) -> u64;

    /// Number `index` has `count` requests more to send, as of `at`.
    fn queue(&mut self, index: usize, count: u64, at: Nanoseconds, shared: &mut Shared);

    /// Sends what number `index` has to send, as far as possible; the rest when it is possible again.
    fn flush(&mut self, index: usize, shared: &mut Shared) -> Result<(), Failure>;

    /// Does what can be done. Returns how many answers came.
    fn ready(&mut self, ready: Ready, shared: &mut Shared) -> Result<u64, Failure>;

    /// Every hundredth of a second: what time alone brings about. Returns the time. In the end, when it is `draining`,
    /// nothing new is asked, and a silent server is only an error.
    fn tick(&mut self, draining: bool, shared: &mut Shared) -> Result<Nanoseconds, Failure>;
}
