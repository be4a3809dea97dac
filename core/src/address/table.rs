//! The table of options: one row for each, from which its parser, its checks, its errors and its documentation come.

use super::asked::{Asked, Member};
use super::values::{
    backlog_fault, bind_fault, buffer_fault, choice, datagram_fault, device_fault, ipv6_only_fault, join,
    join_fault, keep_alive, local_address, millis, mode_fault, octal, positive, put, Place,
};
use super::{KeepAlive, ListenOptions, Scheme};
use crate::contract::options::ConnOptions;
use crate::framing::Framing;

/// An option of listeners, of connections, or of both.
#[derive(Debug)]
pub struct OptionRow {
    /// Its name in the query of a URL.
    pub name: &'static str,
    /// Its name among the options that are given to the API.
    pub member: &'static str,
    /// What stands behind the name and `=`.
    pub form: &'static str,
    /// What `form` stands for, with its unit and its range.
    pub value: &'static str,
    /// What it does, for a table.
    pub about: &'static str,
    /// Whether listeners of this scheme have it. A descriptor shows later what it is.
    pub(super) listens: fn(Scheme) -> bool,
    /// Whether outgoing connections of this scheme have it.
    pub(super) connects: fn(Scheme) -> bool,
    pub(super) at: fn(&mut Asked) -> &mut dyn Member,
    /// Sets it from text; `None` if that does not have the form.
    pub(super) set: fn(&mut Asked, &str) -> Option<()>,
    /// Why what was set is out of range, or contradicts the address.
    pub(super) fault: fn(&Asked, Place<'_>) -> Option<String>,
}

/// A scheme of each kind of socket.
const KINDS: [Scheme; 3] = [Scheme::Tcp, Scheme::Unix, Scheme::Udp];

impl OptionRow {
    /// Whether listeners have it, of some scheme.
    #[must_use]
    pub fn is_of_listeners(&self) -> bool {
        KINDS.into_iter().any(self.listens)
    }

    /// Whether outgoing connections have it, of some scheme.
    #[must_use]
    pub fn is_of_connects(&self) -> bool {
        KINDS.into_iter().any(self.connects)
    }

    /// Whether it is what a connection begins with, by whatever way it comes: every stream has it, and no datagrams.
    #[must_use]
    pub fn is_of_conns(&self) -> bool {
        KINDS
            .into_iter()
            .all(|scheme| [self.listens, self.connects].into_iter().all(|has| has(scheme) != scheme.is_udp()))
    }

