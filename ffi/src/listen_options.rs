//! The options of a listener.

use std::ffi::c_char;

use reactor_core::{ConnOptions, ListenOptions, Result};

use crate::call::Call;
use crate::framing::{self, reactor_framing};
use crate::settings;
use crate::sized::{ends, SizedStruct};
use crate::socket_option;
use crate::value;

/// For unix_mode: the permission bits 0, so that nobody may connect but who may do everything.
pub const REACTOR_UNIX_MODE_NONE: u32 = u32::MAX;

/// Options of a listener. Set size to sizeof; a member that is zero has its default. The same options can
/// stand in the query of the URL, where they win; reactor_server_listen_with() has their names. An option that means
/// nothing for the scheme is REACTOR_STATUS_INVALID_ARGUMENT. Strings and the framing are copied, or shared:
/// they need not outlive the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_listen_options {
    /// sizeof(struct reactor_listen_options).
    pub size: usize,
    /// Whether several sockets of this user may be bound to the address, among which the kernel deals out
    /// what arrives (SO_REUSEPORT; TCP and UDP): REACTOR_ON or REACTOR_OFF. Default: off.
    pub reuseport: u32,
    /// Connections that the kernel queues before they are accepted; it caps the number at net.core.somaxconn
    /// (TCP and Unix). Default: 4096.
    pub backlog: u32,
    /// Whether small writes leave at once (TCP_NODELAY): REACTOR_ON or REACTOR_OFF. Default: on.
    pub nodelay: u32,
    /// Whether the kernel probes silent TCP connections: REACTOR_ON or REACTOR_OFF. Default: on if one of the
    /// next three is given, and off otherwise.
    pub keepalive: u32,
    /// Seconds of silence before the first probe, at most 32,767. Default: the system's, 2 hours.
    pub keepalive_idle_s: u32,
    /// Seconds between probes, at most 32,767. Default: the system's, 75.
    pub keepalive_interval_s: u32,
    /// Unanswered probes that end the connection, at most 127. Default: the system's, 9.
    pub keepalive_count: u32,
    /// Whether an IPv6 socket leaves IPv4 alone: REACTOR_ON or REACTOR_OFF. Default: on, unless the scheme is
    /// tcp or udp and the host is left out.
    pub ipv6_only: u32,
    /// Bytes of the kernel's receive buffer (TCP and UDP). The kernel caps the number at net.core.rmem_max
    /// and doubles it for its own needs. Default: the system's.
    pub rcvbuf: usize,
    /// Bytes of the kernel's send buffer, likewise, but of net.core.wmem_max. Default: the system's.
    pub sndbuf: usize,
    /// Bytes of a datagram that are received at most: a longer one comes truncated, and says so (UDP). Default:
    /// 65,535, nothing is truncated. In the query: datagram=N.
    pub datagram_size: usize,
    /// The one network interface to be reached through (TCP and UDP). Default, by NULL: all.
    pub device: *const c_char,
    /// Multicast groups to receive from, and from no others (UDP), as "GROUP[@INTERFACE]", with commas between. Default, by NULL:
    /// none. In the query: join=GROUP[@INTERFACE], once per group.
    pub multicast: *const c_char,
    /// The permission bits of a Unix socket's path, whatever the umask: up to 0777, or REACTOR_UNIX_MODE_NONE
    /// for 0. Default: what the umask leaves of 0777. In the query: mode=OCTAL.
    pub unix_mode: u32,
    /// Whether on_eof is called at the peer's EOF, and the connection goes on until reactor_conn_end() or
    /// close: REACTOR_ON or REACTOR_OFF. Default: off, a connection is closed then, once everything is
    /// answered.
    pub half_open: u32,
    /// How input is cut into frames. Default, by NULL: on_data gets whatever there is.
    pub framing: *const reactor_framing,
    /// Milliseconds without traffic after which a connection is closed, with REACTOR_CLOSE_IDLE. What the peer
    /// takes of bytes that the kernel holds for it is traffic, too. Default: REACTOR_NEVER. In the query: idle=MS.
    pub idle_ms: i64,
    /// Milliseconds in which nothing came while the connection was read, after which it is closed, with
    /// REACTOR_CLOSE_TIMED_OUT. Default: REACTOR_NEVER. In the query: read=MS.
    pub read_ms: i64,
    /// Milliseconds in which output waited without the kernel or the peer taking any, after which the connection is
    /// reset, with REACTOR_CLOSE_TIMED_OUT; also while it is being closed. Default: REACTOR_NEVER. In the
    /// query: write=MS.
    pub write_ms: i64,
    /// Whether datagrams may go to broadcast addresses (SO_BROADCAST; UDP): REACTOR_ON or REACTOR_OFF. Default: off.
    pub broadcast: u32,
    /// Whether other processes accept from the socket, too: REACTOR_ON or REACTOR_OFF (TCP and Unix). If so, closing the
    /// listener and stopping close this process's copy only, and the address goes on taking connections: the last process
    /// that has the socket removes the path of a Unix one when it closes its copy. If not, they end the listening for
    /// everybody who has a copy, such as a child that was forked for something else, and remove the path. Default: on for a
    /// socket that was inherited, and for one that was opened before a fork and is started after it; otherwise off.
    pub shared: u32,
}

