//! What our own language bindings use besides the public interface. It may change with any version.

pub use crate::address::{given, OptionRow, OPTIONS};
pub use crate::base::notice::Limit;
pub use crate::conn::stream::queue::DIRECT as LONG_WRITE;
pub use crate::contract::carries::Carries;
pub use crate::delivery::event::{Event, Pending};
pub use crate::delivery::log;
pub use crate::delivery::receiver::{Delivery, Receiver, Turn};
pub use crate::shared::mailbox::cork::Cork;

use crate::base::conn_id::ConnId;

/// The place of a connection among those of its loop: ids of open connections of one loop have different ones, and they are
/// as low as those before have left.
#[must_use]
#[inline]
pub fn slot_of(id: ConnId) -> usize {
    id.slot() as usize
}

/// A number that a process has in common neither with its parent nor with its children; never 0. Bindings would have to
/// ask the system otherwise.
#[must_use]
pub fn process_number() -> u32 {
    crate::sys::fork::process()
}