    /// Whether it was asked for.
    pub(super) fn is_given(&self, asked: &mut Asked) -> bool {
        (self.at)(asked).is_given()
    }
}

/// Every option, in the order in which errors and documents name them.
pub const OPTIONS: &[OptionRow] = &[
    OptionRow {
        name: "reuseport",
        member: "reuseport",
        form: "BOOL",
        value: BOOL,
        about: "several sockets share the address, and the kernel deals out what arrives; default no",
        listens: is_inet,
        connects: never,
        at: |asked| &mut asked.listen.reuseport,
        set: |asked, text| put(&mut asked.listen.reuseport, choice(text).map(Some)),
        fault: no_fault,
    },
    OptionRow {
        name: "backlog",
        member: "backlog",
        form: "N",
        value: "a number of connections above 0",
        about: "connections that the kernel queues before they are accepted; default 4,096",
        listens: |scheme| scheme.is_tcp() || scheme == Scheme::Unix,
        connects: never,
        at: |asked| &mut asked.listen.backlog,
        set: |asked, text| put(&mut asked.listen.backlog, positive(text)),
        fault: |asked, _| backlog_fault(asked.listen.backlog),
    },
    OptionRow {
        name: "nodelay",
        member: "nodelay",
        form: "BOOL",
        value: BOOL,
        about: "small writes leave at once; default yes",
        listens: is_tcp_or_descriptor,
        connects: Scheme::is_tcp,
        at: |asked| &mut asked.listen.nodelay,
        set: |asked, text| put(&mut asked.listen.nodelay, choice(text).map(Some)),
        fault: no_fault,
    },
    OptionRow {
        name: "keepalive",
        member: "keepalive",
        form: "BOOL|IDLE[,INTERVAL[,COUNT]]",
        value: "true, false, or seconds and a count, each above 0",
        about: "the kernel probes silent connections: seconds before the first probe, between probes, and how many; default no",
        listens: is_tcp_or_descriptor,
        connects: Scheme::is_tcp,
        at: |asked| &mut asked.listen.keepalive,
        set: |asked, text| put(&mut asked.listen.keepalive, keep_alive(text).map(Some)),
        fault: |asked, _| asked.listen.keepalive.as_ref().and_then(KeepAlive::fault),
    },
    OptionRow {
        name: "rcvbuf",
        member: "recv_buffer",
        form: "N",
        value: BYTES,
        about: "bytes of the kernel's receive buffer; default the system's",
        // A Unix socket has no receive buffer of its own, unix(7).
        listens: is_not_unix,
        connects: is_not_unix,
        at: |asked| &mut asked.listen.recv_buffer,
        set: |asked, text| put(&mut asked.listen.recv_buffer, positive(text)),
        fault: |asked, _| buffer_fault(asked.listen.recv_buffer),
    },
    OptionRow {
        name: "sndbuf",
        member: "send_buffer",
        form: "N",
        value: BYTES,
        about: "bytes of the kernel's send buffer; default the system's",
        listens: always,
        connects: always,
        at: |asked| &mut asked.listen.send_buffer,
        set: |asked, text| put(&mut asked.listen.send_buffer, positive(text)),
        fault: |asked, _| buffer_fault(asked.listen.send_buffer),
    },
    OptionRow {
        name: "device",
        member: "device",
        form: "NAME",
        value: "an interface's name",
        about: "the one network interface to be reached through, or to leave by; default all",
        listens: is_inet,
        connects: is_inet,
        at: |asked| &mut asked.listen.device,
        set: |asked, text| put(&mut asked.listen.device, Some(Some(text.to_owned()))),
        fault: |asked, _| asked.listen.device.as_deref().and_then(device_fault),
    },
    OptionRow {
        name: "ipv6only",
        member: "ipv6_only",
        form: "BOOL",
        value: BOOL,
        about: "an IPv6 socket leaves IPv4 alone; default yes, unless the host is left out",
        listens: |scheme| matches!(scheme, Scheme::Tcp | Scheme::Tcp6 | Scheme::Udp | Scheme::Udp6),
        connects: never,
        at: |asked| &mut asked.listen.ipv6_only,
        set: |asked, text| put(&mut asked.listen.ipv6_only, choice(text).map(Some)),
        fault: |asked, place| asked.listen.ipv6_only.and_then(|only| ipv6_only_fault(only, place)),
    },
    OptionRow {
        name: "mode",
        member: "unix_mode",
        form: "OCTAL",
        value: "octal digits",
        about: "the permission bits of the path, whatever the umask, up to 777",
        listens: |scheme| scheme == Scheme::Unix,
        connects: never,
        at: |asked| &mut asked.listen.unix_mode,
        set: |asked, text| put(&mut asked.listen.unix_mode, octal(text).map(Some)),
        fault: |asked, place| asked.listen.unix_mode.and_then(|mode| mode_fault(mode, place)),
    },
    OptionRow {
        name: "shared",
        member: "shared",
        form: "BOOL",
        value: BOOL,
        about: "other processes accept from the socket, too: a stop here closes this process's copy and does not end the \
                listening; default yes for a socket that was inherited, or opened before a fork and started after it",
        listens: is_stream,
        connects: never,
        at: |asked| &mut asked.listen.shared,
        set: |asked, text| put(&mut asked.listen.shared, choice(text).map(Some)),
        fault: no_fault,
    },
    OptionRow {
        name: "datagram",
        member: "datagram_size",
        form: "N",
        value: BYTES,
        about: "bytes of a datagram that are received at most; default 65,535",
        listens: is_udp_or_descriptor,
        connects: never,
        at: |asked| &mut asked.listen.datagram_size,
        set: |asked, text| put(&mut asked.listen.datagram_size, positive(text)),
        fault: |asked, _| datagram_fault(asked.listen.datagram_size),
    },
    OptionRow {
        name: "broadcast",
        member: "broadcast",
        form: "BOOL",
        value: BOOL,
        about: "datagrams may go to broadcast addresses; default no",
        listens: is_udp_or_descriptor,
        connects: Scheme::is_udp,
        at: |asked| &mut asked.listen.broadcast,
        set: |asked, text| put(&mut asked.listen.broadcast, choice(text).map(Some)),
        fault: no_fault,
    },
    OptionRow {
        name: "join",
        member: "multicast",
        form: "GROUP[@INTERFACE]",
        value: "an IP address, and an interface's name or, for IPv4, address",
        about: "a multicast group to receive from; once per group",
        listens: is_udp_or_descriptor,
        connects: never,
        at: |asked| &mut asked.listen.multicast,
        set: |asked, text| join(text).map(|group| asked.listen.multicast.push(group)),
        fault: |asked, place| asked.listen.multicast.iter().find_map(|group| join_fault(group, place)),
    },
    OptionRow {
        name: "bind",
        member: "bind",
        form: "IP[:PORT]",
        value: "an IP address, or one with a port",
        about: "the local address to connect from; default the system's choice",
        listens: never,
        connects: is_inet,
        at: |asked| &mut asked.dial.bind,
        set: |asked, text| {
            let (address, zone) = local_address(text)?;
            asked.dial.bind = Some(address);
            asked.dial.bind_zone = zone;
            Some(())
        },
        fault: |asked, place| asked.dial.bind.and_then(|bind| bind_fault(bind, place)),
    },
    OptionRow {
        name: "idle",
        member: "idle",
        form: "MS",
        value: MILLIS,
        about: "milliseconds without traffic after which a connection is closed; default never",
        listens: is_stream,
        connects: is_stream,
        at: |asked| &mut asked.conns.timeouts.idle,
        set: |asked, text| put(&mut asked.conns.timeouts.idle, millis(text)),
        fault: no_fault,
    },
    OptionRow {
        name: "read",
        member: "read",
        form: "MS",
        value: MILLIS,
        about: "milliseconds in which nothing came, after which a connection is closed; default never",
        listens: is_stream,
        connects: is_stream,
        at: |asked| &mut asked.conns.timeouts.read,
        set: |asked, text| put(&mut asked.conns.timeouts.read, millis(text)),
        fault: no_fault,
    },
    OptionRow {
        name: "write",
        member: "write",
        form: "MS",
        value: MILLIS,
        about: "milliseconds in which neither the kernel nor the peer took output, after which a connection is reset; default never",
        listens: is_stream,
        connects: is_stream,
        at: |asked| &mut asked.conns.timeouts.write,
        set: |asked, text| put(&mut asked.conns.timeouts.write, millis(text)),
        fault: no_fault,
    },
    OptionRow {
        name: "half_open",
        member: "half_open",
        form: "BOOL",
        value: BOOL,
        about: "a connection goes on after the peer's end of file; default no",
        listens: is_stream,
        connects: is_stream,
        at: |asked| &mut asked.conns.half_open,
        set: |asked, text| put(&mut asked.conns.half_open, choice(text)),
        fault: no_fault,
    },
    OptionRow {
        name: "framing",
        member: "framing",
        form: "FRAMING",
        value: FRAMING,
        about: "how input is cut into frames; default not at all",
        listens: is_stream,
        connects: is_stream,
        at: |asked| &mut asked.conns.framing,
        set: |asked, text| put(&mut asked.conns.framing, framing(text)),
        fault: |asked, _| Some(asked.conns.framing.as_ref()?.check().err()?.message().to_owned()),
    },
];

/// The names of the options that were given, for who makes them from other terms and wants to be sure that none was lost.
#[must_use]
pub fn given(options: &ListenOptions, conns: &ConnOptions) -> Vec<&'static str> {
    let mut asked = Asked { listen: options.clone(), conns: conns.clone(), ..Asked::default() };
    OPTIONS.iter().filter(|row| row.is_given(&mut asked)).map(|row| row.name).collect()
}