// SAFETY: integers and pointers that may be NULL, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_listen_options {
    const ENDS: &'static [usize] = ends!(
        reactor_listen_options: size, reuseport; backlog, nodelay, keepalive, keepalive_idle_s, keepalive_interval_s,
        keepalive_count, ipv6_only, rcvbuf, sndbuf, datagram_size, device, multicast, unix_mode, half_open, framing, idle_ms,
        read_ms, write_ms, broadcast, shared,
    );
}

impl reactor_listen_options {
    /// # Safety
    /// The pointers are NULL or what they say they are, during the call.
    pub(crate) unsafe fn to_core(self, call: Call) -> Result<(ListenOptions, ConnOptions)> {
        // SAFETY: what the caller promises.
        let (listener, framing) = unsafe { (self.listener(call)?, framing::cloned(self.framing)) };
        let timeouts = settings::timeouts(self.idle_ms, self.read_ms, self.write_ms, call)?;
        Ok((listener, settings::conn_options(framing, timeouts, self.half_open, call)?))
    }

    /// # Safety
    /// The strings are NULL or end with a zero byte, during the call.
    unsafe fn listener(self, call: Call) -> Result<ListenOptions> {
        let switch = |value, member| value::switch(value, call, member);
        // SAFETY: what the caller promises.
        let (device, multicast) = unsafe {
            let device = call.text(self.device, "options->device")?;
            (device, call.text(self.multicast, "options->multicast")?)
        };
        let groups = multicast.into_iter().flat_map(|groups| groups.split(','));
        let group = |group| socket_option::multicast(group, call, "options->multicast");
        let (idle, interval) = (self.keepalive_idle_s, self.keepalive_interval_s);
        Ok(ListenOptions {
            reuseport: switch(self.reuseport, "options->reuseport")?,
            backlog: self.backlog,
            nodelay: switch(self.nodelay, "options->nodelay")?,
            keepalive: socket_option::keepalive(self.keepalive, idle, interval, self.keepalive_count, call)?,
            recv_buffer: self.rcvbuf,
            send_buffer: self.sndbuf,
            datagram_size: self.datagram_size,
            // What is too large for a switch is none.
            broadcast: switch(self.broadcast, "options->broadcast")?,
            device: device.map(str::to_owned),
            ipv6_only: switch(self.ipv6_only, "options->ipv6_only")?,
            unix_mode: unix_mode(self.unix_mode),
            shared: switch(self.shared, "options->shared")?,
            multicast: groups.map(group).collect::<Result<_>>()?,
        })
    }
}

