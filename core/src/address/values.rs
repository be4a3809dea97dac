//! What options have as values: from text, and which of them make no sense where they stand.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use super::{KeepAlive, Multicast, Scheme, Target};
use crate::base::datagram::canonical;
use crate::base::text::number;

/// Where an address's options apply: what may contradict them.
pub(super) type Place<'a> = (Scheme, &'a Target);

/// Writes what was read, if anything was.
pub(super) fn put<T>(member: &mut T, read: Option<T>) -> Option<()> {
    read.map(|value| *member = value)
}

/// A number above 0, because 0 would mean the default.
pub(super) fn positive<T: FromStr + Default + PartialOrd>(text: &str) -> Option<T> {
    number(text).filter(|number| *number > T::default())
}

pub(super) fn choice(text: &str) -> Option<bool> {
    text.parse().ok()
}

pub(super) fn millis(text: &str) -> Option<Duration> {
    number(text).map(Duration::from_millis)
}

pub(super) fn octal(text: &str) -> Option<u32> {
    // from_str_radix would take a sign, too.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| u32::from_str_radix(text, 8).ok()).flatten()
}

pub(super) fn keep_alive(text: &str) -> Option<KeepAlive> {
    match text {
        "true" => return Some(KeepAlive::ON),
        "false" => return Some(KeepAlive::OFF),
        _ => {}
    }
    // Zero would read as "off" and mean "the default": it is refused.
    let numbers = text.split(',').map(positive);
    let numbers = numbers.collect::<Option<Vec<u32>>>().filter(|numbers| numbers.len() <= 3)?;
    let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
    let seconds = |index| Duration::from_secs(at(index).into());
    Some(KeepAlive { idle: seconds(0), interval: seconds(1), count: at(2) })
}

pub(super) fn join(text: &str) -> Option<Multicast> {
    let (group, interface) = match text.split_once('@') {
        Some((group, interface)) => (group, Some(interface.to_owned())),
        None => (text, None),
    };
    Some(Multicast { group: group.parse().ok()?, interface })
}

/// An IP address, with or without brackets, or a socket address, for a local end; and its zone, if it has one by name.
pub(super) fn local_address(text: &str) -> Option<(SocketAddr, Option<String>)> {
    let Some((before, rest)) = text.split_once('%') else {
        return plain_local_address(text).map(|address| (canonical(address), None));
    };
    // A zone ends with the brackets, or with the text.
    let (zone, behind) = rest.split_at(rest.find(']').unwrap_or(rest.len()));
    let SocketAddr::V6(mut address) = plain_local_address(&format!("{before}{behind}"))? else { return None };
    match number(zone) {
        Some(scope) => {
            address.set_scope_id(scope);
            Some((address.into(), None))
        }
        None => (!zone.is_empty()).then(|| (address.into(), Some(zone.to_owned()))),
    }
}

fn plain_local_address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let alone = bare.parse::<IpAddr>().ok().map(|ip| (ip, 0).into());
    alone.or_else(|| text.parse().ok())
}

pub(super) fn backlog_fault(backlog: u32) -> Option<String> {
    i32::try_from(backlog).is_err().then(|| format!("{backlog} connections are above {}", i32::MAX))
}

/// Why a number of bytes is no buffer size: the system's calls take a C int.
pub(super) fn buffer_fault(bytes: usize) -> Option<String> {
    let largest = i32::MAX;
    i32::try_from(bytes).is_err().then(|| format!("{bytes} bytes are above {largest}"))
}

/// Why a name is no interface's.
pub(super) fn device_fault(name: &str) -> Option<String> {
    // IFNAMSIZ is 16 with the terminating zero.
    let fits = matches!(name.len(), 1..=15) && !name.contains('\0');
    (!fits).then(|| format!("{name:?} is not an interface name of 1 to 15 bytes"))
}

pub(super) fn ipv6_only_fault(only: bool, (scheme, target): Place<'_>) -> Option<String> {
    match target {
        Target::Inet { addr, .. } if addr.is_ipv4() => Some("the address is of IPv4".to_owned()),
        _ if !only && matches!(scheme, Scheme::Tcp6 | Scheme::Udp6) => {
            Some(format!("the scheme {scheme} is for IPv6 only"))
        }
        _ => None,
    }
}

pub(super) fn mode_fault(mode: u32, (_, target): Place<'_>) -> Option<String> {
    const ALL_BITS: u32 = 0o777;
    match target {
        Target::Abstract(_) => Some("an abstract name has no mode".to_owned()),
        _ => (mode > ALL_BITS).then(|| format!("the mode {mode:#o} is above {ALL_BITS:#o}")),
    }
}

pub(super) fn datagram_fault(size: usize) -> Option<String> {
    const LONGEST: usize = 65_535;
    (size > LONGEST).then(|| format!("no datagram has more than {LONGEST} bytes"))
}

pub(super) fn join_fault(multicast: &Multicast, (scheme, target): Place<'_>) -> Option<String> {
    let group = multicast.group;
    let stranger = match target {
        Target::Inet { addr, .. } => group.is_ipv6() && addr.is_ipv4(),
        _ => false,
    };
    let unfit = || format!("{group} does not fit the address's family");
    multicast.fault().or_else(|| (stranger || !scheme.takes(group)).then(unfit))
}

/// Why a local address cannot reach the target.
pub(super) fn bind_fault(bind: SocketAddr, (scheme, target): Place<'_>) -> Option<String> {
    let fits = match target {
        Target::Inet { addr, .. } => addr.is_ipv4() == bind.is_ipv4(),
        Target::Zoned { .. } => bind.is_ipv6(),
        _ => scheme.takes(bind.ip()),
    };
    (!fits).then(|| format!("{} does not fit the address's family", bind.ip()))
}