const BOOL: &str = "true or false";
const BYTES: &str = "a number of bytes above 0";
const FRAMING: &str = "none, line, fixed:LENGTH, delimiter:BYTES, length:WIDTH (1, 2, 3, 4, 8 or varint) or resp, with settings \
    behind commas: max_frame=N, of lines and delimiters keep_delimiter=BOOL, deliver_rest=BOOL, of delimiters or=BYTES, of a \
    length field order=big|little, offset=N, adjustment=N, strip=N|header, of resp max_arguments=N";
const MILLIS: &str = "a number of milliseconds, 0 for never";

fn never(_: Scheme) -> bool {
    false
}

fn always(_: Scheme) -> bool {
    true
}

fn is_inet(scheme: Scheme) -> bool {
    scheme.is_tcp() || scheme.is_udp()
}

fn is_not_unix(scheme: Scheme) -> bool {
    scheme != Scheme::Unix
}

fn is_stream(scheme: Scheme) -> bool {
    !scheme.is_udp()
}

fn is_tcp_or_descriptor(scheme: Scheme) -> bool {
    scheme.is_tcp() || scheme == Scheme::Fd
}

fn is_udp_or_descriptor(scheme: Scheme) -> bool {
    scheme.is_udp() || scheme == Scheme::Fd
}

fn no_fault(_: &Asked, _: Place<'_>) -> Option<String> {
    None
}

/// A framing, or that there is none, whatever the options beside the URL say.
fn framing(text: &str) -> Option<Option<Framing>> {
    match text {
        "none" => Some(None),
        text => Framing::from_text(text).map(Some),
    }
}

#[cfg(test)]
mod tests;
