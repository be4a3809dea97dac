//! A connection as its callbacks see it.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::address::{Address, Credentials, SocketOption};
use crate::api::arguments::Arguments;
use crate::base::conn_id::ConnId;
use crate::base::datagram::Source;
use crate::base::error::Result;
use crate::base::panics::report;
use crate::base::timer::TimerId;
use crate::conn::request::Request;
use crate::contract::action::{CloseReason, Completed, Pressure};
use crate::contract::config::Timeouts;
use crate::contract::options::{ConnInfo, Context, Destination};
use crate::framing::Framing;
use crate::loop_state::LoopState;
use crate::shared::handle::Handle;

/// A connection, or UDP endpoint, as its callbacks see it. Its calls take effect on the connection's loop,
/// without a detour; to reach the connection from elsewhere, keep its [`id`](Self::id).
pub struct Conn<'a> {
    id: ConnId,
    state: &'a LoopState,
}

impl<'a> Conn<'a> {
    pub(crate) fn new(id: ConnId, state: &'a LoopState) -> Self {
        Conn { id, state }
    }

    /// The connection's id: valid on any thread, and never used again.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The server, for calls on other connections.
    #[must_use]
    pub fn server(&self) -> &Handle {
        self.state.server()
    }

    // ---- writing ----

    /// As [`Handle::write`]. In the callback of a datagram it answers the sender.
    ///
    /// # Errors
    /// As [`Handle::write`].
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> Result<Pressure> {
        match self.state.write_plainly(self.id, bytes) {
            true => Ok(Pressure::Low),
            false => self.write_gathered(&[bytes]),
        }
    }

    /// As [`Handle::write_gathered`].
    ///
    /// # Errors
    /// As [`Handle::write`].
    pub fn write_gathered(&self, slices: &[&[u8]]) -> Result<Pressure> {
        match self.state.write_flowing(self.id, slices) {
            true => Ok(Pressure::Low),
            false => self.state.write(self.id, slices, None),
        }
    }

    /// As [`Handle::write_then`].
    ///
    /// # Errors
    /// As [`Handle::write`].
    pub fn write_then(
        &self,
        slices: &[&[u8]],
        completion: impl FnOnce(Completed) + Send + 'static,
    ) -> Result<Pressure> {
        self.state.write(self.id, slices, Some(Box::new(completion)))
    }

    /// As [`Handle::write_frame`].
    ///
    /// # Errors
    /// As [`Handle::write_frame`].
    pub fn write_frame(&self, payload: &[u8]) -> Result<Pressure> {
        self.state
            .write_frame(self.id, payload)
            .unwrap_or_else(|| self.server().write_frame(self.id, payload))
    }

    /// As [`Handle::send_to`].
    ///
    /// # Errors
    /// As [`Handle::send_to`].
    pub fn send_to(&self, to: SocketAddr, bytes: &[u8]) -> Result<Pressure> {
        self.state.send_to(self.id, to, None, bytes)
    }

    // ---- ending ----

    /// As [`Handle::end`].
    ///
    /// # Errors
    /// As [`Handle::end`].
    pub fn end(&self) -> Result<()> {
        self.state.request(self.id, Request::End)
    }

    /// As [`Handle::close`].
    ///
    /// # Errors
    /// As [`Handle::close`].
    pub fn close(&self) -> Result<()> {
        self.state.request(self.id, Request::Close(CloseReason::LocalClose))
    }

    /// As [`Handle::fail`].
    ///
    /// # Errors
    /// As [`Handle::fail`].
    pub fn fail(&self) -> Result<()> {
        self.state.request(self.id, Request::Close(CloseReason::HandlerError))
    }

    /// As [`Handle::abort`].
    ///
    /// # Errors
    /// As [`Handle::abort`].
    pub fn abort(&self) -> Result<()> {
        self.state.request(self.id, Request::Abort)
    }

    /// As [`Handle::detach`].
    ///
    /// # Errors
    /// As [`Handle::detach`].
    pub fn detach(&self) -> Result<()> {
        self.state.request(self.id, Request::Detach)
    }

