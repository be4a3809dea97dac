//! Listeners: added, asked, closed, at any time.

use std::ffi::c_char;

use reactor_core::binding::Uncancelled;
use reactor_core::{ConnOptions, Error, ListenOptions, ListenerId, Result, Waiting};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::listen_options::reactor_listen_options;
use crate::out;
use crate::server::reactor_server;
use crate::sized;
use crate::status::reactor_status;

/// Bytes that hold every address that the library gives, the zero at the end included.
pub const REACTOR_ADDRESS_CAPACITY: usize = 512;

/// For reactor_server_close_listener_with(): connections that the kernel has made and nobody has taken in are served,
/// and datagrams that wait are answered.
pub const REACTOR_WAITING_SERVE: u32 = 0;
/// For reactor_server_close_listener_with(): they are reset, or dropped.
pub const REACTOR_WAITING_REFUSE: u32 = 1;

/// The number of a listener, unique in its server; never 0.
pub type reactor_listener = u32;

/// Binds and listens at url, as "tcp://127.0.0.1:5000", with default options: reactor_server_listen_with().
///
/// Errors: its.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_listen(
    server: *mut reactor_server,
    url: *const c_char,
) -> reactor_status {
    let (call, options, out_listener) =
        (Call::new("reactor_server_listen"), std::ptr::null(), std::ptr::null_mut());
    // SAFETY: what the caller passes, and NULL where it may be.
    unsafe { listen(call, server, url, options, out_listener) }
}

/// Binds and listens at url; before the start, when the kernel queues connections until the start, in
/// on_start, and while the server runs. Any number of times. A host name is looked up, which may block.
/// options and out_listener may be NULL.
///
/// url is [scheme://]address[?option=value&...]. Schemes: tcp (also without a scheme; with no host or *, IPv4 and
/// IPv6), tcp4, tcp6, udp, udp4, udp6, unix (a path, or @name for Linux's abstract namespace), fd (the number
/// of an inherited descriptor). Port 0 picks a free one; reactor_server_address() tells which. An IPv6 address may
/// have a zone by name or by number: [fe80::1%eth0]:5000. In a path or name, any byte may stand as % and two
/// hexadecimal digits, and % and ? must.
///
/// Options of the query, as struct reactor_listen_options explains them: reuseport=BOOL, backlog=N,
/// nodelay=BOOL, keepalive=BOOL|IDLE[,INTERVAL[,COUNT]], rcvbuf=N, sndbuf=N, device=NAME, ipv6only=BOOL,
/// mode=OCTAL, shared=BOOL, datagram=N, broadcast=BOOL, join=GROUP[@INTERFACE]; and what the connections begin with, not over UDP: idle=MS,
/// read=MS, write=MS, half_open=BOOL, framing=FRAMING. BOOL is true or false, OCTAL in octal digits, MS in
/// milliseconds, 0 for never.
///
/// FRAMING is line, fixed:LENGTH, delimiter:BYTES (with %, & and , as %25, %26 and %2C, and any byte as % and two
/// hexadecimal digits: delimiter:%0D%0A), length:WIDTH (1, 2, 3, 4, 8 or varint), resp, or none. Settings follow behind
/// commas: max_frame=N; of lines and delimiters keep_delimiter=BOOL and deliver_rest=BOOL, as reactor_framing_with()
/// explains them, and of delimiters or=BYTES for each further one; of a length field order=big|little, offset=N, adjustment=N
/// and strip=N|header, as struct reactor_length_field explains them; of resp max_arguments=N, as reactor_framing_resp() does.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, members that this library does
/// not know, and options out of range; REACTOR_STATUS_INVALID_ADDRESS, whose message quotes url and says which
/// options there are, or the form of one that is malformed;
/// REACTOR_STATUS_ADDRESS_IN_USE or REACTOR_STATUS_SYSTEM with the system's reason;
/// REACTOR_STATUS_WRONG_STATE after a stop. Nothing is left behind then, and the server can listen again.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_listen_with(
    server: *mut reactor_server,
    url: *const c_char,
    options: *const reactor_listen_options,
    out_listener: *mut reactor_listener,
) -> reactor_status {
    // SAFETY: what the caller passes.
    unsafe { listen(Call::new("reactor_server_listen_with"), server, url, options, out_listener) }
}