fn unix_mode(mode: u32) -> Option<u32> {
    match mode {
        0 => None,
        REACTOR_UNIX_MODE_NONE => Some(0),
        mode => Some(mode),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;
    use std::time::Duration;

    use reactor_core::binding::{given, OPTIONS};
    use reactor_core::Framing;

    use super::*;
    use crate::call::F;
    use crate::value::{REACTOR_OFF, REACTOR_ON};

    fn full() -> reactor_listen_options {
        reactor_listen_options {
            size: size_of::<reactor_listen_options>(),
            reuseport: REACTOR_ON,
            backlog: 2,
            nodelay: REACTOR_OFF,
            keepalive: REACTOR_ON,
            keepalive_idle_s: 3,
            keepalive_interval_s: 4,
            keepalive_count: 5,
            ipv6_only: REACTOR_ON,
            rcvbuf: 6,
            sndbuf: 7,
            datagram_size: 11,
            device: c"lo".as_ptr(),
            multicast: c"239.1.2.3@lo,ff02::5".as_ptr(),
            unix_mode: 0o600,
            half_open: REACTOR_ON,
            framing: std::ptr::null(),
            idle_ms: 8,
            read_ms: 9,
            write_ms: 10,
            broadcast: REACTOR_ON,
            shared: REACTOR_OFF,
        }
    }

    fn to_core(options: reactor_listen_options) -> Result<(ListenOptions, ConnOptions)> {
        // SAFETY: the pointers are NULL, static strings, or a framing that lives.
        unsafe { options.to_core(F) }
    }

    #[test]
    fn every_member_arrives() {
        let (options, conns) = to_core(full()).unwrap();
        assert_eq!((options.reuseport, options.backlog, options.nodelay), (Some(true), 2, Some(false)));
        let keepalive = options.keepalive.unwrap();
        let seconds = Duration::from_secs;
        assert_eq!((keepalive.idle, keepalive.interval, keepalive.count), (seconds(3), seconds(4), 5));
        assert_eq!((options.recv_buffer, options.send_buffer, options.datagram_size), (6, 7, 11));
        assert_eq!((options.device.as_deref(), options.ipv6_only), (Some("lo"), Some(true)));
        assert_eq!(
            (options.unix_mode, options.broadcast, options.shared),
            (Some(0o600), Some(true), Some(false))
        );
        let groups: Vec<_> = options.multicast.iter().map(|group| group.group.to_string()).collect();
        assert_eq!(groups, ["239.1.2.3", "ff02::5"]);
        let ConnOptions { timeouts, half_open, .. } = conns;
        let millis = Duration::from_millis;
        assert_eq!((timeouts.idle, timeouts.read, timeouts.write), (millis(8), millis(9), millis(10)));
        assert!(half_open);
    }

    #[test]
    fn every_option_of_the_engine_has_a_member() {
        let line = reactor_framing::of(Framing::line());
        let (options, conns) =
            to_core(reactor_listen_options { framing: &raw const line, ..full() }).unwrap();
        let all = OPTIONS.iter().filter(|row| row.is_of_listeners()).map(|row| row.name);
        assert_eq!(given(&options, &conns), all.collect::<Vec<_>>());
    }

    #[test]
    fn nothing_but_permission_bits_can_be_none() {
        assert_eq!([0, 0o644, REACTOR_UNIX_MODE_NONE].map(unix_mode), [None, Some(0o644), Some(0)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let half_open = to_core(reactor_listen_options { half_open: 3, ..full() }).unwrap_err();
        assert!(half_open.message().contains("options->half_open is 3"), "{}", half_open.message());
        let multicast = c"239.1.2.3,nobody".as_ptr();
        let multicast = to_core(reactor_listen_options { multicast, ..full() }).unwrap_err();
        assert!(multicast.message().contains("\"nobody\""), "{}", multicast.message());
    }
}
