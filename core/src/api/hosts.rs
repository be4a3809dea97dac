//! What the binding of a host's language asks of its own loop.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use crate::base::conn_id::ConnId;
use crate::base::error::{Error, Result};
use crate::contract::options::ListenerId;
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;

/// For bindings.
impl Handle {
    /// Sends what is queued for a connection of the calling loop's, as far as the kernel takes it now, and says how many bytes
    /// are left; without an `on_drain` for a UDP endpoint. On another thread, and for a connection that is gone: nothing, and 0.
    #[doc(hidden)]
    #[must_use]
    pub fn send_now(&self, id: ConnId) -> usize {
        self.with_own_loop(id, |state: &LoopState| state.send_now(id)).unwrap_or(0)
    }

    /// Bytes written to a connection of the calling loop's and not taken by the kernel; 0 as above.
    #[doc(hidden)]
    #[must_use]
    pub fn unsent(&self, id: ConnId) -> usize {
        self.with_own_loop(id, |state: &LoopState| state.unsent(id)).unwrap_or(0)
    }

    /// The number of a connection's descriptor, which is good until its last callback.
    ///
    /// # Errors
    /// As [`local_address`](Self::local_address).
    #[doc(hidden)]
    pub fn descriptor(&self, id: ConnId) -> Result<RawFd> {
        self.mailbox(id)?.with_descriptor(id, |descriptor| descriptor.as_raw_fd())
    }

    /// A copy of a listener's descriptor, the first if it has several. The address stays taken until it is closed, too.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if there is no such listener any more;
    /// [`System`](crate::ErrorKind::System) when descriptors have run out.
    #[doc(hidden)]
    pub fn copy_of_listener(&self, listener: ListenerId) -> Result<OwnedFd> {
        let socket = self.shared.listener_socket(listener)?;
        let copied = socket.as_fd().try_clone_to_owned();
        copied.map_err(|error| Error::system("copy a listener's descriptor", &error))
    }
}
