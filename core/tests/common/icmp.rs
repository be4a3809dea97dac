//! What a router says of a connection that it cannot help for the moment.

use std::io::Read;
use std::net::{SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::PATIENCE;

/// Sees the packets of TCP connections, and tells their senders that the host is unreachable: an error that a connection
/// survives, RFC 5461.
pub(crate) struct Router {
    packets: Socket,
    icmp: Socket,
}

impl Router {
    /// Of what goes to one port only: the packets of all tests are more than its socket holds. `None` without the right to do
    /// it, CAP_NET_RAW.
    pub(crate) fn new(port: u16) -> Option<Router> {
        let raw = |protocol| Socket::new(Domain::IPV4, Type::RAW, Some(protocol));
        let (packets, icmp) = (raw(Protocol::TCP), raw(Protocol::ICMPV4));
        let (Ok(packets), Ok(icmp)) = (packets, icmp) else {
            return None;
        };
        packets.attach_filter(&only(port)).unwrap();
        packets.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(Router { packets, icmp })
    }

    /// Waits for a packet that one sends to the other and that takes place in its sequence, and says that it did not arrive.
    pub(crate) fn answer(&self, from: SocketAddr, to: SocketAddr) {
        let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { panic!("IPv4 only") };
        let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        let sequence = loop {
            let mut packet = vec![0; 1 << 16];
            let len = (&self.packets).read(&mut packet).unwrap();
            packet.truncate(len);
            let tcp = usize::from(packet[0] & 15) * 4;
            let data = len - tcp - usize::from(packet[tcp + 12] >> 4) * 4;
            let syn = packet[tcp + 13] & 2 != 0;
            if packet[tcp..tcp + 4] == ports[..] && (data > 0 || syn) {
                // Behind it: what was acknowledged is not looked at.
                let sequence = u32::from_be_bytes(packet[tcp + 4..tcp + 8].try_into().unwrap());
                break sequence.wrapping_add(data as u32 + u32::from(syn));
            }
        };
        let message = unreachable(from, to, sequence);
        self.icmp.send_to(&message, &SocketAddr::V4(SocketAddrV4::new(*from.ip(), 0)).into()).unwrap();
    }
}

/// Takes what begins with an IPv4 header and goes to this TCP port; man 7 socket, SO_ATTACH_FILTER.
fn only(port: u16) -> [SockFilter; 5] {
    const HEADER_LENGTH: u16 = 0xb1; // Into X: four times the lower half of the byte at k.
    const HALF_BEHIND_X: u16 = 0x48; // The two bytes at X + k.
    const IF_EQUAL: u16 = 0x15;
    const TAKE: u16 = 0x06; // At most k bytes.
    [
        SockFilter::new(HEADER_LENGTH, 0, 0, 0),
        SockFilter::new(HALF_BEHIND_X, 0, 0, 2),
        SockFilter::new(IF_EQUAL, 0, 1, u32::from(port)),
        SockFilter::new(TAKE, 0, 0, u32::MAX),
        SockFilter::new(TAKE, 0, 0, 0),
    ]
}

/// Type 3, code 1, with the beginning of the packet that it is about, RFC 792.
fn unreachable(from: SocketAddrV4, to: SocketAddrV4, sequence: u32) -> Vec<u8> {
    let mut message = vec![3, 1, 0, 0, 0, 0, 0, 0];
    message.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
    message.extend([from.ip().octets(), to.ip().octets()].concat());
    message.extend([from.port().to_be_bytes(), to.port().to_be_bytes()].concat());
    message.extend(sequence.to_be_bytes());
    let words = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum += sum >> 16;
    message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    message
}
