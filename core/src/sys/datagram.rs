//! Datagram sockets: receiving and sending many datagrams with one call.

use std::io;
use std::mem::{size_of, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use socket2::{SockAddr, SockAddrStorage};

use super::check;

/// Datagrams that one call receives at most. With 32, what the call itself costs is small against what the
/// kernel spends on each datagram, and a flood of the largest overshoots a byte budget by 2 MiB at most.
pub(crate) const SLOTS: usize = 32;
/// Messages that one call sends at most. The kernel allows 1,024 (UIO_MAXIOV).
pub(crate) const MAX_MESSAGES: usize = 64;
/// Bytes that every datagram fits in: the length field of UDP has 16 bits.
pub(crate) const MAX_BUFFER: usize = 65_535;
/// Distance between two slots: the buffer, rounded up to whole pages.
const STRIDE: usize = 65_536;

/// Room for one call's datagrams, and after the call the datagrams. A loop needs one for all its sockets.
pub(crate) struct RecvBatch {
    slots: Slots,
    names: Vec<SockAddrStorage>,
    received: Vec<Received>,
}

/// What is known of the datagram in a slot.
struct Received {
    len: usize,
    sender: SocketAddr,
    truncated: bool,
}

/// A datagram as it came, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram<'a> {
    pub(crate) bytes: &'a [u8],
    /// IPv4 if it came over IPv4, on a dual-stack socket too.
    pub(crate) sender: SocketAddr,
    /// It was longer than the buffer; `bytes` is its beginning.
    pub(crate) truncated: bool,
}

impl RecvBatch {
    /// # Errors
    /// The system has no address space left: 2 MiB, of which only written pages take memory.
    pub(crate) fn new() -> io::Result<Self> {
        let names = (0..SLOTS).map(|_| SockAddrStorage::zeroed()).collect();
        Ok(RecvBatch { slots: Slots::new()?, names, received: Vec::with_capacity(SLOTS) })
    }

    /// Replaces the contents by what waits at the socket, at most [`SLOTS`] datagrams, each cut to `buffer`
    /// bytes (at most [`MAX_BUFFER`]), and says how many came: 0 if nothing waits. Never blocks.
    ///
    /// # Errors
    /// What the network or the system left at the socket, such as ECONNREFUSED; the batch is empty then, and
    /// the socket remains usable.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>, buffer: usize) -> io::Result<usize> {
        self.received.clear();
        let mut slices: [libc::iovec; SLOTS] =
            std::array::from_fn(|slot| self.slots.vector(slot, buffer.min(MAX_BUFFER)));
        let mut headers: [libc::mmsghdr; SLOTS] = std::array::from_fn(|slot| {
            let name = std::ptr::from_mut(&mut self.names[slot]).cast();
            header(name, size_of::<SockAddrStorage>() as libc::socklen_t, &mut slices[slot])
        });
        let filled = match retry(|| receive_once(fd, &mut headers)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            other => other?,
        };
        for (header, name) in headers[..filled].iter().zip(&mut self.names) {
            self.received.push(Received {
                len: header.msg_len as usize,
                sender: sender(name, header.msg_hdr.msg_namelen),
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            });
        }
        Ok(filled)
    }

    /// The datagrams of the last call, in the order of their arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.received.iter().enumerate().map(|(slot, &Received { len, sender, truncated })| Datagram {
            bytes: self.slots.bytes(slot, len),
            sender,
            truncated,
        })
    }
}

