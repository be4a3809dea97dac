//! Outgoing connections, and descriptors taken over.

use std::ffi::c_char;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use reactor_core::{ConnId, ConnectOptions, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::connect_options::reactor_connect_options;
use crate::context;
use crate::owned::{hand_over, Owned};
use crate::server::reactor_server;
use crate::sized;
use crate::status::reactor_status;

/// Connects to url, over TCP, UDP or a Unix socket; on_open follows. Never blocks: names are looked up on
/// threads of their own. Every address of a name is tried, as RFC 8305 says: the next is begun when one fails or
/// has been silent for 250 ms, and the first that connects wins. A Unix socket whose queue is full is tried until
/// the time-out. The id is good at once: writes are queued until the connection is made. If it fails on_close is
/// called alone, with REACTOR_CLOSE_CONNECT_FAILED or REACTOR_CLOSE_TIMED_OUT. options may be NULL.
///
/// url is [scheme://]address[?option=value&...]; schemes as in reactor_server_listen_with(). Options of the
/// query: nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]], rcvbuf=N, sndbuf=N, broadcast=BOOL (UDP), device=NAME,
/// and the local address, bind=IP[:PORT]; and what the connection begins with, not over UDP, where the query wins over options:
/// idle=MS, read=MS, write=MS, half_open=BOOL, framing=FRAMING, as in reactor_server_listen_with().
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
