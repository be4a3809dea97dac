//! Options in the query of a URL, and what each scheme knows.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::options::{buffer_fault, device_fault};
use super::{KeepAlive, ListenOptions, Multicast, Scheme, Source, Target};
use crate::base::error::Result;

/// Every option: its name in the query, and its member in [`ListenOptions`].
const NAMES: [(&str, &str); 11] = [
    ("reuseport", "reuseport"),
    ("backlog", "backlog"),
    ("nodelay", "nodelay"),
    ("keepalive", "keepalive"),
    ("rcvbuf", "recv_buffer"),
    ("sndbuf", "send_buffer"),
    ("device", "device"),
    ("ipv6only", "ipv6_only"),
    ("mode", "unix_mode"),
    ("datagram", "datagram_size"),
    ("join", "multicast"),
];

/// The options of the query, and of `beside` where the query says nothing.
pub(super) fn listen_options(
    source: Source<'_>,
    place: (Scheme, &Target),
    query: &str,
    beside: &ListenOptions,
) -> Result<ListenOptions> {
    let (scheme, target) = place;
    check_members(source, place, beside)?;
    let mut options = ListenOptions::default();
    for (option, name, value) in split(query) {
        if !knows(scheme, name) {
            return Err(source.wrong(format_args!("unknown option {option:?} for the scheme {scheme}")));
        }
        set(&mut options, name, value)
            .ok_or_else(|| source.wrong(format_args!("malformed option {option:?}")))?;
        if let Some((_, why)) = fault(&options, scheme, target) {
            return Err(source.wrong(format_args!("option {option:?}: {why}")));
        }
    }
    Ok(overlaid(options, beside))
}

/// Checks options that did not come in the query, and so are named as members.
pub(super) fn check_members(
    source: Source<'_>,
    (scheme, target): (Scheme, &Target),
    options: &ListenOptions,
) -> Result<()> {
    let unknown = NAMES.iter().zip(given(options)).find(|((name, _), given)| *given && !knows(scheme, name));
    if let Some(((_, member), _)) = unknown {
        let what = format_args!("the option {member} does not apply to the scheme {scheme}");
        return Err(source.wrong(what));
    }
    match fault(options, scheme, target) {
        Some((member, why)) => Err(source.wrong(format_args!("the option {member}: {why}"))),
        None => Ok(()),
    }
}

/// The options in a query: the whole, the name and the value of each.
pub(super) fn split(query: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    query.split('&').filter(|option| !option.is_empty()).map(|option| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        (option, name, value)
    })
}

/// A decimal number without a sign.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn knows(scheme: Scheme, name: &str) -> bool {
    match name {
        // A Unix socket has no receive buffer of its own, unix(7).
        "rcvbuf" => scheme != Scheme::Unix,
        "sndbuf" => true,
        "nodelay" | "keepalive" => scheme.is_tcp() || scheme == Scheme::Fd,
        "backlog" => scheme.is_tcp() || scheme == Scheme::Unix,
        "reuseport" | "device" => scheme.is_tcp() || scheme.is_udp(),
        "ipv6only" => matches!(scheme, Scheme::Tcp | Scheme::Tcp6 | Scheme::Udp | Scheme::Udp6),
        "mode" => scheme == Scheme::Unix,
        "datagram" | "join" => scheme.is_udp() || scheme == Scheme::Fd,
        _ => false,
    }
}

/// Which options were given, in the order of [`NAMES`].
fn given(options: &ListenOptions) -> [bool; NAMES.len()] {
    [
        options.reuseport.is_some(),
        options.backlog != 0,
        options.nodelay.is_some(),
        options.keepalive.is_some(),
        options.recv_buffer != 0,
        options.send_buffer != 0,
        options.device.is_some(),
        options.ipv6_only.is_some(),
        options.unix_mode.is_some(),
        options.datagram_size != 0,
        !options.multicast.is_empty(),
    ]
}

/// Sets one option from its text; `None` if the text makes no sense for it.
pub(super) fn set(options: &mut ListenOptions, name: &str, value: &str) -> Option<()> {
    match name {
        "reuseport" => options.reuseport = Some(value.parse().ok()?),
        "backlog" => options.backlog = number(value).filter(|&count| count > 0)?,
        "nodelay" => options.nodelay = Some(value.parse().ok()?),
        "keepalive" => options.keepalive = Some(keep_alive(value)?),
        "rcvbuf" => options.recv_buffer = number(value).filter(|&bytes| bytes > 0)?,
        "sndbuf" => options.send_buffer = number(value).filter(|&bytes| bytes > 0)?,
        "device" => options.device = Some(value.to_owned()),
        "ipv6only" => options.ipv6_only = Some(value.parse().ok()?),
        "mode" => options.unix_mode = Some(octal(value)?),
        "datagram" => options.datagram_size = number(value).filter(|&bytes| bytes > 0)?,
        "join" => options.multicast.push(join(value)?),
        _ => return None,
    }
    Some(())
}

