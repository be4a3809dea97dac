use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::address::Terms;
use crate::contract::options::ConnOptions;

fn dial(url: &str) -> Dial {
    Dial::new(url, ConnectUrl::parse(url, &Terms::default(), &ConnOptions::default()).unwrap()).unwrap()
}

fn addresses(ips: &[&str]) -> Vec<SocketAddr> {
    ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
}

fn ips(dial: &mut Dial) -> Vec<String> {
    let next = || Some(dial.next_address()?.0.as_socket()?.to_string());
    std::iter::from_fn(next).collect()
}

#[test]
fn families_take_turns_and_the_preferred_one_begins() {
    for (found, tried) in [
        (vec!["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"], "::1 1.1.1.1 ::2 2.2.2.2 ::3"),
        (vec!["1.1.1.1", "2.2.2.2", "::1"], "1.1.1.1 ::1 2.2.2.2"),
        (vec!["1.1.1.1", "1.1.1.1", "::1", "2.2.2.2", "::1"], "1.1.1.1 ::1 2.2.2.2"),
        (vec!["::1", "::2"], "::1 ::2"),
        (vec![], ""),
    ] {
        let tried: Vec<_> = tried.split_whitespace().map(|ip| addresses(&[ip])[0]).collect();
        assert_eq!(in_turn(addresses(&found)), tried, "{found:?}");
    }
}

#[test]
fn a_names_addresses_get_the_port_and_fit_the_scheme() {
    let mut both = dial("tcp://name:80");
    assert_eq!((both.take_name(), both.take_name()), (Some("name".into()), None));
    both.resolved(Ok(addresses(&["::1", "127.0.0.1"])));
    assert_eq!(ips(&mut both), ["[::1]:80", "127.0.0.1:80"]);
    let mut four = dial("tcp4://name:80");
    four.resolved(Ok(addresses(&["::1", "127.0.0.1"])));
    assert_eq!(ips(&mut four), ["127.0.0.1:80"]);
    assert_eq!(four.tried(), Some(Address::Inet("127.0.0.1:80".parse().unwrap())));
    // A zone belongs to its address.
    let mut scoped = dial("tcp://name:80");
    scoped.resolved(Ok(vec![std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 0, 0, 7).into()]));
    let address = scoped.next_address().unwrap().0.as_socket_ipv6().unwrap();
    assert_eq!((address.scope_id(), address.port()), (7, 80));
}

#[test]
fn a_look_up_that_fails_leaves_its_reason() {
    let mut dial = dial("tcp://name:80");
    dial.resolved(Err(Arc::new(io::Error::from_raw_os_error(libc::EAGAIN))));
    assert_eq!((dial.has_next(), dial.errno()), (false, Some(libc::EAGAIN)));
}

#[test]
fn a_full_queue_is_tried_again_after_longer_and_longer_pauses() {
    let mut dial = dial("unix://@full");
    let pauses: Vec<_> = (0..9)
        .map(|_| {
            let (address, _) = dial.next_address().unwrap();
            dial.try_again(address).as_millis()
        })
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 100, 100]);
    assert!(dial.has_next());
}

#[test]
fn a_look_up_is_withdrawn_with_the_dial_that_waits_for_it() {
    let (withdrawn, mut dial) = (Arc::new(AtomicUsize::new(0)), dial("tcp://name:80"));
    let count = || {
        let withdrawn = Arc::clone(&withdrawn);
        LookUp::new(move || {
            withdrawn.fetch_add(1, Ordering::Relaxed);
        })
    };
    dial.look_up = Some(count());
    dial.resolved(Ok(Vec::new()));
    assert_eq!(withdrawn.load(Ordering::Relaxed), 1);
    dial.look_up = Some(count());
    drop(dial);
    assert_eq!(withdrawn.load(Ordering::Relaxed), 2);
}
