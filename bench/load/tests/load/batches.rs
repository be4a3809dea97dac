//! Datagrams that pass through the system as batches: faults inside a batch are found as if each came alone.

use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use nix::cmsg_space;
use nix::sys::socket::{
    recvmsg, sendmsg, setsockopt, sockopt, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn,
};

use crate::support::{count, measure, run};

const WAYS: [&str; 2] = ["--offload on", "--offload off"];

/// How the server sends the answers to one batch.
#[derive(Clone, Copy)]
enum Answers {
    OneByOne,
    /// Neighbours of equal length as one piece, of which the last may be shorter. The first batch waits for so many.
    AsOne(usize),
}

/// A server with one client. What arrives as one is a batch of datagrams, and everything else a batch of one.
struct Server {
    socket: UdpSocket,
    answers: Answers,
    /// The largest batches that came and went so far.
    received: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
}

/// What a test sees of it.
struct Seen {
    target: String,
    received: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
}

/// Answers each batch, whose first datagram has the number it is called with, with what `change` makes of it.
fn server(answers: Answers, change: impl Fn(usize, Vec<Vec<u8>>) -> Vec<Vec<u8>> + Send + 'static) -> Seen {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    setsockopt(&socket, sockopt::UdpGroSegment, &true).unwrap();
    let target = format!("udp://{}", socket.local_addr().unwrap());
    let (received, sent) = (Arc::default(), Arc::default());
    let server = Server { socket, answers, received: Arc::clone(&received), sent: Arc::clone(&sent) };
    thread::spawn(move || {
        let (mut number, mut least) = (0, if let Answers::AsOne(first) = answers { first } else { 1 });
        loop {
            let (batch, sender) = server.gather(least);
            let count = batch.len();
            server.answer(&change(number, batch), sender);
            (number, least) = (number + count, 1);
        }
    });
    Seen { target, received, sent }
}

impl Server {
    /// A batch, or several until there are as many datagrams as `least`.
    fn gather(&self, least: usize) -> (Vec<Vec<u8>>, SockaddrIn) {
        let mut batch = Vec::new();
        loop {
            let (more, sender) = self.receive();
            self.received.fetch_max(more.len(), Ordering::Relaxed);
            batch.extend(more);
            if batch.len() >= least {
                return (batch, sender);
            }
        }
    }

    fn receive(&self) -> (Vec<Vec<u8>>, SockaddrIn) {
        let (mut bytes, mut control) = (vec![0; 65_536], cmsg_space!(i32));
        let mut room = [IoSliceMut::new(&mut bytes)];
        let message =
            recvmsg(self.socket.as_raw_fd(), &mut room, Some(&mut control), MsgFlags::empty()).unwrap();
        let segment = message.cmsgs().unwrap().find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(length) => Some(length as usize),
            _ => None,
        });
        let (length, sender) = (message.bytes, message.address.unwrap());
        (bytes[..length].chunks(segment.unwrap_or(length)).map(<[u8]>::to_vec).collect(), sender)
    }

    fn answer(&self, answers: &[Vec<u8>], sender: SockaddrIn) {
        let usual = answers.first().map_or(0, Vec::len);
        let as_one = matches!(self.answers, Answers::AsOne(_));
        let together =
            |left: &Vec<u8>, right: &Vec<u8>| as_one && left.len() == usual && right.len() <= usual;
        for batch in answers.chunk_by(together) {
            self.sent.fetch_max(batch.len(), Ordering::Relaxed);
            let segment = batch[0].len() as u16;
            let control = [ControlMessage::UdpGsoSegments(&segment)];
            let control = &control[..usize::from(batch.len() > 1)];
            let bytes = batch.concat();
            let slices = [IoSlice::new(&bytes)];
            // The client may have gone.
            let _ = sendmsg(self.socket.as_raw_fd(), &slices, control, MsgFlags::empty(), Some(&sender));
        }
    }
}

#[test]
fn every_way_of_asking_and_answering() {
    for (way, asked_as_one) in WAYS.into_iter().zip([16, 1]) {
        for (answers, answered_as_one) in [(Answers::OneByOne, 1), (Answers::AsOne(16), 16)] {
            let seen = server(answers, |_, batch| batch);
            let arguments = "--connections 1 --depth 16 --size 200 --requests 5000";
            let result = measure(&seen.target, &format!("{arguments} {way}"));
            assert_eq!(faults(&result), (5000, 0, 0), "{way}");
            assert_eq!(count(&result, "bytes"), 1_000_000);
            let largest = (seen.received.load(Ordering::Relaxed), seen.sent.load(Ordering::Relaxed));
            assert_eq!(largest, (asked_as_one, answered_as_one), "{way}");
        }
    }
}

