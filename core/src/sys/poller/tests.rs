//! What every poller promises. Each test re-arms, as a loop does.

use super::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use socket2::SockRef;

fn poll_now(poller: &Poller) -> Vec<Event> {
    poll_for(poller, Duration::ZERO)
}

/// What comes within some seconds.
fn poll_soon(poller: &Poller) -> Vec<Event> {
    poll_for(poller, Duration::from_secs(10))
}

fn poll_for(poller: &Poller, timeout: Duration) -> Vec<Event> {
    let mut events = Events::new();
    poller.poll(&mut events, Some(timeout)).unwrap();
    let listed: Vec<Event> = events.iter().collect();
    assert_eq!(listed, (0..listed.len()).filter_map(|index| events.get(index)).collect::<Vec<_>>());
    listed
}

/// Whether reading of 7 is reported, and whether writing is: in one event or in two.
fn reported(events: &[Event]) -> (bool, bool) {
    assert!(events.iter().all(|event| event.token == 7), "{events:?}");
    (events.iter().any(|event| event.readable), events.iter().any(|event| event.writable))
}

fn registered(socket: BorrowedFd<'_>) -> Poller {
    let poller = Poller::new().unwrap();
    poller.add(socket, 7).unwrap();
    poller
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    far.set_nonblocking(true).unwrap();
    (near, far)
}

#[test]
fn input_is_reported_once_until_it_was_used_up() {
    let (mut near, mut far) = tcp_pair();
    let poller = registered(far.as_fd());
    assert_eq!(reported(&poll_now(&poller)), (false, true));
    assert_eq!(poll_now(&poller), []);
    for _ in 0..3 {
        near.write_all(b"xyz").unwrap();
        assert!(reported(&poll_soon(&poller)).0);
        assert_eq!(poll_now(&poller), []);
        assert_eq!(far.read(&mut [0; 10]).unwrap(), 3);
        assert_eq!(poll_now(&poller), []);
        poller.rearm_read(far.as_fd());
        assert_eq!(poll_now(&poller), []);
    }
}

#[test]
fn the_end_behind_a_short_read_is_reported() {
    let (mut near, mut far) = tcp_pair();
    let poller = registered(far.as_fd());
    let _ = poll_now(&poller);
    near.write_all(b"x").unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    let mut read = Vec::new();
    // A poller that does not say that there is more behind the first read reports it once more.
    let mut reads_on = true;
    while read.last() != Some(&0) {
        let events = poll_soon(&poller);
        assert!(reported(&events).0);
        reads_on = events.iter().any(|event| event.read_on);
        loop {
            read.push(far.read(&mut [0; 10]).unwrap());
            if !reads_on || read.last() == Some(&0) {
                break;
            }
        }
        if read.last() != Some(&0) {
            poller.rearm_read(far.as_fd());
        }
    }
    assert_eq!(read, [1, 0], "{reads_on}");
    assert_eq!(poll_now(&poller), []);
}

#[test]
fn room_is_reported_when_there_was_none() {
    let (mut near, mut far) = tcp_pair();
    let poller = registered(far.as_fd());
    assert_eq!(reported(&poll_now(&poller)), (false, true));
    for _ in 0..3 {
        let mut written = 0;
        while let Ok(some) = far.write(&[7; 100_000]) {
            written += some;
        }
        poller.rearm_write(far.as_fd());
        assert_eq!(poll_now(&poller), []);
        near.read_exact(&mut vec![0; written]).unwrap();
        assert!(reported(&poll_soon(&poller)).1);
        assert_eq!(poll_now(&poller), []);
    }
}

