//! The options of a connection's socket.

use std::ffi::c_char;
use std::time::Duration;

use reactor_core::{ConnId, Handle, KeepAlive, Multicast, Result, SocketOption};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::server::reactor_server;
use crate::status::reactor_status;
use crate::value::{self, REACTOR_OFF, REACTOR_ON};

/// Whether small writes leave at once (TCP_NODELAY): 0 or 1. TCP.
pub const REACTOR_OPTION_NODELAY: i32 = 1;
/// Bytes of the kernel's receive buffer, above 0; the kernel caps the number and then doubles it.
pub const REACTOR_OPTION_RCVBUF: i32 = 2;
/// Bytes of the kernel's send buffer, likewise.
pub const REACTOR_OPTION_SNDBUF: i32 = 3;
/// Hops that packets may go, 1 to 255. TCP and UDP.
pub const REACTOR_OPTION_TTL: i32 = 4;
/// Whether datagrams may go to broadcast addresses: 0 or 1. UDP.
pub const REACTOR_OPTION_BROADCAST: i32 = 5;
/// Hops that multicast datagrams may go, 0 to 255; the system's default is 1: the local network. UDP.
pub const REACTOR_OPTION_MULTICAST_TTL: i32 = 6;
/// Whether this machine hears the multicast datagrams it sends: 0 or 1; the system's default is 1. UDP.
pub const REACTOR_OPTION_MULTICAST_LOOP: i32 = 7;

/// Sets an option of a connection's socket, at once: one of REACTOR_OPTION_....
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, an option that is none, and a value out of range;
/// REACTOR_STATUS_SYSTEM with the system's reason, which is EOPNOTSUPP where such a socket does not have the
/// option; REACTOR_STATUS_CLOSED if the connection is gone, or belongs to another server.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_set_option(
    server: *mut reactor_server,
    conn: reactor_conn,
    option: i32,
    value: i64,
) -> reactor_status {
    let call = Call::new("reactor_conn_set_option");
    let set = |handle: &Handle, id: Result<ConnId>| {
        let option = socket_option(option, value, call)?;
        handle.set_option(id?, &option)
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.by_id(server, conn, set) }
}

fn socket_option(option: i32, value: i64, call: Call) -> Result<SocketOption> {
    let wrong = || call.invalid(format_args!("value is {value}, which is none for the option {option}"));
    let hops = || u32::try_from(value).map_err(|_| wrong());
    let bytes = || usize::try_from(value).map_err(|_| wrong());
    let flag = || match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(wrong()),
    };
    match option {
        REACTOR_OPTION_NODELAY => flag().map(SocketOption::NoDelay),
        REACTOR_OPTION_RCVBUF => bytes().map(SocketOption::RecvBuffer),
        REACTOR_OPTION_SNDBUF => bytes().map(SocketOption::SendBuffer),
        REACTOR_OPTION_TTL => hops().map(SocketOption::Ttl),
        REACTOR_OPTION_BROADCAST => flag().map(SocketOption::Broadcast),
        REACTOR_OPTION_MULTICAST_TTL => hops().map(SocketOption::MulticastTtl),
        REACTOR_OPTION_MULTICAST_LOOP => flag().map(SocketOption::MulticastLoop),
        _ => Err(call.invalid(format_args!("option is {option}, which is none of REACTOR_OPTION_..."))),
    }
}

/// Sets whether and when the kernel probes a silent TCP connection: on is REACTOR_ON or REACTOR_OFF. idle_s
/// are the seconds of silence before the first probe, interval_s those between probes, at most 32,767; count
/// is the number of unanswered probes that end the connection, at most 127. 0 means the system's default.
///
/// Errors: as reactor_conn_set_option(); REACTOR_STATUS_INVALID_ARGUMENT also for numbers beside REACTOR_OFF.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_set_keepalive(
    server: *mut reactor_server,
    conn: reactor_conn,
    on: u32,
    idle_s: u32,
    interval_s: u32,
    count: u32,
) -> reactor_status {
    let call = Call::new("reactor_conn_set_keepalive");
    let set = |handle: &Handle, id: Result<ConnId>| {
        if !matches!(on, REACTOR_ON | REACTOR_OFF) {
            return Err(call.invalid(format_args!("on is {on}, not REACTOR_ON or REACTOR_OFF")));
        }
        let keepalive = keepalive(on, idle_s, interval_s, count, call)?.unwrap_or(KeepAlive::OFF);
        handle.set_option(id?, &SocketOption::KeepAlive(keepalive))
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.by_id(server, conn, set) }
}

/// A switch and its numbers, any of which is enough to switch it on.
pub(crate) fn keepalive(
    on: u32,
    idle_s: u32,
    interval_s: u32,
    count: u32,
    call: Call,
) -> Result<Option<KeepAlive>> {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let numbers = KeepAlive { idle: seconds(idle_s), interval: seconds(interval_s), count };
    match value::switch(on, call, "keepalive")? {
        Some(false) if numbers != KeepAlive::ON => {
            Err(call.invalid("keepalive is REACTOR_OFF, and yet there are numbers for it"))
        }
        Some(false) => Ok(Some(KeepAlive::OFF)),
        None if numbers == KeepAlive::ON => Ok(None),
        _ => Ok(Some(numbers)),
    }
}