/// # Safety
/// The server is NULL or not freed during the call; `url` is NULL or ends with a zero byte; `options` is as for
/// [`given`]; `out_listener` is NULL or has room for the number.
unsafe fn listen(
    call: Call,
    server: *const reactor_server,
    url: *const c_char,
    options: *const reactor_listen_options,
    out_listener: *mut reactor_listener,
) -> reactor_status {
    let _thread = Uncancelled::new();
    // SAFETY: what the caller promises.
    unsafe {
        call.with_server(server, |server| {
            let url = call.url(url)?;
            let (options, conns) = given(options, call)?;
            let listening = server.core.listen_with(url, &options, &conns)?;
            out::offer(out_listener, listening.id.to_u32());
            Ok(())
        })
    }
}

/// The options given, or their defaults for NULL.
///
/// # Safety
/// The pointer is NULL or a structure of the size that it says, whose pointers are what they say they are.
unsafe fn given(options: *const reactor_listen_options, call: Call) -> Result<(ListenOptions, ConnOptions)> {
    // SAFETY: what the caller promises.
    match unsafe { sized::optional(options, call, "options") }? {
        // SAFETY: as above.
        Some(options) => unsafe { options.to_core(call) },
        None => Ok((ListenOptions::default(), ConnOptions::default())),
    }
}

/// Listens at the descriptors that the process inherited by the LISTEN_FDS convention (sd_listen_fds(3)): none if
/// there are no such variables, or they are another process's. options and out_count, which is given their
/// number, may be NULL; the listeners are the last in reactor_server_listeners().
///
/// Errors: as reactor_server_listen_with(); REACTOR_STATUS_INVALID_ARGUMENT also if the variables are malformed,
/// and REACTOR_STATUS_INVALID_ADDRESS if a descriptor is nothing to listen at, or was taken before. The
/// descriptors before the one that failed stay.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_listen_inherited(
    server: *mut reactor_server,
    options: *const reactor_listen_options,
    out_count: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_server_listen_inherited");
    let _thread = Uncancelled::new();
    // SAFETY: as in `listen`.
    unsafe {
        call.with_server(server, |server| {
            let (options, conns) = given(options, call)?;
            let listening = server.core.listen_inherited(&options, &conns)?;
            out::offer(out_count, listening.len());
            Ok(())
        })
    }
}

/// Stops listening: when this returns, connects are refused and the address is free. Connections of the listener go
/// on, and whoever the kernel had connected before is taken in and served; but who does not find a descriptor any
/// more is reset. Before the start who waits is accepted and served by the start, in this process: a child that is forked
/// in between does not serve them. Who waits at a socket that other processes may accept from is left to them then.
///
/// on_data of a UDP endpoint is given the datagrams that wait, and its answers are sent; the endpoint is closed then.
/// The calling thread waits for that: for the loop's callback to return, and five seconds at most. In a callback of its
/// own loop the endpoint is closed at once, after one attempt to send what is queued, and datagrams that wait are
/// lost. In a callback of another loop, and on another thread than the host's of a hosted server, nobody waits: the
/// address is free soon after.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, and if the server has no such listener any more.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_close_listener(
    server: *mut reactor_server,
    listener: reactor_listener,
) -> reactor_status {
    let call = Call::new("reactor_server_close_listener");
    let _thread = Uncancelled::new();
    let close = |server: &reactor_server| server.handle().close_listener(listener_id(listener, call)?);
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.with_server(server, close) }
}