#[test]
fn urgent_data_alone_is_reported_once() {
    let (near, mut far) = tcp_pair();
    let poller = registered(far.as_fd());
    let _ = poll_now(&poller);
    SockRef::from(&near).send_out_of_band(b"!").unwrap();
    let events = poll_soon(&poller);
    assert!(reported(&events).0 && events.iter().any(|event| event.read_on), "{events:?}");
    assert_eq!(far.read(&mut [0; 10]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    poller.rearm_read(far.as_fd());
    assert_eq!(poll_now(&poller), []);
}

#[test]
fn a_reset_is_reported_once_though_nothing_was_used_up() {
    let (mut near, far) = tcp_pair();
    let poller = registered(far.as_fd());
    near.write_all(b"x").unwrap();
    let mut seen = poll_soon(&poller);
    SockRef::from(&near).set_linger(Some(Duration::ZERO)).unwrap();
    drop(near);
    while !seen.iter().any(|event| event.failed) {
        seen = poll_soon(&poller);
    }
    assert_eq!(reported(&seen), (true, true));
    assert!(seen.iter().any(|event| event.read_on));
    assert_eq!(poll_now(&poller), []);
}

#[test]
fn a_peer_that_has_gone_is_reported_once_though_it_is_gone_for_ever() {
    let (near, far) = UnixStream::pair().unwrap();
    let poller = registered(far.as_fd());
    assert_eq!(reported(&poll_now(&poller)), (false, true));
    drop(near);
    assert_eq!(reported(&poll_now(&poller)), (true, true));
    assert_eq!(poll_now(&poller), []);
    poller.rearm_write(far.as_fd());
    assert_eq!(poll_now(&poller), []);
}

#[test]
fn what_waits_at_a_listener_is_reported_until_all_was_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let poller = registered(listener.as_fd());
    for count in 1..4 {
        let connect = |_| TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let clients: Vec<TcpStream> = (0..count).map(connect).collect();
        assert!(reported(&poll_soon(&poller)).0);
        let _ = poll_now(&poller);
        assert_eq!(
            clients.len(),
            std::iter::repeat_with(|| listener.accept()).take_while(Result::is_ok).count()
        );
        poller.rearm_read(listener.as_fd());
        assert_eq!(poll_now(&poller), []);
    }
}

#[test]
fn a_listener_that_was_shut_down_does_not_keep_the_poller_awake() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let poller = registered(listener.as_fd());
    // SAFETY: the call takes no pointer.
    unsafe { libc::shutdown(std::os::fd::AsRawFd::as_raw_fd(&listener), libc::SHUT_RDWR) };
    assert_eq!(reported(&poll_now(&poller)), (true, true));
    assert_eq!(poll_now(&poller), []);
}

#[test]
fn room_is_reported_while_it_is_asked_for_even_if_it_was_there_before() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let poller = Poller::new().unwrap();
    poller.add_readable(socket.as_fd(), 7).unwrap();
    assert_eq!(poll_now(&poller), []);
    for _ in 0..2 {
        poller.poll_writable(socket.as_fd(), 7, true).unwrap();
        assert_eq!(reported(&poll_now(&poller)), (false, true));
        assert_eq!(poll_now(&poller), []);
        poller.poll_writable(socket.as_fd(), 7, false).unwrap();
        assert_eq!(poll_now(&poller), []);
    }
    socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
    assert_eq!(reported(&poll_soon(&poller)), (true, false));
}

#[test]
fn a_level_is_reported_until_it_is_gone() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let poller = Poller::new().unwrap();
    poller.add_level(far.as_fd(), 1).unwrap();
    assert_eq!(poll_now(&poller).len(), 0);
    near.write_all(b"x").unwrap();
    assert_eq!(poll_now(&poller).len(), 1);
    assert_eq!(poll_now(&poller).len(), 1);
    far.read_exact(&mut [0]).unwrap();
    assert_eq!(poll_now(&poller).len(), 0);
}

#[test]
fn peeking_tells_input_from_whatever_else_there_is() {
    let (mut near, far) = tcp_pair();
    let poller = registered(far.as_fd());
    near.write_all(b"x").unwrap();
    let mut events = Events::new();
    while !events.iter().any(|event| event.readable) {
        poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
    }
    assert_eq!((events.peek(0), events.peek(1)), (Some((7, true)), None));
    SockRef::from(&near).set_linger(Some(Duration::ZERO)).unwrap();
    drop(near);
    while !events.iter().any(|event| event.failed) {
        poller.rearm_read(far.as_fd());
        poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
    }
    assert!(events.get(0).is_some_and(|event| event.readable));
    assert_eq!(events.peek(0), Some((7, false)));
}

#[test]
fn nothing_is_reported_of_what_was_forgotten_or_removed() {
    let pairs: Vec<_> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
    let poller = Poller::new().unwrap();
    for (token, (_, far)) in pairs.iter().enumerate() {
        poller.add_readable(far.as_fd(), token as u64).unwrap();
    }
    poller.remove(pairs[1].1.as_fd());
    let mut pairs = pairs.into_iter();
    let (mut first, mut second, mut third) =
        (pairs.next().unwrap(), pairs.next().unwrap(), pairs.next().unwrap());
    poller.forget(first.1.as_fd());
    drop(first.1);
    for near in [&mut second.0, &mut third.0] {
        near.write_all(b"x").unwrap();
    }
    let _ = first.0.write(b"x");
    let tokens: Vec<u64> = poll_now(&poller).iter().map(|event| event.token).collect();
    assert_eq!(tokens, [2]);
    poller.add_readable(second.1.as_fd(), 9).unwrap();
    let tokens: Vec<u64> = poll_now(&poller).iter().map(|event| event.token).collect();
    assert_eq!(tokens, [9]);
    second.1.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_time_out_is_rounded_up() {
    assert_eq!(millis(None), -1);
    let rounded =
        [0, 1, 999_999, 1_000_000, 1_000_001].map(|nanos| millis(Some(Duration::from_nanos(nanos))));
    assert_eq!(rounded, [0, 1, 1, 1, 2]);
    assert_eq!(millis(Some(Duration::MAX)), i32::MAX);
}
