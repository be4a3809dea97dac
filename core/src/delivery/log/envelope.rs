//! What comes with a datagram, flat.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::api::conn::Conn;
use crate::base::datagram::Source;

/// What comes with a datagram. As bytes: a byte of flags (1: truncated, 2: the destination is known, 4: the source of answers is)
/// and one that is 0; the sender's port, 16 bits; its zone, the number of the interface by which it came (0 if it is not known), and
/// that of the source, 32 bits each; then the IP addresses of sender, destination and source, 16 bytes each, IPv4 as
/// `::ffff:a.b.c.d`. Numbers in little-endian order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent it.
    pub sender: SocketAddr,
    /// The address of this machine that it was sent to.
    pub destination: Option<IpAddr>,
    /// The interface by which it came; 0 if that is not known.
    pub interface: u32,
    /// It was longer than the buffer, and its end is lost.
    pub truncated: bool,
    /// Where an answer leaves from; `None` where that is left to the system.
    pub source: Option<Source>,
}

impl Envelope {
    /// Its length as bytes.
    pub const LEN: usize = 64;

    /// Of the datagram that is being delivered.
    pub(super) fn of(conn: &Conn<'_>) -> Envelope {
        let destination = conn.destination();
        Envelope {
            sender: conn.sender().unwrap_or_else(|| SocketAddr::from(([0; 4], 0))),
            destination: destination.map(|to| to.address),
            interface: destination.map_or(0, |to| to.interface),
            truncated: conn.is_truncated(),
            source: conn.source_of_answers(),
        }
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let known = u8::from(self.destination.is_some()) << 1 | u8::from(self.source.is_some()) << 2;
        bytes[0] = u8::from(self.truncated) | known;
        bytes[2..4].copy_from_slice(&self.sender.port().to_le_bytes());
        let zone = if let SocketAddr::V6(v6) = self.sender { v6.scope_id() } else { 0 };
        bytes[4..8].copy_from_slice(&zone.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.interface.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.source.map_or(0, |source| source.interface).to_le_bytes());
        let none = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let source = self.source.map_or(none, |source| source.ip);
        let all = [self.sender.ip(), self.destination.unwrap_or(none), source];
        for (place, ip) in all.into_iter().enumerate() {
            bytes[16 + 16 * place..][..16].copy_from_slice(&octets(ip));
        }
        bytes
    }

    /// Reads it back; `None` of other bytes than as many.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Envelope> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let ip = |place: usize| {
            let octets: [u8; 16] = std::array::from_fn(|at| bytes[16 + 16 * place + at]);
            Ipv6Addr::from(octets).to_canonical()
        };
        let port = u16::from_le_bytes([bytes[2], bytes[3]]);
        let sender = match ip(0) {
            IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, number(4)).into(),
            v4 @ IpAddr::V4(_) => SocketAddr::new(v4, port),
        };
        Some(Envelope {
            sender,
            destination: (bytes[0] & 2 != 0).then(|| ip(1)),
            interface: number(8),
            truncated: bytes[0] & 1 != 0,
            source: (bytes[0] & 4 != 0).then(|| Source { ip: ip(2), interface: number(12) }),
        })
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::to_ipv6_mapped(&v4).octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_gives_back_what_it_was_made_of() {
        let v6 = "fe80::1".parse().unwrap();
        for envelope in [
            Envelope {
                sender: "127.0.0.1:5000".parse().unwrap(),
                destination: Some([127, 0, 0, 2].into()),
                interface: 1,
                truncated: false,
                source: Some(Source { ip: [127, 0, 0, 3].into(), interface: 0 }),
            },
            Envelope {
                sender: SocketAddrV6::new(v6, 65_535, 0, 7).into(),
                destination: None,
                interface: 0,
                truncated: true,
                source: None,
            },
            Envelope {
                sender: SocketAddrV6::new(v6, 1, 0, 2).into(),
                destination: Some(v6.into()),
                interface: u32::MAX,
                truncated: true,
                source: Some(Source { ip: v6.into(), interface: 9 }),
            },
        ] {
            assert_eq!(Envelope::from_bytes(&envelope.to_bytes()), Some(envelope));
        }
        assert_eq!(Envelope::from_bytes(&[0; 63]), None);
    }
}
