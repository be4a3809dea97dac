//! The datagram that a UDP endpoint is handling.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::net::SocketAddr;

use libc::{sockaddr, sockaddr_storage};
use reactor_core::{ConnId, ErrorKind, Handle, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::server::reactor_server;
use crate::sized::{self, ends, SizedStruct};
use crate::socket_address;
use crate::status::reactor_status;

/// A datagram's circumstances. Set size to sizeof before the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_datagram {
    /// sizeof(struct reactor_datagram).
    pub size: usize,
    /// Who sent it: a struct sockaddr_in or sockaddr_in6, valid until the callback returns, and fit for
    /// reactor_conn_send_to(). An IPv4 peer of a dual-stack socket appears as IPv4.
    pub sender: *const sockaddr,
    /// The bytes of sender.
    pub sender_len: usize,
    /// 1 if the datagram was longer than the buffer, and its end is lost; otherwise 0.
    pub truncated: u64,
    /// The address that it was sent to, with port 0: one of this machine's, a multicast group, or everybody's. A struct
    /// sockaddr_in or sockaddr_in6, valid as sender is. NULL where that is not known: of a socket that is connected. A
    /// write answers from there, but for a group, or for all.
    pub destination: *const sockaddr,
    /// The bytes of destination; 0 without one.
    pub destination_len: usize,
    /// The number of the network interface by which it came, as if_indextoname() takes it; 0 if that is not known.
    pub interface: u64,
}

// SAFETY: integers and a pointer that may be NULL, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_datagram {
    const ENDS: &'static [usize] = ends!(
        reactor_datagram: size, sender, sender_len; truncated, destination, destination_len, interface,
    );
}

/// In on_data of a UDP endpoint: tells who sent the datagram, and to which address of this machine.
///
/// Errors: REACTOR_STATUS_WRONG_STATE outside on_data of this endpoint, and so for connections;
/// REACTOR_STATUS_WRONG_THREAD elsewhere than on its loop; REACTOR_STATUS_CLOSED if it is closed, or belongs
/// to another server; REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a size that cannot be.
#[no_mangle]
pub unsafe extern "C" fn reactor_conn_datagram(
    server: *mut reactor_server,
    conn: reactor_conn,
    out_datagram: *mut reactor_datagram,
) -> reactor_status {
    let call = Call::new("reactor_conn_datagram");
    let get = |handle: &Handle, id: Result<ConnId>| {
        let (sender, destination, truncated) =
            handle.with_conn(id?, |conn| (conn.sender(), conn.destination(), conn.is_truncated()))?;
        let no_datagram =
            || call.error(ErrorKind::WrongState, format_args!("{conn} is not handling a datagram"));
        let sender = sender.ok_or_else(no_datagram)?;
        let (sender, sender_len) = SENDER.with(|place| keep(place, sender));
        let mut datagram = reactor_datagram {
            size: 0,
            sender,
            sender_len,
            truncated: truncated.into(),
            destination: std::ptr::null(),
            destination_len: 0,
            interface: 0,
        };
        if let Some(to) = destination {
            (datagram.destination, datagram.destination_len) =
                DESTINATION.with(|place| keep(place, (to.address, 0).into()));
            datagram.interface = to.interface.into();
        }
        Ok(datagram)
    };
    // SAFETY: the caller's server, not freed during the call, and NULL or a structure of the size that it says.
    unsafe {
        call.by_id(server, conn, |handle, id| {
            sized::fill(out_datagram, call, "out_datagram", || get(handle, id))
        })
    }
}

type Place = Cell<MaybeUninit<sockaddr_storage>>;

thread_local! {
    /// The addresses of the datagram that the calling loop delivers: until the next one is asked for.
    static SENDER: Place = const { Cell::new(MaybeUninit::uninit()) };
    static DESTINATION: Place = const { Cell::new(MaybeUninit::uninit()) };
}

/// Keeps an address, and says where and how long it is.
fn keep(place: &Place, address: SocketAddr) -> (*const sockaddr, usize) {
    let (address, len) = socket_address::to_c(address);
    place.set(MaybeUninit::new(address));
    // The value lies at the same place for as long as the thread lives.
    (place.as_ptr().cast::<sockaddr>().cast_const(), len)
}
