//! The shared part by itself.

use super::*;

fn shared() -> Arc<ConnShared> {
    ConnShared::new(ConnKind::Stream, 1, 0, None)
}

#[test]
fn the_first_address_of_the_peer_counts() {
    for address in ["0.0.0.1:1", "255.254.253.252:65535", "[fe80::1%7]:9", "[::]:1"] {
        let (conn, first) = (shared(), address.parse().unwrap());
        assert_eq!(conn.peer(), None);
        conn.set_peer(first);
        assert_eq!(conn.peer(), Some(first));
        conn.set_peer("127.0.0.1:1".parse().unwrap());
        conn.set_peer("[::1]:1".parse().unwrap());
        assert_eq!(conn.peer(), Some(first));
        assert_eq!(ConnShared::new(ConnKind::Stream, 1, 0, Some(first)).peer(), Some(first));
    }
}

#[test]
fn what_few_connections_have_takes_no_room_in_the_others() {
    let conn = shared();
    conn.set_framing(None);
    assert!(conn.framing().is_none() && !conn.awaits_completions() && conn.more.get().is_none());
    conn.set_framing(Some(Arc::new(Framing::line())));
    assert!(conn.framing().is_some());
    conn.set_framing(None);
    assert!(conn.framing().is_none());
    // With the two counts in front of it, a block of 80 bytes of the C library's allocator.
    #[cfg(target_pointer_width = "64")]
    assert_eq!(size_of::<ConnShared>(), 56);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn numbers_beyond_32_bits_are_not_cut() {
    let conn = ConnShared::new(ConnKind::Stream, 1, 1 << 40 | 5, None);
    assert_eq!(conn.opened_at(), 1 << 40 | 5);
    let config = Config { hard_limit: 1 << 40, high_water: 1 << 39, ..Config::default() }.resolved().unwrap();
    conn.count_own(1 << 33);
    assert_eq!(conn.reserve(1 << 34, &config), Some(Pressure::Low));
    assert_eq!(conn.unsent(), 3 << 33);
    // What was handed in is sent, and more is: the loop's own part is below zero.
    conn.settle(3 << 33);
    assert_eq!(conn.unsent(), 0);
    assert_eq!((conn.reserve(7, &config), conn.unsent()), (Some(Pressure::Low), 7));
    conn.settle(7);
    assert_eq!((conn.reserve(1 << 41, &config), conn.unsent()), (None, 0));
}

#[test]
fn what_is_gone_is_closed_for_good() {
    let conn = shared();
    assert!(conn.is_live() && conn.takes_writes() && !conn.is_gone());
    assert!(conn.leave() && !conn.leave());
    assert!(!conn.close() && !conn.end() && conn.is_gone());
    conn.open();
    assert!(conn.is_gone() && !conn.is_live() && !conn.takes_writes());
    let closed = shared();
    assert!(closed.close() && !closed.close() && closed.leave());
}

#[test]
fn it_is_released_as_often_as_it_was_held_and_no_more() {
    let conn = shared();
    assert!(!conn.release() && conn.more.get().is_none());
    assert!(conn.hold() && conn.hold() && conn.release() && conn.release());
    assert!(!conn.release());
    conn.more().holds.store(MAX_HOLDS, Ordering::Release);
    assert!(!conn.hold() && conn.release() && conn.hold());
}
