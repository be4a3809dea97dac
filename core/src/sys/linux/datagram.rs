//! Receiving and sending many datagrams with one call.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::call::call;
use crate::base::datagram::{canonical, Envelope, Landing, Reading};
use crate::sys::datagram::{Datagram, MAX_BUFFER};
use crate::sys::socket::inet_address;

mod sending;
mod slots;

pub(crate) use sending::{can_segment, send_batch};
use slots::Slots;

/// Messages that one call receives at most. With 32, what the call itself costs is small against what the
/// kernel spends on each, and a flood of the largest overshoots a byte budget by 2 MiB at most.
pub(crate) const SLOTS: usize = 32;
/// Messages that one call sends at most. The kernel allows 1,024 (UIO_MAXIOV).
pub(crate) const MAX_MESSAGES: usize = 64;
/// Room for the control messages of one slot, 320 bytes, in words so that they lie aligned. UDP_GRO takes 24, IP_PKTINFO
/// 32 and IPV6_PKTINFO 40. What the kernel puts before them comes from options that only an inherited socket can have
/// (SO_TIMESTAMP, SO_TIMESTAMPING, SO_RXQ_OVFL, SO_RCVMARK …), and takes 200 if all of them are set.
const CONTROL: usize = 40;
/// include/uapi/linux/in6.h; the crate does not have it for every C library.
const IPV6_MULTICAST_ALL: libc::c_int = 29;
/// Room for the name of who sent a message.
const NAME: libc::socklen_t = size_of::<libc::sockaddr_storage>() as libc::socklen_t;

/// Room for one call's messages, and after the call the datagrams in them. A loop needs one for all its
/// sockets.
pub(crate) struct RecvBatch {
    slots: Slots,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<[u64; CONTROL]>,
    slices: Vec<libc::iovec>,
    /// They point at the elements of the others, which therefore stay where they are. Between two calls all are
    /// as `reading` wants them, but for those that were filled.
    headers: Vec<libc::mmsghdr>,
    filled: usize,
    reading: Reading,
}

impl RecvBatch {
    /// # Errors
    /// The system has no address space left: 2 MiB, of which only written pages take memory. So that is what
    /// a loop holds for its UDP sockets at most, however many they are and whatever came.
    pub(crate) fn new() -> io::Result<Self> {
        let mut slots = Slots::new()?;
        // SAFETY: zeroes are valid for an address of any family.
        let mut names = vec![unsafe { std::mem::zeroed::<libc::sockaddr_storage>() }; SLOTS];
        let mut slices: Vec<_> = (0..SLOTS).map(|slot| slots.vector(slot, MAX_BUFFER)).collect();
        let pointers = names.iter_mut().zip(&mut slices);
        let headers = pointers.map(|(name, slice)| header(std::ptr::from_mut(name).cast(), NAME, slice));
        Ok(RecvBatch {
            headers: headers.collect(),
            controls: vec![[0; CONTROL]; SLOTS],
            filled: 0,
            reading: Reading { buffer: MAX_BUFFER, coalesced: false, landing: false },
            slots,
            names,
            slices,
        })
    }