/// As reactor_server_close_listener(), and says what becomes of those who wait: REACTOR_WAITING_SERVE or
/// REACTOR_WAITING_REFUSE.
///
/// Errors: its; REACTOR_STATUS_INVALID_ARGUMENT also if waiting is neither.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_close_listener_with(
    server: *mut reactor_server,
    listener: reactor_listener,
    waiting: u32,
) -> reactor_status {
    let call = Call::new("reactor_server_close_listener_with");
    let _thread = Uncancelled::new();
    let close = |server: &reactor_server| {
        let waiting = match waiting {
            REACTOR_WAITING_SERVE => Waiting::Serve,
            REACTOR_WAITING_REFUSE => Waiting::Refuse,
            _ => return Err(call.invalid(format_args!("waiting is {waiting}, which is none"))),
        };
        server.handle().close_listener_with(listener_id(listener, call)?, waiting)
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.with_server(server, close) }
}

/// Gives the listeners that are open, in the order of the calls that made them.
///
/// Writes them to listeners, which has room for capacity; out_count, which may be NULL, is given their
/// number. To learn only the number, pass NULL and 0.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL server, and too little room; nothing is written then.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_listeners(
    server: *mut reactor_server,
    listeners: *mut reactor_listener,
    capacity: usize,
    out_count: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_server_listeners");
    // SAFETY: the caller's server, not freed during the call, and NULL and 0, or room for `capacity` numbers.
    unsafe {
        call.with_server(server, |server| {
            let all = server.handle().listeners();
            let all: Vec<_> = all.iter().map(|listening| listening.id.to_u32()).collect();
            call.give_list(&all, listeners, capacity, out_count)
        })
    }
}

/// Gives the address really bound by the listener number index, counted from 0 among those that are open, in
/// the order of the calls that made them, as a URL without options.
///
/// Writes the address and a zero byte to buffer, which has room for capacity bytes; REACTOR_ADDRESS_CAPACITY
/// are always enough. out_length, which may be NULL, is given the length without the zero byte. To learn only
/// the length, pass NULL and 0.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL server, an index that no listener has, and a buffer
/// that is too small; nothing is written then.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_address(
    server: *mut reactor_server,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    out_length: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_server_address");
    // SAFETY: the caller's server, not freed during the call, and NULL and 0, or room for `capacity` bytes.
    unsafe {
        call.with_server(server, |server| {
            let addresses = server.handle().addresses();
            let address = addresses.get(index).ok_or_else(|| {
                let count = addresses.len();
                call.invalid(format_args!("index is {index}, the number of listeners is {count}"))
            })?;
            call.give_text(address, buffer, capacity, out_length)
        })
    }
}

/// Gives the address really bound by a listener; otherwise as reactor_server_address().
///
/// Errors: as reactor_server_address().
#[no_mangle]
pub unsafe extern "C" fn reactor_server_listener_address(
    server: *mut reactor_server,
    listener: reactor_listener,
    buffer: *mut c_char,
    capacity: usize,
    out_length: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_server_listener_address");
    // SAFETY: as in `reactor_server_address`.
    unsafe {
        call.with_server(server, |server| {
            let all = server.handle().listeners();
            let found = all.iter().find(|listening| listening.id.to_u32() == listener);
            let found = found.ok_or_else(|| no_listener(listener, call))?;
            call.give_text(&found.address, buffer, capacity, out_length)
        })
    }
}

/// Gives the ids of a UDP listener's endpoints, from on_start on: one, or with reuseport one per loop; none
/// for other listeners. Otherwise as reactor_server_listeners().
///
/// Errors: as reactor_server_listeners().
#[no_mangle]
pub unsafe extern "C" fn reactor_server_endpoints(
    server: *mut reactor_server,
    listener: reactor_listener,
    endpoints: *mut reactor_conn,
    capacity: usize,
    out_count: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_server_endpoints");
    // SAFETY: as in `reactor_server_listeners`, for ids.
    unsafe {
        call.with_server(server, |server| {
            let all = server.handle().endpoints(listener_id(listener, call)?);
            let all: Vec<_> = all.iter().map(|endpoint| endpoint.to_u64()).collect();
            call.give_list(&all, endpoints, capacity, out_count)
        })
    }
}

fn listener_id(listener: reactor_listener, call: Call) -> Result<ListenerId> {
    ListenerId::from_u32(listener).ok_or_else(|| no_listener(listener, call))
}

fn no_listener(listener: reactor_listener, call: Call) -> Error {
    call.invalid(format_args!("the server has no listener {listener}"))
}