#[test]
fn batches_of_every_size_of_datagram() {
    let sizes = [(8, 80, 64), (1000, 80, 64), (1016, 80, 63), (32_500, 3, 2), (32_501, 3, 1), (65_507, 1, 1)];
    for (size, depth, largest) in sizes {
        for (way, largest) in WAYS.into_iter().zip([largest, 1]) {
            let seen = server(Answers::AsOne(1), |_, batch| batch);
            let arguments = format!("--connections 1 --size {size} --depth {depth} --requests {depth} {way}");
            let result = measure(&seen.target, &arguments);
            assert_eq!(faults(&result), (depth, 0, 0), "{arguments}");
            assert_eq!(count(&result, "bytes"), depth * size);
            assert_eq!(seen.received.load(Ordering::Relaxed), largest, "{arguments}");
        }
    }
}

/// All are due at once, or one after the other.
#[test]
fn an_open_loop_sends_what_is_due() {
    for (way, largest) in WAYS.into_iter().zip([64, 1]) {
        for rate in ["1e12", "1000"] {
            let seen = server(Answers::AsOne(1), |_, batch| batch);
            let arguments = format!("--mode open --rate {rate} --connections 1 --requests 100 {way}");
            let result = measure(&seen.target, &arguments);
            assert_eq!(faults(&result), (100, 0, 0), "{arguments}");
            if rate == "1e12" {
                assert_eq!(seen.received.load(Ordering::Relaxed), largest, "{arguments}");
            }
        }
    }
}

/// One answer in the middle of the first batch is left out, sent twice, spoilt, or too short or too long.
#[test]
fn faults_inside_a_batch() {
    type Change = fn(Vec<u8>) -> Vec<Vec<u8>>;
    let changes: [(Change, (u64, u64, u64)); 5] = [
        (|_| vec![], (40, 0, 1)),
        (|datagram| vec![datagram.clone(), datagram], (40, 1, 0)),
        (|datagram| vec![datagram.iter().map(|byte| byte ^ 1).collect()], (40, 1, 1)),
        (|datagram| vec![datagram[..63].to_vec()], (40, 1, 1)),
        (|datagram| vec![[&datagram[..], &[0]].concat()], (40, 1, 1)),
    ];
    for way in WAYS {
        for answers in [Answers::OneByOne, Answers::AsOne(16)] {
            for (case, (change, expected)) in changes.into_iter().enumerate() {
                let seen = server(answers, move |first, batch| change_number(5, first, batch, change));
                let result =
                    measure(&seen.target, &format!("--connections 1 --depth 16 --requests 40 {way}"));
                assert_eq!(faults(&result), expected, "{way}, case {case}");
            }
        }
    }
}

/// Datagrams may overtake each other.
#[test]
fn answers_in_another_order_are_right() {
    for way in WAYS {
        for answers in [Answers::OneByOne, Answers::AsOne(16)] {
            let seen = server(answers, |_, batch| batch.into_iter().rev().collect());
            let result = measure(&seen.target, &format!("--connections 1 --depth 16 --requests 500 {way}"));
            assert_eq!(faults(&result), (500, 0, 0), "{way}");
        }
    }
}

/// Each with the number of the other.
#[test]
fn two_bodies_swapped_inside_a_batch() {
    for answers in [Answers::OneByOne, Answers::AsOne(16)] {
        let seen = server(answers, |first, mut batch| {
            if first == 0 {
                let (left, right) = batch.split_at_mut(4);
                left[3][8..].swap_with_slice(&mut right[0][8..]);
            }
            batch
        });
        let result = measure(&seen.target, "--connections 1 --depth 16 --requests 40");
        assert_eq!(faults(&result), (40, 2, 2));
    }
}

/// All bytes of two answers in one datagram are no answer: the boundaries count.
#[test]
fn two_answers_in_one_datagram() {
    for answers in [Answers::OneByOne, Answers::AsOne(16)] {
        let seen = server(answers, |first, mut batch| {
            if first == 0 {
                let joined = batch.drain(4..6).collect::<Vec<_>>().concat();
                batch.insert(4, joined);
            }
            batch
        });
        let result = measure(&seen.target, "--connections 1 --depth 16 --requests 40");
        assert_eq!(faults(&result), (40, 1, 2));
    }
}

#[test]
fn the_two_ways_are_told_in_the_help() {
    let output = run("udp://127.0.0.1:1", "--help");
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("UDP_SEGMENT") && help.contains("sendmmsg"), "{help}");
}

/// Right, wrong and lost ones.
fn faults(result: &serde_json::Value) -> (u64, u64, u64) {
    (count(result, "requests"), count(result, "wrong"), count(result, "lost"))
}

/// Changes datagram `wanted` if it is in the batch that begins with number `first`.
fn change_number(
    wanted: usize,
    first: usize,
    batch: Vec<Vec<u8>>,
    change: impl Fn(Vec<u8>) -> Vec<Vec<u8>>,
) -> Vec<Vec<u8>> {
    let changed = batch.into_iter().enumerate().map(|(position, datagram)| {
        if first + position == wanted {
            change(datagram)
        } else {
            vec![datagram]
        }
    });
    changed.flatten().collect()
}
