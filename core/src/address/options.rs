//! The options of listeners, and which values they take.

use std::net::IpAddr;
use std::time::Duration;

/// What a listener may be told beside its URL. `ListenOptions::default()` leaves everything to its default;
/// the same options can stand in the URL's query, where they win. An option that means nothing for the scheme
/// is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenOptions {
    /// Whether several sockets of this user may be bound to the address, among which the kernel deals out
    /// what arrives (SO_REUSEPORT; TCP and UDP). Default: no. `reuseport=BOOL` in the query.
    pub reuseport: Option<bool>,
    /// Connections that the kernel queues before they are accepted; it caps the number at
    /// `net.core.somaxconn` (TCP and Unix). 0 means the default: 4,096. `backlog=N`.
    pub backlog: u32,
    /// Whether small writes leave at once (TCP_NODELAY). Default: yes. `nodelay=BOOL`.
    pub nodelay: Option<bool>,
    /// Whether the kernel probes silent TCP connections. Default: no. `keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]`, in
    /// seconds.
    pub keepalive: Option<KeepAlive>,
    /// Bytes of the kernel's receive buffer (SO_RCVBUF; TCP and UDP). The kernel caps the number at
    /// `net.core.rmem_max` and doubles it for its own needs. 0 means the system's default. `rcvbuf=N`.
    pub recv_buffer: usize,
    /// Bytes of the kernel's send buffer (SO_SNDBUF), likewise, but of `net.core.wmem_max`. `sndbuf=N`.
    pub send_buffer: usize,
    /// The one network interface to be reached through (SO_BINDTODEVICE; TCP and UDP). Default: all.
    /// `device=NAME`.
    pub device: Option<String>,
    /// Whether an IPv6 socket leaves IPv4 alone (IPV6_V6ONLY). Default: yes, unless the scheme is `tcp` or
    /// `udp` and the host is left out. `ipv6only=BOOL`.
    pub ipv6_only: Option<bool>,
    /// The permission bits of a Unix socket's path, whatever the umask: 0 to 0o777. Default: what the umask
    /// leaves of 0o777. `mode=OCTAL`.
    pub unix_mode: Option<u32>,
    /// Whether other processes accept from the socket, too (TCP and Unix). If so, closing the listener and stopping close
    /// this process's copy only, and the address goes on taking connections: the last process that has the socket removes the
    /// path of a Unix one when it closes its copy. If not, they end the listening for everybody who has a copy, such as a
    /// child that was forked for something else, and remove the path. Default: yes for a socket that was inherited, and for
    /// one that was opened before a fork and is started after it, as pre-forking servers do; otherwise no. `shared=BOOL`.
    pub shared: Option<bool>,
    /// Bytes of a datagram that are received at most: a longer one comes truncated, and says so (UDP). 0 means the
    /// default, 65,535: nothing is truncated. `datagram=N`.
    pub datagram_size: usize,
    /// Whether datagrams may go to broadcast addresses (SO_BROADCAST; UDP). Default: no. `broadcast=BOOL`.
    pub broadcast: Option<bool>,
    /// Multicast groups to receive from, and from no others (UDP). `join=GROUP[@INTERFACE]`, once per group; groups in the query
    /// replace those given here.
    pub multicast: Vec<Multicast>,
}

/// How the kernel probes a silent TCP connection (tcp(7)). Zero means the system's default; durations are
/// rounded up to whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe (TCP_KEEPIDLE), at most 32,767 s. The system's default: 2 hours.
    pub idle: Duration,
    /// Time between probes (TCP_KEEPINTVL), at most 32,767 s. The system's default: 75 s.
    pub interval: Duration,
    /// Unanswered probes that end the connection (TCP_KEEPCNT), at most 127. The system's default: 9.
    pub count: u32,
}

impl KeepAlive {
    /// Probes at the system's default times.
    pub const ON: KeepAlive = KeepAlive { idle: Duration::ZERO, interval: Duration::ZERO, count: 0 };
    /// No probes: the first would come after for ever.
    pub const OFF: KeepAlive = KeepAlive { idle: Duration::MAX, interval: Duration::ZERO, count: 0 };

    /// Why the kernel would refuse it.
    pub(crate) fn fault(&self) -> Option<String> {
        // MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL and MAX_TCP_KEEPCNT of Linux's include/net/tcp.h.
        const LONGEST: Duration = Duration::from_secs(32_767);
        const MOST: u32 = 127;
        if *self == KeepAlive::OFF {
            return None;
        }
        let longest = self.idle.max(self.interval);
        if longest > LONGEST {
            return Some(format!("{} s is above {} s", longest.as_secs_f64(), LONGEST.as_secs()));
        }
        (self.count > MOST).then(|| format!("{} probes are above {MOST}", self.count))
    }
}

/// A multicast group and the interface to receive it on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Multicast {
    /// The group's address.
    pub group: IpAddr,
    /// The interface, by name, or for IPv4 also by one of its addresses. `None` leaves it to the system.
    pub interface: Option<String>,
}

impl Multicast {
    pub(crate) fn fault(&self) -> Option<String> {
        if !self.group.is_multicast() {
            return Some(format!("{} is not a multicast address", self.group));
        }
        self.interface.as_ref().filter(|name| name.is_empty()).map(|_| "the interface is empty".to_owned())
    }
}