fn receive_once(fd: BorrowedFd<'_>, headers: &mut [libc::mmsghdr; SLOTS]) -> io::Result<usize> {
    let (raw, no_timeout) = (fd.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: the headers point at names and slots of one batch, which is borrowed exclusively meanwhile.
    let received = unsafe {
        libc::recvmmsg(raw, headers.as_mut_ptr(), SLOTS as libc::c_uint, libc::MSG_DONTWAIT, no_timeout)
    };
    Ok(check(received)? as usize)
}

/// Takes the address out of `name`. A UDP socket always has one to tell; of others it is 0.0.0.0:0.
fn sender(name: &mut SockAddrStorage, len: libc::socklen_t) -> SocketAddr {
    let name = std::mem::replace(name, SockAddrStorage::zeroed());
    // SAFETY: the kernel has written the name and its length.
    let name = unsafe { SockAddr::new(name, len) };
    name.as_socket().map_or((Ipv4Addr::UNSPECIFIED, 0).into(), canonical)
}

/// An IPv4 address that is written as IPv6 (`::ffff:a.b.c.d`) as IPv4; every other as it is.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip @ IpAddr::V4(_) => (ip, addr.port()).into(),
        // With its flow and its scope.
        IpAddr::V6(_) => addr,
    }
}

/// Calls again as long as signals interrupt.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A message of one slice, without control data.
fn header(name: *mut libc::c_void, len: libc::socklen_t, slice: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: mmsghdr is plain data for which zeroes are valid.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_name = name;
    header.msg_hdr.msg_namelen = len;
    header.msg_hdr.msg_iov = slice;
    header.msg_hdr.msg_iovlen = 1;
    header
}

/// The slots of a batch, in pages of their own.
struct Slots {
    start: NonNull<u8>,
}

// SAFETY: the mapping belongs to this value alone, like a box's memory.
unsafe impl Send for Slots {}

impl Slots {
    const SIZE: usize = SLOTS * STRIDE;

    fn new() -> io::Result<Self> {
        let (any, flags) = (std::ptr::null_mut(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new private mapping at an address of the kernel's choice touches no memory that exists.
        let start = unsafe { libc::mmap(any, Self::SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        let start = NonNull::new(start.cast::<u8>()).filter(|_| start != libc::MAP_FAILED);
        let slots = Slots { start: start.ok_or_else(io::Error::last_os_error)? };
        // Small datagrams shall take their pages only, not a huge page. A kernel without huge pages refuses,
        // which is as good.
        // SAFETY: the mapping has this size.
        unsafe { libc::madvise(slots.start.as_ptr().cast(), Self::SIZE, libc::MADV_NOHUGEPAGE) };
        Ok(slots)
    }

    /// The first `len` bytes of a slot, for the kernel to write to.
    fn vector(&mut self, slot: usize, len: usize) -> libc::iovec {
        debug_assert!(slot < SLOTS && len <= STRIDE);
        // SAFETY: the slot begins within the mapping.
        libc::iovec { iov_base: unsafe { self.start.as_ptr().add(slot * STRIDE) }.cast(), iov_len: len }
    }

    fn bytes(&self, slot: usize, len: usize) -> &[u8] {
        assert!(slot < SLOTS && len <= STRIDE);
        // SAFETY: the range lies within the mapping, which is zeroes or what the kernel wrote, and lives as
        // long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(slot * STRIDE), len) }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, has this size, and nothing borrows it any more.
        unsafe {
            if libc::munmap(self.start.as_ptr().cast(), Self::SIZE) != 0 {
                // The process has too many mappings to split one. The address stays taken, the memory does
                // not.
                libc::madvise(self.start.as_ptr().cast(), Self::SIZE, libc::MADV_DONTNEED);
            }
        }
    }
}

/// What leaves in one piece: a datagram, or several to one destination that the kernel cuts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// `None`: where the socket is connected to.
    pub(crate) to: Option<SocketAddr>,
    pub(crate) bytes: &'a [u8],
    /// Cut into datagrams of this many bytes, the last of what is left (UDP_SEGMENT).
    pub(crate) segment: Option<u16>,
}

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
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    retry(|| {
        // SAFETY: the first `count` headers are filled, and what they point at outlives the call, which reads
        // it.
        let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr().cast(), count, flags) };
        Ok(check(sent)? as usize)
    })
}

/// What the header of a message points at.
struct Outgoing {
    name: Option<SockAddr>,
    slice: libc::iovec,
    control: Option<Segment>,
}

/// A control message of type UDP_SEGMENT, as CMSG_SPACE and CMSG_DATA lay it out.
#[repr(C)]
struct Segment {
    header: libc::cmsghdr,
    size: u16,
}