    /// Replaces the contents by what waits at the socket, and says how many messages came, `most` at most
    /// and [`SLOTS`]: 0 if nothing waits. A message is a datagram, or, where the kernel coalesces, several
    /// equally long ones from one sender, of which the last may be shorter. Never blocks.
    ///
    /// # Errors
    /// What the network or the system left at the socket, such as ECONNREFUSED; the batch is empty then, and
    /// the socket remains usable.
    pub(crate) fn receive(&mut self, fd: BorrowedFd<'_>, reading: Reading, most: usize) -> io::Result<usize> {
        self.prepare(reading);
        self.filled = match retry(|| self.receive_once(fd, most.min(SLOTS))) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            other => other?,
        };
        Ok(self.filled)
    }

    /// Readies for the next call what the kernel has written to, which is cheaper than to make all anew: most
    /// calls find a message or two.
    fn prepare(&mut self, reading: Reading) {
        let stale = if reading == self.reading { self.filled } else { SLOTS };
        (self.filled, self.reading) = (0, reading);
        for slot in 0..stale {
            let header = &mut self.headers[slot].msg_hdr;
            header.msg_namelen = NAME;
            (header.msg_control, header.msg_controllen) = match reading.coalesced || reading.landing {
                true => (self.controls[slot].as_mut_ptr().cast(), size_of::<[u64; CONTROL]>() as _),
                false => (std::ptr::null_mut(), 0),
            };
            // What is coalesced must come whole to be cut apart.
            let room = if reading.coalesced { MAX_BUFFER } else { reading.buffer.min(MAX_BUFFER) };
            self.slices[slot].iov_len = room;
        }
    }

    fn receive_once(&mut self, fd: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let (raw, headers) = (fd.as_raw_fd() as usize, self.headers.as_mut_ptr() as usize);
        // SAFETY: there are at least `most` headers, and they point at names, controls and slots of the batch, which
        // is borrowed exclusively.
        unsafe { call(libc::SYS_recvmmsg, [raw, headers, most, libc::MSG_DONTWAIT as usize, 0, 0]) }
    }

    /// Bytes of the longest message of the last call.
    pub(crate) fn longest(&self) -> usize {
        self.headers[..self.filled].iter().map(|header| header.msg_len as usize).max().unwrap_or(0)
    }

    /// The datagrams of the last call, in the order of their arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        (0..self.filled).flat_map(|slot| self.cut(slot))
    }

    /// The datagrams of the message in a slot that the kernel has filled.
    fn cut(&self, slot: usize) -> impl Iterator<Item = Datagram<'_>> {
        let (header, buffer) = (&self.headers[slot], self.reading.buffer);
        let bytes = self.slots.bytes(slot, header.msg_len as usize);
        let sender = sender(&self.names[slot], header.msg_hdr.msg_namelen);
        let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let Told { segment, landing } = Told::by(&header.msg_hdr);
        let segment = segment.unwrap_or(bytes.len()).max(1);
        // An empty message is a datagram, too.
        let count = bytes.len().div_ceil(segment).max(1);
        (0..count).map(move |index| {
            let rest = &bytes[index * segment..];
            let whole = &rest[..rest.len().min(segment)];
            let cut_by_kernel = truncated && index + 1 == count;
            let truncated = cut_by_kernel || whole.len() > buffer;
            let envelope = Envelope { sender, truncated, landing };
            Datagram { bytes: &whole[..whole.len().min(buffer)], envelope }
        })
    }
}

/// What the control messages of a message tell.
#[derive(Default)]
struct Told {
    /// The length of its datagrams, if it may hold several.
    segment: Option<usize>,
    landing: Option<Landing>,
}

impl Told {
    fn by(header: &libc::msghdr) -> Told {
        let mut told = Told::default();
        // SAFETY: the kernel has written the control messages and the length of all, within the batch's room.
        let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
        // SAFETY: a header that the system's own walk finds lies whole within what was written, and aligned.
        while let Some(control) = unsafe { message.as_ref() } {
            // SAFETY: `message` is one of the header's; the first call only computes.
            let (data, next) = unsafe { (libc::CMSG_DATA(message), libc::CMSG_NXTHDR(header, message)) };
            told.take(control, data);
            message = next;
        }
        told
    }

    /// Takes a control message of the walk, whose data are at `at`.
    fn take(&mut self, control: &libc::cmsghdr, at: *const u8) {
        match (control.cmsg_level, control.cmsg_type) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                self.segment = data::<libc::c_int>(control, at).and_then(|size| usize::try_from(size).ok());
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let of_v4 = data::<libc::in_pktinfo>(control, at).map(|info| {
                    let (to, local) = (ipv4(info.ipi_addr), ipv4(info.ipi_spec_dst));
                    // Of what came before it was asked for, the kernel does not know.
                    let local = if local.is_unspecified() { to } else { local };
                    Landing { to, local, interface: info.ipi_ifindex as _ }
                });
                // A dual-stack socket tells both: this one knows more.
                self.landing = of_v4.or(self.landing);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let of_v6 = data::<libc::in6_pktinfo>(control, at).map(|info| {
                    let to = Ipv6Addr::from(info.ipi6_addr.s6_addr).to_canonical();
                    Landing { to, local: to, interface: info.ipi6_ifindex as _ }
                });
                self.landing = self.landing.or(of_v6);
            }
            _ => {}
        }
    }
}

/// The data at `at` of a control message, which are plain numbers; `None` if there are fewer.
fn data<T: Copy>(control: &libc::cmsghdr, at: *const u8) -> Option<T> {
    // SAFETY: it only computes.
    let whole = control.cmsg_len >= unsafe { libc::CMSG_LEN(size_of::<T>() as u32) } as _;
    // SAFETY: the data is there, and of a type for which any bytes are a value.
    whole.then(|| unsafe { at.cast::<T>().read_unaligned() })
}

fn ipv4(address: libc::in_addr) -> IpAddr {
    Ipv4Addr::from(u32::from_be(address.s_addr)).into()
}

