//! What our own language bindings use besides the public interface. It may change with any version.

pub use crate::address::{given, OptionRow, Terms, OPTIONS};
pub use crate::base::datagram::Source;
pub use crate::base::notice::Limit;
pub use crate::conn::stream::queue::DIRECT as LONG_WRITE;
pub use crate::contract::action::Complete;
pub use crate::contract::carries::Carries;
pub use crate::delivery::event::{Event, Pending};
pub use crate::delivery::log;
pub use crate::delivery::receiver::{Delivery, Receiver, Turn};
pub use crate::shared::mailbox::cork::Cork;
pub use crate::sys::cancel::Uncancelled;

use std::os::fd::BorrowedFd;

use crate::base::conn_id::ConnId;
use crate::base::error::Result;
use crate::framing::Framing;

/// The place of a connection among those of its loop: ids of open connections of one loop have different ones, and they are
/// as low as those before have left.
#[must_use]
#[inline]
pub fn slot_of(id: ConnId) -> usize {
    id.slot() as usize
}

/// Whether a framing can be used: what is said where it is used otherwise.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), with what is wrong.
pub fn check_framing(framing: &Framing) -> Result<()> {
    framing.check()
}

/// Runs `run`, which does not panic; says whether it returned. If not, it has ended its thread, pthread_exit(3), or that was
/// cancelled: then what it had on the stack is gone, without being dropped, and the thread goes on here.
#[must_use]
pub fn guarded(run: impl FnOnce()) -> bool {
    crate::sys::cancel::guarded(0, run)
}

/// Resets the connection of a descriptor that nobody has taken: its peer must not take what it got for all.
pub fn reset(descriptor: BorrowedFd<'_>) {
    crate::sys::socket::reset(descriptor);
}

/// A number that a process has in common neither with its parent nor with its children; never 0. Bindings would have to
/// ask the system otherwise.
#[must_use]
pub fn process_number() -> u32 {
    crate::sys::fork::process()
}