impl Outgoing {
    fn new(message: &Message<'_>, ipv6: bool) -> Self {
        // The kernel only reads what is sent.
        let (iov_base, iov_len) = (message.bytes.as_ptr().cast_mut().cast(), message.bytes.len());
        Outgoing {
            name: message.to.map(|to| if ipv6 { mapped(to) } else { to }.into()),
            slice: libc::iovec { iov_base, iov_len },
            control: message.segment.map(Segment::new),
        }
    }

    /// The header, valid as long as `self` is neither moved nor used.
    fn header(&mut self) -> libc::mmsghdr {
        let (name, len) = match &self.name {
            Some(name) => (name.as_ptr().cast_mut().cast(), name.len()),
            None => (std::ptr::null_mut(), 0),
        };
        let mut header = header(name, len, &mut self.slice);
        if let Some(control) = &mut self.control {
            header.msg_hdr.msg_control = std::ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = size_of::<Segment>();
        }
        header
    }
}

impl Segment {
    fn new(size: u16) -> Self {
        // SAFETY: cmsghdr is plain data for which zeroes are valid.
        let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = libc::UDP_SEGMENT;
        header.cmsg_len = size_of::<libc::cmsghdr>() + size_of::<u16>();
        Segment { header, size }
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

/// Bytes, with the kernel's bookkeeping, that were sent and have not left the machine (SIOCOUTQ).
pub(crate) fn outstanding(fd: BorrowedFd<'_>) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one int, which outlives the call. If it fails, the int stays 0.
    unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
    usize::try_from(bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    /// Pages of the mapping that take memory.
    fn resident(slots: &Slots) -> usize {
        let mut pages = vec![0_u8; Slots::SIZE / 4096];
        // SAFETY: the mapping has this size, and the vector a byte for each of its pages, if not more.
        let result = unsafe { libc::mincore(slots.start.as_ptr().cast(), Slots::SIZE, pages.as_mut_ptr()) };
        assert_eq!(result, 0);
        pages.iter().filter(|page| **page & 1 != 0).count()
    }

    #[test]
    fn only_slots_that_were_used_take_memory() {
        let (socket, mut batch) = (UdpSocket::bind("127.0.0.1:0").unwrap(), RecvBatch::new().unwrap());
        assert_eq!(batch.receive(socket.as_fd(), MAX_BUFFER).unwrap(), 0);
        assert_eq!(resident(&batch.slots), 0);
        for byte in 0..3 {
            socket.send_to(&[byte; 10], socket.local_addr().unwrap()).unwrap();
        }
        let (mut largest, mut received) = (0, Vec::new());
        while received.len() < 3 {
            largest = largest.max(batch.receive(socket.as_fd(), MAX_BUFFER).unwrap());
            received.extend(batch.iter().map(|datagram| datagram.bytes[9]));
        }
        assert_eq!(received, [0, 1, 2]);
        assert_eq!(resident(&batch.slots), largest);
    }

    #[test]
    fn the_control_message_is_laid_out_as_the_system_says() {
        // SAFETY: both only compute.
        let (space, len) = unsafe { (libc::CMSG_SPACE(2), libc::CMSG_LEN(2)) };
        assert_eq!(size_of::<Segment>(), space as usize);
        assert_eq!(Segment::new(1).header.cmsg_len, len as usize);
    }

    #[test]
    fn addresses_change_their_family_and_back() {
        let (v4, v6) = ("192.0.2.1:7".parse().unwrap(), "[::ffff:192.0.2.1]:7".parse().unwrap());
        assert_eq!((mapped(v4), mapped(v6)), (v6, v6));
        assert_eq!((canonical(v4), canonical(v6)), (v4, v4));
        let message = Message { to: Some(v4), bytes: b"", segment: None };
        let name = |ipv6| Outgoing::new(&message, ipv6).name.unwrap().as_socket().unwrap();
        assert_eq!((name(false), name(true)), (v4, v6));
        let scoped = "[fe80::1%3]:7".parse().unwrap();
        assert_eq!((mapped(scoped), canonical(scoped)), (scoped, scoped));
    }
}
