//! Socket addresses as the system's calls have them.

use std::mem::{size_of, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage};
use reactor_core::Result;

use crate::call::Call;

/// An IPv4 or IPv6 address from C.
///
/// # Safety
/// The pointer is NULL or valid for reads of `len` bytes.
pub(crate) unsafe fn from_c(pointer: *const sockaddr, len: usize, call: Call) -> Result<SocketAddr> {
    call.not_null(pointer, "to")?;
    let short = || call.invalid(format_args!("to_len is {len}, too short for its address"));
    if len < size_of::<sa_family_t>() {
        return Err(short());
    }
    // SAFETY: an address begins with its family, and as many bytes are there; it may lie anywhere.
    let family = unsafe { pointer.cast::<sa_family_t>().read_unaligned() };
    match i32::from(family) {
        libc::AF_INET if len < size_of::<sockaddr_in>() => Err(short()),
        libc::AF_INET6 if len < size_of::<sockaddr_in6>() => Err(short()),
        // SAFETY: of this family, and as long as that takes.
        libc::AF_INET => Ok(v4(unsafe { &pointer.cast::<sockaddr_in>().read_unaligned() })),
        // SAFETY: likewise.
        libc::AF_INET6 => Ok(v6(unsafe { &pointer.cast::<sockaddr_in6>().read_unaligned() })),
        _ => Err(call.invalid(format_args!("to has the family {family}, not AF_INET or AF_INET6"))),
    }
}

fn v4(address: &sockaddr_in) -> SocketAddr {
    let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
    SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into()
}

fn v6(address: &sockaddr_in6) -> SocketAddr {
    let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
    let port = u16::from_be(address.sin6_port);
    SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into()
}

/// An address for C, and how many bytes of the storage it takes.
pub(crate) fn to_c(address: SocketAddr) -> (sockaddr_storage, usize) {
    // SAFETY: integers only, for which zeroes are a value.
    let mut storage = unsafe { MaybeUninit::<sockaddr_storage>::zeroed().assume_init() };
    let place = std::ptr::from_mut(&mut storage);
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: the storage is large enough and aligned for every address, and zeroes are a value.
            let inet = unsafe { &mut *place.cast::<sockaddr_in>() };
            inet.sin_family = libc::AF_INET as sa_family_t;
            inet.sin_port = address.port().to_be();
            inet.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            (storage, size_of::<sockaddr_in>())
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            let inet = unsafe { &mut *place.cast::<sockaddr_in6>() };
            inet.sin6_family = libc::AF_INET6 as sa_family_t;
            inet.sin6_port = address.port().to_be();
            inet.sin6_flowinfo = address.flowinfo();
            inet.sin6_addr.s6_addr = address.ip().octets();
            inet.sin6_scope_id = address.scope_id();
            (storage, size_of::<sockaddr_in6>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::F;

    fn pointer(storage: &sockaddr_storage) -> *const sockaddr {
        std::ptr::from_ref(storage).cast()
    }

    #[test]
    fn addresses_come_back_as_they_went() {
        for text in ["127.0.0.1:5000", "[fe80::1%3]:65535", "[::1]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            let (storage, len) = to_c(address);
            // SAFETY: the storage has that many bytes.
            assert_eq!(unsafe { from_c(pointer(&storage), len, F) }, Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let (mut storage, len) = to_c("127.0.0.1:5000".parse().unwrap());
        for len in 0..len {
            // SAFETY: the storage has at least that many bytes.
            let error = unsafe { from_c(pointer(&storage), len, F) }.unwrap_err();
            assert!(error.message().contains(&format!("to_len is {len}")), "{}", error.message());
        }
        storage.ss_family = libc::AF_UNIX as sa_family_t;
        // SAFETY: as above.
        let error = unsafe { from_c(pointer(&storage), len, F) }.unwrap_err();
        assert!(error.message().contains("the family 1"), "{}", error.message());
    }
}