fn keep_alive(value: &str) -> Option<KeepAlive> {
    match value {
        "true" => return Some(KeepAlive::ON),
        "false" => return Some(KeepAlive::OFF),
        _ => {}
    }
    // Zero would read as "off" and mean "the default": it is refused.
    let numbers = value.split(',').map(|text| number(text).filter(|&number: &u32| number > 0));
    let numbers = numbers.collect::<Option<Vec<u32>>>().filter(|numbers| numbers.len() <= 3)?;
    let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
    let seconds = |index| Duration::from_secs(at(index).into());
    Some(KeepAlive { idle: seconds(0), interval: seconds(1), count: at(2) })
}

fn octal(value: &str) -> Option<u32> {
    // from_str_radix would take a sign, too.
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| u32::from_str_radix(value, 8).ok()).flatten()
}

fn join(value: &str) -> Option<Multicast> {
    let (group, interface) = match value.split_once('@') {
        Some((group, interface)) => (group, Some(interface.to_owned())),
        None => (value, None),
    };
    Some(Multicast { group: group.parse().ok()?, interface })
}

/// The member whose value is out of range or contradicts the address, and why.
fn fault(options: &ListenOptions, scheme: Scheme, target: &Target) -> Option<(&'static str, String)> {
    let backlog = (i32::try_from(options.backlog).is_err())
        .then(|| format!("{} connections are above {}", options.backlog, i32::MAX));
    let faults = [
        ("backlog", backlog),
        ("keepalive", options.keepalive.and_then(|keepalive| keepalive.fault())),
        ("recv_buffer", buffer_fault(options.recv_buffer)),
        ("send_buffer", buffer_fault(options.send_buffer)),
        ("device", options.device.as_deref().and_then(device_fault)),
        ("ipv6_only", options.ipv6_only.and_then(|only| ipv6_only_fault(only, scheme, target))),
        ("unix_mode", options.unix_mode.and_then(|mode| mode_fault(mode, target))),
        ("datagram_size", datagram_fault(options.datagram_size)),
        ("multicast", options.multicast.iter().find_map(|multicast| join_fault(multicast, scheme, target))),
    ];
    faults.into_iter().find_map(|(member, why)| Some((member, why?)))
}

fn ipv6_only_fault(only: bool, scheme: Scheme, target: &Target) -> Option<String> {
    match target {
        Target::Inet { addr, .. } if addr.is_ipv4() => Some("the address is of IPv4".to_owned()),
        _ if !only && matches!(scheme, Scheme::Tcp6 | Scheme::Udp6) => {
            Some(format!("the scheme {scheme} is for IPv6 only"))
        }
        _ => None,
    }
}

fn mode_fault(mode: u32, target: &Target) -> Option<String> {
    const ALL_BITS: u32 = 0o777;
    match target {
        Target::Abstract(_) => Some("an abstract name has no mode".to_owned()),
        _ => (mode > ALL_BITS).then(|| format!("the mode {mode:#o} is above {ALL_BITS:#o}")),
    }
}

fn datagram_fault(size: usize) -> Option<String> {
    const LONGEST: usize = 65_535;
    (size > LONGEST).then(|| format!("no datagram has more than {LONGEST} bytes"))
}

fn join_fault(multicast: &Multicast, scheme: Scheme, target: &Target) -> Option<String> {
    let group = multicast.group;
    let stranger = match target {
        Target::Inet { addr, .. } => group.is_ipv6() && addr.is_ipv4(),
        _ => false,
    };
    let unfit = || format!("{group} does not fit the address's family");
    multicast.fault().or_else(|| (stranger || !scheme.takes(group)).then(unfit))
}

fn overlaid(query: ListenOptions, beside: &ListenOptions) -> ListenOptions {
    let or = |value, other| if value == 0 { other } else { value };
    ListenOptions {
        reuseport: query.reuseport.or(beside.reuseport),
        backlog: if query.backlog == 0 { beside.backlog } else { query.backlog },
        nodelay: query.nodelay.or(beside.nodelay),
        keepalive: query.keepalive.or(beside.keepalive),
        recv_buffer: or(query.recv_buffer, beside.recv_buffer),
        send_buffer: or(query.send_buffer, beside.send_buffer),
        device: query.device.or_else(|| beside.device.clone()),
        ipv6_only: query.ipv6_only.or(beside.ipv6_only),
        unix_mode: query.unix_mode.or(beside.unix_mode),
        datagram_size: or(query.datagram_size, beside.datagram_size),
        multicast: if query.multicast.is_empty() { beside.multicast.clone() } else { query.multicast },
    }
}

/// An IP address, with or without brackets, or a socket address, for a local end.
pub(super) fn local_address(text: &str) -> Option<std::net::SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let alone = bare.parse::<IpAddr>().ok().map(|ip| (ip, 0).into());
    alone.or_else(|| text.parse().ok())
}
