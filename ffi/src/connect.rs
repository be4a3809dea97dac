//! Outgoing connections, and descriptors taken over.

use std::ffi::{c_char, c_void};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use reactor_core::{ConnId, ConnectOptions, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::context;
use crate::framing::{self, reactor_framing};
use crate::owned::{hand_over, Owned};
use crate::server::reactor_server;
use crate::settings;
use crate::sized::{self, ends, SizedStruct};
use crate::status::reactor_status;
use crate::value::{self, REACTOR_NEVER};

/// Options of an outgoing connection, or of a descriptor taken over. Set size to sizeof; a member that is
/// zero has its default. The framing is shared: it may be freed after the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_connect_options {
    /// sizeof(struct reactor_connect_options).
    pub size: usize,
    /// Milliseconds that looking up the name and connecting may take together; REACTOR_NEVER: for ever.
    /// Default: 30,000. Without a meaning for a descriptor taken over.
    pub timeout_ms: i64,
    /// The loop that the connection lives on, counted from 1: the index of the loop plus one. Default: the
    /// calling loop, or else each in its turn.
    pub loop_plus_one: u32,
    /// As in struct reactor_listen_options.
    pub half_open: u32,
    /// As in struct reactor_listen_options.
    pub framing: *const reactor_framing,
    /// As in struct reactor_listen_options.
    pub idle_ms: i64,
    /// As in struct reactor_listen_options.
    pub read_ms: i64,
    /// As in struct reactor_listen_options.
    pub write_ms: i64,
    /// The connection's context from the beginning, as reactor_conn_set_context() gives it.
    pub context: *mut c_void,
    /// Called once, on the connection's loop, after its last callback, to release context. May be NULL. Not
    /// called when the call fails: context is the caller's then.
    pub context_destroy: Option<unsafe extern "C" fn(context: *mut c_void)>,
}

// SAFETY: integers and pointers that may be NULL, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_connect_options {
    const ENDS: &'static [usize] = ends!(
        reactor_connect_options: size, timeout_ms; loop_plus_one, half_open, framing, idle_ms, read_ms, write_ms, context,
        context_destroy,
    );
}

/// Connects to url, over TCP, UDP or a Unix socket; on_open follows. Never blocks: names are looked up on a
/// thread of their own, and every address is tried. The id is good at once: writes are queued until the
/// connection is made. If it fails on_close is called alone, with REACTOR_CLOSE_CONNECT_FAILED or
/// REACTOR_CLOSE_TIMED_OUT. options may be NULL.
///
/// url is [scheme://]address[?option=value&...]; schemes as in reactor_server_listen_with(). Options of the
/// query: nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]], rcvbuf=N, sndbuf=N, device=NAME,
/// bind=ADDRESS.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, members that this library does
/// not know, a loop that there is not, and a framing that contradicts itself; REACTOR_STATUS_INVALID_ADDRESS,
/// whose message quotes url; REACTOR_STATUS_WRONG_STATE before the start and after a stop.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_connect(
    server: *mut reactor_server,
    url: *const c_char,
    options: *const reactor_connect_options,
    out_conn: *mut reactor_conn,
) -> reactor_status {
    let call = Call::new("reactor_server_connect");
    // SAFETY: the caller's server, not freed during the call; it passes a string that ends with a zero byte, a
    // structure of the size that it says, and NULL or room for an id.
    unsafe {
        call.with_server(server, |server| {
            let url = call.url(url)?;
            let connect = |options| server.handle().connect(url, options);
            call.give(out_conn, "out_conn", || with_options(options, call, connect))
        })
    }
}

/// Gives a connected TCP or Unix stream to the engine, which owns the descriptor from then on and closes it
/// in the end; on_open follows. It becomes non-blocking. options may be NULL.
///
/// Errors: as reactor_server_connect(); REACTOR_STATUS_INVALID_ARGUMENT also if descriptor is no connected
/// stream socket; REACTOR_STATUS_SYSTEM if it is none that is open, or descriptors have run out. It is the
/// caller's then, and open.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_enroll(
    server: *mut reactor_server,
    descriptor: i32,
    options: *const reactor_connect_options,
    out_conn: *mut reactor_conn,
) -> reactor_status {
    let call = Call::new("reactor_server_enroll");
    // SAFETY: the caller's server, not freed during the call; it passes a structure of the size that it says, and
    // NULL or room for an id. If it is enrolled it gives the descriptor up, and the engine has one of its own.
    unsafe {
        call.getter(server, out_conn, "out_conn", |server| {
            let duplicate = duplicate(descriptor, call)?;
            let conn = with_options(options, call, |options| server.handle().enroll(duplicate, options))?;
            drop(OwnedFd::from_raw_fd(descriptor));
            Ok(conn)
        })
    }
}