/// Receives from a multicast group, too: group is "ADDRESS" or "ADDRESS@INTERFACE", the interface by name, or
/// for IPv4 also by one of its addresses. UDP.
///
/// Errors: as reactor_conn_set_option().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_join_multicast(
    server: *mut reactor_server,
    conn: reactor_conn,
    group: *const c_char,
) -> reactor_status {
    let call = Call::new("reactor_conn_join_multicast");
    // SAFETY: the caller's server, not freed during the call, and a string that ends with a zero byte.
    unsafe { set_membership(call, server, conn, group, SocketOption::JoinMulticast) }
}

/// No longer receives from a multicast group that was joined in the same words.
///
/// Errors: as reactor_conn_set_option().
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_leave_multicast(
    server: *mut reactor_server,
    conn: reactor_conn,
    group: *const c_char,
) -> reactor_status {
    let call = Call::new("reactor_conn_leave_multicast");
    // SAFETY: as in `reactor_conn_join_multicast`.
    unsafe { set_membership(call, server, conn, group, SocketOption::LeaveMulticast) }
}

/// # Safety
/// The server is NULL or not freed during the call; `group` is NULL or ends with a zero byte.
unsafe fn set_membership(
    call: Call,
    server: *const reactor_server,
    conn: reactor_conn,
    group: *const c_char,
    option: fn(Multicast) -> SocketOption,
) -> reactor_status {
    let set = |handle: &Handle, id: Result<ConnId>| {
        // SAFETY: what the caller promises.
        let group = call.required(unsafe { call.text(group, "group") }?, "group")?;
        let option = option(multicast(group, call, "group")?);
        handle.set_option(id?, &option)
    };
    // SAFETY: what the caller promises.
    unsafe { call.by_id(server, conn, set) }
}

/// `GROUP` or `GROUP@INTERFACE`.
pub(crate) fn multicast(text: &str, call: Call, parameter: &str) -> Result<Multicast> {
    let (group, interface) = match text.split_once('@') {
        Some((group, interface)) => (group, Some(interface.to_owned())),
        None => (text, None),
    };
    let wrong = |_| call.invalid(format_args!("{parameter}: {text:?} is not GROUP or GROUP@INTERFACE"));
    Ok(Multicast { group: group.parse().map_err(wrong)?, interface })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::F;

    #[test]
    fn every_option_arrives_with_its_value() {
        let set = |option, value| socket_option(option, value, F).unwrap();
        assert_eq!(set(REACTOR_OPTION_NODELAY, 1), SocketOption::NoDelay(true));
        assert_eq!(set(REACTOR_OPTION_RCVBUF, 5000), SocketOption::RecvBuffer(5000));
        assert_eq!(set(REACTOR_OPTION_SNDBUF, 6000), SocketOption::SendBuffer(6000));
        assert_eq!(set(REACTOR_OPTION_TTL, 7), SocketOption::Ttl(7));
        assert_eq!(set(REACTOR_OPTION_BROADCAST, 0), SocketOption::Broadcast(false));
        assert_eq!(set(REACTOR_OPTION_MULTICAST_TTL, 8), SocketOption::MulticastTtl(8));
        assert_eq!(set(REACTOR_OPTION_MULTICAST_LOOP, 0), SocketOption::MulticastLoop(false));
        for (option, value) in [(REACTOR_OPTION_NODELAY, 2), (REACTOR_OPTION_TTL, -1), (0, 1), (8, 1)] {
            socket_option(option, value, F).unwrap_err();
        }
    }

    #[test]
    fn keepalive_is_on_when_a_number_is_given() {
        let on = |switch, idle| keepalive(switch, idle, 0, 0, F);
        assert_eq!(on(0, 0), Ok(None));
        assert_eq!(on(REACTOR_ON, 0), Ok(Some(KeepAlive::ON)));
        assert_eq!(on(REACTOR_OFF, 0), Ok(Some(KeepAlive::OFF)));
        assert_eq!(on(0, 5).unwrap().unwrap().idle, Duration::from_secs(5));
        assert!(on(REACTOR_OFF, 5).is_err() && on(3, 0).is_err());
    }

    #[test]
    fn groups_are_read_with_and_without_an_interface() {
        let group = multicast("239.1.2.3@lo", F, "m").unwrap();
        assert_eq!((group.group.to_string().as_str(), group.interface.as_deref()), ("239.1.2.3", Some("lo")));
        assert_eq!(multicast("ff02::5", F, "m").unwrap().interface, None);
        assert!(multicast("everyone", F, "m").unwrap_err().message().contains("\"everyone\""));
    }
}