    /// A callback of this connection's failed in another language's way: what a panic does in Rust, whatever the
    /// callback had asked for before.
    #[doc(hidden)]
    pub fn callback_failed(&self, how: fmt::Arguments<'_>) {
        report(format_args!("a callback of connection {} {how}", self.id));
        self.state.fail(self.id);
    }

    // ---- reading ----

    /// In `on_data`: the last `n` bytes of the input do not count as consumed; they come again in front of the
    /// next. Only without a framing, and not on UDP. More than 16 MiB
    /// ([`Framing::DEFAULT_MAX_FRAME`]) is a protocol error: a handler that waits for more than that takes the bytes
    /// itself.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the input has fewer bytes;
    /// [`WrongState`](crate::ErrorKind::WrongState) outside `on_data` or with a framing.
    pub fn keep(&self, n: usize) -> Result<()> {
        self.state.keep(self.id, n)
    }

    /// In `on_data` with a framing that cuts commands ([`Framing::resp`]): the arguments in `data`, which is what the
    /// callback was given. None elsewhere.
    #[must_use]
    #[inline]
    pub fn arguments<'d>(&self, data: &'d [u8]) -> Arguments<'d> {
        Arguments::new(data, self.state.arguments_of(self.id))
    }

    /// Whether there are any, for carriers that tell commands otherwise than other input.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn has_arguments(&self) -> bool {
        !self.state.arguments.is_empty()
    }

    /// Whether a framing has cut the input that is being delivered, for carriers that gather frames.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub fn has_frame(&self) -> bool {
        self.state.input.get().is_some_and(|input| !input.raw)
    }

    /// As [`Handle::pause`].
    ///
    /// # Errors
    /// As [`Handle::pause`].
    pub fn pause(&self) -> Result<()> {
        self.state.request(self.id, Request::Pause)
    }

    /// As [`Handle::resume`].
    ///
    /// # Errors
    /// As [`Handle::resume`].
    pub fn resume(&self) -> Result<()> {
        self.state.request(self.id, Request::Resume)
    }

    /// As [`Handle::hold`].
    ///
    /// # Errors
    /// As [`Handle::hold`].
    pub fn hold(&self) -> Result<()> {
        self.state.request(self.id, Request::Hold)
    }

    /// As [`Handle::release`].
    ///
    /// # Errors
    /// As [`Handle::release`].
    pub fn release(&self) -> Result<()> {
        self.state.request(self.id, Request::Release)
    }

    /// As [`Handle::set_framing`].
    ///
    /// # Errors
    /// As [`Handle::set_framing`].
    pub fn set_framing(&self, framing: Option<Framing>) -> Result<()> {
        self.server().set_framing(self.id, framing)
    }

    /// In `on_data` of a UDP endpoint: who sent the datagram. `None` elsewhere.
    #[must_use]
    pub fn sender(&self) -> Option<SocketAddr> {
        self.state.envelope(self.id).map(|envelope| envelope.sender)
    }

    /// In `on_data` of a UDP endpoint: the address of this machine that the datagram was sent to, which may be a group's
    /// or everybody's, and the interface by which it came. A write answers from there, but for a group, or for all. `None`
    /// elsewhere.
    #[must_use]
    pub fn destination(&self) -> Option<Destination> {
        let landing = self.state.envelope(self.id)?.landing?;
        Some(Destination { address: landing.to, interface: landing.interface })
    }

    /// In `on_data` of a UDP endpoint: whether the datagram was longer than the buffer, and its end is lost.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.state.envelope(self.id).is_some_and(|envelope| envelope.truncated)
    }

    // ---- calling back ----

    /// As [`Handle::wake`].
    ///
    /// # Errors
    /// As [`Handle::wake`].
    pub fn wake(&self) -> Result<()> {
        self.state.request(self.id, Request::Wake)
    }

    /// Calls `on_timer` after `delay`, and again after each `repeat` if it is not zero. Both to the
    /// millisecond, rounded up, and counted from the time of the turn, which is read once when the turn begins. It
    /// ends with the connection.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the connection is closed or closing;
    /// [`WrongState`](crate::ErrorKind::WrongState) before `on_open`;
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) beyond 16,777,216 timers on one loop.
    pub fn start_timer(&self, delay: Duration, repeat: Duration) -> Result<TimerId> {
        self.state.start_conn_timer(self.id, delay, repeat)
    }

    /// Ends a timer of this loop's; says whether there was one to end.
    pub fn cancel_timer(&self, timer: TimerId) -> bool {
        self.state.cancel_timer(timer)
    }

    /// As [`Handle::set_timeouts`].
    ///
    /// # Errors
    /// As [`Handle::set_timeouts`].
    pub fn set_timeouts(&self, timeouts: Timeouts) -> Result<()> {
        self.server().set_timeouts(self.id, timeouts)
    }

    // ---- the user's own ----

    /// Gives the connection a value of the user's own; the one before is returned.
    pub fn set_context(&self, context: Context) -> Option<Context> {
        self.state.set_context(self.id, Some(context))
    }

    /// Takes the value that [`set_context`](Self::set_context) gave.
    #[must_use]
    pub fn take_context(&self) -> Option<Context> {
        self.state.set_context(self.id, None)
    }

    /// Uses the value that [`set_context`](Self::set_context) gave; `None` if there is none of this type. While
    /// `use_it` runs, the connection has no context.
    pub fn with_context<T: Any, R>(&self, use_it: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut context = self.state.set_context(self.id, None)?;
        let result = context.downcast_mut::<T>().map(use_it);
        if let Some(newer) = self.state.set_context(self.id, Some(context)) {
            // Set meanwhile: it wins, and the older one is dropped.
            drop(self.state.set_context(self.id, Some(newer)));
        }
        result
    }

    // ---- looking ----

    /// As [`Handle::info`]; in `on_close` and `on_detach`, too.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) after the last callback.
    pub fn info(&self) -> Result<ConnInfo> {
        self.state.info(self.id)
    }

    /// As [`Handle::remote_address`]; in `on_close`, too. That of an outgoing connection which could not be made is the
    /// last that was tried.
    ///
    /// # Errors
    /// As [`Handle::remote_address`].
    pub fn remote_address(&self) -> Result<Address> {
        match self.state.peer(self.id) {
            Some(peer) => Ok(peer),
            None => self.server().remote_address(self.id),
        }
    }

    /// As [`Handle::local_address`]; in `on_close`, too. An outgoing connection which could not be made may have none there.
    ///
    /// # Errors
    /// As [`Handle::local_address`].
    pub fn local_address(&self) -> Result<Address> {
        match self.state.local(self.id) {
            Some(local) => Ok(local),
            None => self.server().local_address(self.id),
        }
    }

    /// As [`Handle::peer_credentials`].
    ///
    /// # Errors
    /// As [`Handle::peer_credentials`].
    pub fn peer_credentials(&self) -> Result<Credentials> {
        self.server().peer_credentials(self.id)
    }

    /// As [`Handle::set_option`].
    ///
    /// # Errors
    /// As [`Handle::set_option`].
    pub fn set_option(&self, option: &SocketOption) -> Result<()> {
        self.server().set_option(self.id, option)
    }

    // ---- for receivers that hand over ----

    /// In the callback of a datagram: where an answer leaves from, if that must be said.
    pub(crate) fn source_of_answers(&self) -> Option<Source> {
        self.state.envelope(self.id)?.landing?.source()
    }

    /// Stops reading this connection until what was handed over of it is answered.
    pub(crate) fn hold_for_answer(&self) {
        self.state.hold(self.id);
    }

    /// Runs a part on the loop's state.
    pub(crate) fn on_its_loop(&self, run: impl FnOnce(&LoopState)) {
        run(self.state);
    }

    /// Too much waits for the handler, or no longer.
    pub(crate) fn set_full(&self, full: bool) {
        self.state.delivery_is_full.set(full);
    }
}

impl fmt::Debug for Conn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conn").field(&self.id).finish()
    }
}