/// A second descriptor of the same socket, so that the first stays the caller's if the engine refuses.
fn duplicate(descriptor: i32, call: Call) -> Result<OwnedFd> {
    if descriptor < 0 {
        return Err(call.invalid(format_args!("descriptor is {descriptor}")));
    }
    // SAFETY: not negative; if it is not open, the system refuses.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let failed = |error| call.system(format_args!("descriptor {descriptor}"), &error);
    borrowed.try_clone_to_owned().map_err(failed)
}

/// Makes a call with options that carry a context, which stays the caller's if the call fails.
///
/// # Safety
/// The pointer is NULL or a structure of the size that it says, whose framing is NULL or not freed meanwhile.
unsafe fn with_options(
    options: *const reactor_connect_options,
    call: Call,
    connect: impl FnOnce(ConnectOptions) -> Result<ConnId>,
) -> Result<reactor_conn> {
    let connect = |options| connect(options).map(ConnId::to_u64);
    // SAFETY: what the caller promises.
    let Some(options) = unsafe { sized::optional(options, call, "options") }? else {
        return connect(ConnectOptions::default());
    };
    // SAFETY: as above.
    let mut to_core = unsafe { options.to_core(call) }?;
    if options.context.is_null() && options.context_destroy.is_none() {
        return connect(to_core);
    }
    hand_over(options.context, options.context_destroy, |owned: Owned| {
        to_core.context = Some(context::boxed(owned));
        connect(to_core)
    })
}

impl reactor_connect_options {
    /// Everything but the context.
    ///
    /// # Safety
    /// The framing is NULL or not freed during the call.
    unsafe fn to_core(self, call: Call) -> Result<ConnectOptions> {
        let timeout = match self.timeout_ms {
            REACTOR_NEVER => std::time::Duration::MAX,
            timeout_ms => value::time(timeout_ms, call, "options->timeout_ms")?,
        };
        // SAFETY: what the caller promises.
        let framing = unsafe { framing::cloned(self.framing) };
        let timeouts = settings::timeouts(self.idle_ms, self.read_ms, self.write_ms, call)?;
        let conn = settings::conn_options(framing, timeouts, self.half_open, call)?;
        let on_loop = self.loop_plus_one.checked_sub(1).map(|index| index as usize);
        Ok(ConnectOptions { conn, timeout, on_loop, context: None })
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;
    use std::time::Duration;

    use reactor_core::ConnOptions;

    use super::*;
    use crate::call::F;
    use crate::value::REACTOR_ON;

    const FULL: reactor_connect_options = reactor_connect_options {
        size: size_of::<reactor_connect_options>(),
        timeout_ms: 1,
        loop_plus_one: 2,
        half_open: REACTOR_ON,
        framing: std::ptr::null(),
        idle_ms: 3,
        read_ms: 4,
        write_ms: 5,
        context: std::ptr::null_mut(),
        context_destroy: None,
    };

    fn to_core(options: reactor_connect_options) -> Result<ConnectOptions> {
        // SAFETY: the framing is NULL.
        unsafe { options.to_core(F) }
    }

    #[test]
    fn every_member_arrives() {
        let options = to_core(FULL).unwrap();
        let millis = Duration::from_millis;
        assert_eq!((options.timeout, options.on_loop), (millis(1), Some(1)));
        let ConnOptions { timeouts, half_open, .. } = options.conn;
        assert_eq!((timeouts.idle, timeouts.read, timeouts.write), (millis(3), millis(4), millis(5)));
        assert!(half_open);
    }

    #[test]
    fn zero_is_the_default_and_never_is_for_ever() {
        let options = to_core(reactor_connect_options { timeout_ms: 0, loop_plus_one: 0, ..FULL }).unwrap();
        assert_eq!((options.timeout, options.on_loop), (Duration::ZERO, None));
        let options = to_core(reactor_connect_options { timeout_ms: REACTOR_NEVER, ..FULL }).unwrap();
        assert_eq!(options.timeout, Duration::MAX);
    }
}
