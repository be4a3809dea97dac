//! Sending many datagrams with one call.

use std::io;
use std::mem::{size_of, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::SockAddr;

use super::{header, retry, MAX_MESSAGES};
use crate::base::datagram::{Message, Source};
use crate::sys::linux::call::call;

/// Sends messages in order, at most [`MAX_MESSAGES`] and at least one, and says how many the kernel took. On
/// a socket of IPv6, `ipv6`, a destination of IPv4 is written as `::ffff:a.b.c.d`. Never blocks.
///
/// # Errors
/// The kernel refused the first message; or it reports what came of an earlier one, and has not looked at
/// this one yet. Why it stopped at a later one, the call with that one as the first tells.
pub(crate) fn send_batch<'a>(
    fd: BorrowedFd<'_>,
    ipv6: bool,
    messages: impl Iterator<Item = Message<'a>>,
) -> io::Result<usize> {
    let mut outgoing = [const { MaybeUninit::<Outgoing>::uninit() }; MAX_MESSAGES];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MAX_MESSAGES];
    let mut count = 0;
    for ((outgoing, header), message) in outgoing.iter_mut().zip(&mut headers).zip(messages) {
        header.write(outgoing.write(Outgoing::new(&message, ipv6)).header());
        count += 1;
    }
    // SAFETY: so many are filled.
    let headers = unsafe { std::slice::from_raw_parts_mut(headers.as_mut_ptr().cast(), count) };
    retry(|| send_once(fd, headers))
}

fn send_once(fd: BorrowedFd<'_>, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let (raw, flags) = (fd.as_raw_fd() as usize, (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as usize);
    match headers {
        // What most calls send. The kernel is faster if it need not fetch the header.
        [libc::mmsghdr { msg_hdr: lone, .. }] if lone.msg_control.is_null() => {
            let (name, name_len) = (lone.msg_name as usize, lone.msg_namelen as usize);
            // SAFETY: what the header points at outlives the call, which reads it.
            let sent = unsafe {
                let slice = *lone.msg_iov;
                call(libc::SYS_sendto, [raw, slice.iov_base as usize, slice.iov_len, flags, name, name_len])
            };
            sent.map(|_| 1)
        }
        _ => {
            let (start, count) = (headers.as_mut_ptr() as usize, headers.len());
            // SAFETY: what the headers point at outlives the call, which reads it.
            unsafe { call(libc::SYS_sendmmsg, [raw, start, count, flags, 0, 0]) }
        }
    }
}

/// What the header of a message points at.
struct Outgoing {
    name: Option<SockAddr>,
    slice: libc::iovec,
    segment: Option<u16>,
    from: Option<Source>,
    ipv6: bool,
    control: Control,
}

/// Room for control messages of the types UDP_SEGMENT and IPV6_PKTINFO, aligned as the headers in it.
union Control {
    _header: libc::cmsghdr,
    bytes: [u8; Control::SPACE],
}

impl Outgoing {
    fn new(message: &Message<'_>, ipv6: bool) -> Self {
        // The kernel only reads what is sent.
        let (iov_base, iov_len) = (message.bytes.as_ptr().cast_mut().cast(), message.bytes.len());
        Outgoing {
            name: message.to.map(|to| if ipv6 { mapped(to) } else { to }.into()),
            slice: libc::iovec { iov_base, iov_len },
            segment: message.segment,
            from: message.from,
            ipv6,
            control: Control { bytes: [0; Control::SPACE] },
        }
    }

    /// The header, valid as long as `self` is neither moved nor used.
    fn header(&mut self) -> libc::mmsghdr {
        let (name, len) = match &self.name {
            Some(name) => (name.as_ptr().cast_mut().cast(), name.len()),
            None => (std::ptr::null_mut(), 0),
        };
        let mut header = header(name, len, &mut self.slice);
        let (control, message) = (&mut self.control, &mut header.msg_hdr);
        let used = match self.segment {
            Some(size) => control.add(message, 0, (libc::SOL_UDP, libc::UDP_SEGMENT), size),
            None => 0,
        };
        match self.from {
            Some(from) if self.ipv6 => {
                control.add(message, used, (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO), source_v6(from));
            }
            Some(from) => {
                control.add(message, used, (libc::IPPROTO_IP, libc::IP_PKTINFO), source_v4(from));
            }
            None => {}
        }
        header
    }
}