/// The address in `name`, of which the kernel has written so many bytes. A UDP socket always has one to tell; of
/// others it is 0.0.0.0:0.
fn sender(name: &libc::sockaddr_storage, len: libc::socklen_t) -> SocketAddr {
    inet_address(name).filter(|_| len > 0).map_or((Ipv4Addr::UNSPECIFIED, 0).into(), canonical)
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

/// Asks the kernel to hand datagrams of one sender that came as one packet over as one message (UDP_GRO, Linux
/// 5.0), and says whether it may do so. The option stays with the socket, whoever else holds it.
pub(crate) fn coalesce(fd: BorrowedFd<'_>) -> bool {
    set(fd, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Asks the kernel to tell where each datagram has arrived (IP_PKTINFO, IPV6_RECVPKTINFO), and says whether it does. A
/// socket of IPv6 may be dual-stack, and tells it of IPv4 as well.
pub(crate) fn tell_landing(fd: BorrowedFd<'_>, ipv6: bool) -> bool {
    let of_v4 = set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1);
    let of_v6 = ipv6 && set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1);
    of_v4 | of_v6
}

/// Prepares a socket for being bound, as what comes from then on is treated by it: see [`tell_landing`]. What comes for
/// multicast groups that the socket itself has not joined, but another one of the machine, is kept away (IP_MULTICAST_ALL,
/// and IPV6_MULTICAST_ALL of Linux 4.20); where the kernel does not know that, it comes.
pub(crate) fn prepare(fd: BorrowedFd<'_>, ipv6: bool) {
    tell_landing(fd, ipv6);
    set(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0);
    set(fd, libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
}

/// Sets an option that is a number; says whether the socket has it.
fn set(fd: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int, number: libc::c_int) -> bool {
    let (value, len) = (std::ptr::from_ref(&number).cast(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: value and length describe an int, which outlives the call.
    unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, value, len) == 0 }
}

/// Bytes, with the kernel's bookkeeping, that were sent and have not left the machine, or of a stream that the peer has
/// not taken (SIOCOUTQ).
pub(crate) fn outstanding(fd: BorrowedFd<'_>) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one int, which outlives the call. If it fails, the int stays 0.
    unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
    usize::try_from(bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::datagram::{Message, Source};
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    const PLAIN: Reading = Reading { buffer: MAX_BUFFER, coalesced: false, landing: false };

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
        assert_eq!(batch.receive(socket.as_fd(), PLAIN, SLOTS).unwrap(), 0);
        assert_eq!(resident(&batch.slots), 0);
        for byte in 0..3 {
            socket.send_to(&[byte; 10], socket.local_addr().unwrap()).unwrap();
        }
        let (mut largest, mut received) = (0, Vec::new());
        while received.len() < 3 {
            largest = largest.max(batch.receive(socket.as_fd(), PLAIN, SLOTS).unwrap());
            received.extend(batch.iter().map(|datagram| datagram.bytes[9]));
        }
        assert_eq!(received, [0, 1, 2]);
        assert_eq!(resident(&batch.slots), largest);
    }

    #[test]
    fn one_batch_reads_sockets_that_are_to_be_read_differently() {
        let mut batch = RecvBatch::new().unwrap();
        let mut read = |reading: Reading, bytes: &[u8]| {
            // The longer name comes first, so that the shorter one must not be taken for its beginning.
            let ip = if reading.coalesced { "::1" } else { "127.0.0.1" };
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            assert!(!reading.coalesced || coalesce(socket.as_fd()), "Linux 5.0 has UDP_GRO");
            let to = socket.local_addr().unwrap();
            let segment = reading.coalesced.then_some(3);
            let message = Message { to: Some(to), from: None, bytes, segment };
            assert_eq!(send_batch(socket.as_fd(), to.is_ipv6(), [message].into_iter()).unwrap(), 1);
            while batch.receive(socket.as_fd(), reading, SLOTS).unwrap() == 0 {}
            assert!(batch.iter().all(|datagram| datagram.envelope.sender == to));
            let datagrams = batch.iter();
            datagrams
                .map(|datagram| (datagram.bytes.to_vec(), datagram.envelope.truncated))
                .collect::<Vec<_>>()
        };
        let cut = Reading { buffer: 2, ..PLAIN };
        for _ in 0..2 {
            let coalesced = Reading { coalesced: true, ..PLAIN };
            assert_eq!(read(coalesced, b"one"), [(b"one".to_vec(), false)]);
            let apart = [(b"one".to_vec(), false), (b"two".to_vec(), false)];
            assert_eq!(read(coalesced, b"onetwo"), apart);
            assert_eq!(read(cut, b"three"), [(b"th".to_vec(), true)]);
            assert_eq!(read(PLAIN, b"four"), [(b"four".to_vec(), false)]);
            assert_eq!(read(PLAIN, b""), [(vec![], false)]);
        }
    }

    #[test]
    fn the_length_of_datagrams_is_found_behind_what_other_options_put_before_it() {
        let (socket, mut batch) = (UdpSocket::bind("127.0.0.1:0").unwrap(), RecvBatch::new().unwrap());
        // Asked for by whoever opened a socket before it was inherited; each makes a control message.
        for option in [libc::SO_TIMESTAMPNS, libc::SO_RXQ_OVFL] {
            let on: libc::c_int = 1;
            let (value, len) = (std::ptr::from_ref(&on).cast(), size_of::<libc::c_int>() as libc::socklen_t);
            // SAFETY: value and length describe an int, which outlives the call.
            let set = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, len) };
            assert_eq!(set, 0);
        }
        assert!(coalesce(socket.as_fd()), "Linux 5.0 has UDP_GRO");
        let to = Some(socket.local_addr().unwrap());
        let message = Message { to, from: None, bytes: b"onetwothreefour", segment: Some(3) };
        assert_eq!(send_batch(socket.as_fd(), false, [message; 2].into_iter()).unwrap(), 2);
        let (mut messages, mut datagrams) = (0, Vec::new());
        while messages < 2 {
            messages += batch.receive(socket.as_fd(), Reading { coalesced: true, ..PLAIN }, SLOTS).unwrap();
            datagrams.extend(batch.iter().map(|datagram| datagram.bytes.to_vec()));
        }
        assert_eq!(datagrams, [&b"one"[..], b"two", b"thr", b"eef", b"our"].repeat(2));
    }

    #[test]
    fn a_prepared_socket_hears_of_its_own_groups_alone() {
        let get = |socket: &UdpSocket, level, option| {
            let (mut value, mut len): (libc::c_int, _) = (7, size_of::<libc::c_int>() as libc::socklen_t);
            let place = std::ptr::from_mut(&mut value).cast();
            // SAFETY: place and length describe an int, which outlives the call.
            let got = unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, place, &mut len) };
            (got, value)
        };
        let (four, six) = (UdpSocket::bind("0.0.0.0:0").unwrap(), UdpSocket::bind("[::]:0").unwrap());
        prepare(four.as_fd(), false);
        prepare(six.as_fd(), true);
        assert_eq!(get(&four, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL), (0, 0));
        assert_eq!(get(&six, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL), (0, 0));
        assert_eq!(get(&six, libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL), (0, 0));
    }

    #[test]
    fn a_message_tells_where_it_has_arrived_and_may_say_where_it_leaves_from() {
        for (bind, to, from) in [
            ("0.0.0.0:0", "127.0.0.2", "127.0.0.3"),
            ("[::]:0", "127.0.0.2", "127.0.0.3"),
            ("[::]:0", "::1", "::1"),
        ] {
            let (socket, mut batch) = (UdpSocket::bind(bind).unwrap(), RecvBatch::new().unwrap());
            let (ipv6, port) = (bind.starts_with('['), socket.local_addr().unwrap().port());
            assert!(tell_landing(socket.as_fd(), ipv6));
            let (to, from): (IpAddr, IpAddr) = (to.parse().unwrap(), from.parse().unwrap());
            let source = Some(Source { ip: from, interface: 0 });
            // Cut apart, too.
            for segment in [None, Some(3)] {
                let to = Some((to, port).into());
                let message = Message { to, from: source, bytes: b"onetwo", segment };
                assert_eq!(send_batch(socket.as_fd(), ipv6, [message].into_iter()).unwrap(), 1);
            }
            let (mut got, reading) = (Vec::new(), Reading { landing: true, ..PLAIN });
            while got.len() < 3 {
                batch.receive(socket.as_fd(), reading, SLOTS).unwrap();
                got.extend(batch.iter().map(|datagram| (datagram.bytes.to_vec(), datagram.envelope)));
            }
            assert_eq!(got.iter().map(|(bytes, _)| bytes.len()).collect::<Vec<_>>(), [6, 3, 3]);
            for (_, Envelope { sender, landing, .. }) in got {
                let landing = landing.unwrap();
                assert_eq!((sender, landing.to, landing.local), ((from, port).into(), to, to), "{bind}");
                assert!(landing.interface > 0);
            }
        }
    }
}