impl Control {
    const SPACE: usize = space::<u16>() + space::<libc::in6_pktinfo>();

    /// Writes a control message behind the bytes that are used, points the header of the message to all of them, and says
    /// how many are used now. The system's macros know how one is laid out, which C libraries do differently.
    fn add<T: Copy>(
        &mut self,
        header: &mut libc::msghdr,
        used: usize,
        (level, kind): (libc::c_int, libc::c_int),
        data: T,
    ) -> usize {
        let room = std::ptr::from_mut(self).cast::<u8>();
        let uses = used + space::<T>();
        debug_assert!(uses <= Control::SPACE);
        header.msg_control = room.cast();
        header.msg_controllen = uses as _;
        // SAFETY: the room is aligned, zeroed, and as long as one message of each type: this one lies behind the one
        // before, whose space keeps the alignment, and behind its header are the data.
        unsafe {
            let control = room.add(used).cast::<libc::cmsghdr>();
            (*control).cmsg_level = level;
            (*control).cmsg_type = kind;
            (*control).cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as _;
            libc::CMSG_DATA(control).cast::<T>().write_unaligned(data);
        }
        uses
    }
}

/// Bytes that a control message with such data takes.
const fn space<T>() -> usize {
    // SAFETY: it only computes.
    unsafe { libc::CMSG_SPACE(size_of::<T>() as u32) as usize }
}

fn source_v4(from: Source) -> libc::in_pktinfo {
    let ip = match from.ip {
        IpAddr::V4(ip) => ip,
        // Of the other family than the socket: as if it were not said.
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    libc::in_pktinfo {
        ipi_ifindex: from.interface as _,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from(ip).to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

fn source_v6(from: Source) -> libc::in6_pktinfo {
    let ip = match from.ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
        ipi6_ifindex: from.interface as _,
    }
}

fn mapped(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
        SocketAddr::V6(_) => addr,
    }
}

/// Whether the kernel knows UDP_SEGMENT (Linux 4.18) for this socket.
pub(crate) fn can_segment(fd: BorrowedFd<'_>) -> bool {
    let (mut size, mut len): (libc::c_int, _) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    let value = std::ptr::from_mut(&mut size).cast();
    // SAFETY: value and length describe an int, which outlives the call.
    unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, &mut len) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::datagram::canonical;

    #[test]
    fn the_control_message_is_found_as_the_system_looks_for_it() {
        let message = Message { to: None, from: None, bytes: b"onetwo", segment: Some(3) };
        let mut outgoing = Outgoing::new(&message, false);
        let header = outgoing.header().msg_hdr;
        // SAFETY: the header is valid as long as what it was made from stays where it is.
        let (first, next, data) = unsafe {
            let first = libc::CMSG_FIRSTHDR(&header);
            (*first, libc::CMSG_NXTHDR(&header, first), *libc::CMSG_DATA(first).cast::<[u8; 2]>())
        };
        assert_eq!((first.cmsg_level, first.cmsg_type), (libc::SOL_UDP, libc::UDP_SEGMENT));
        // SAFETY: it only computes.
        let len = unsafe { libc::CMSG_LEN(size_of::<u16>() as u32) };
        assert_eq!((first.cmsg_len as u32, u16::from_ne_bytes(data)), (len, 3));
        assert!(next.is_null());
    }

    #[test]
    fn addresses_change_their_family_and_back() {
        let (v4, v6) = ("192.0.2.1:7".parse().unwrap(), "[::ffff:192.0.2.1]:7".parse().unwrap());
        assert_eq!((mapped(v4), mapped(v6)), (v6, v6));
        assert_eq!((canonical(v4), canonical(v6)), (v4, v4));
        let message = Message { to: Some(v4), from: None, bytes: b"", segment: None };
        let name = |ipv6| Outgoing::new(&message, ipv6).name.unwrap().as_socket().unwrap();
        assert_eq!((name(false), name(true)), (v4, v6));
        let scoped = "[fe80::1%3]:7".parse().unwrap();
        assert_eq!((mapped(scoped), canonical(scoped)), (scoped, scoped));
    }
}
