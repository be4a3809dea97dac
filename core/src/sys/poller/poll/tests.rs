//! What is poll(2)'s own.

use super::*;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Random numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A registration as a model has it, and what is reported of it next.
struct Model {
    token: u64,
    fd: OwnedFd,
    /// Open, so that nothing else is reported.
    _peer: UnixStream,
    read: bool,
    write: bool,
}

impl Model {
    /// Of a descriptor with about this number, which is readable and writable from the start.
    fn new(token: u64, number: RawFd) -> Self {
        let (mut peer, far) = UnixStream::pair().unwrap();
        peer.write_all(b"x").unwrap();
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::fcntl(far.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) }).unwrap();
        // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
        Model { token, fd: unsafe { OwnedFd::from_raw_fd(fd) }, _peer: peer, read: true, write: true }
    }

    /// What a poll is to report, if anything.
    fn polled(&mut self) -> Option<(u64, bool, bool)> {
        let (read, write) = (std::mem::take(&mut self.read), std::mem::take(&mut self.write));
        (read || write).then_some((self.token, read, write))
    }
}

fn poll(poller: &Poller) -> Vec<(u64, bool, bool)> {
    let mut events = Events::new();
    poller.poll(&mut events, Some(Duration::ZERO)).unwrap();
    let mut found: Vec<_> =
        events.iter().map(|event| (event.token, event.readable, event.writable)).collect();
    found.sort_unstable();
    found
}

#[test]
fn each_descriptor_keeps_its_token_and_its_interest_whatever_the_others_do() {
    let (mut random, poller) = (Random(5), Poller::new().unwrap());
    let mut models: Vec<Model> = Vec::new();
    for token in 0..20_000 {
        if models.len() < 20 || (models.len() < 60 && random.below(5) == 0) {
            let model = Model::new(token, 100 + random.below(300) as RawFd);
            poller.add(model.fd.as_fd(), token).unwrap();
            models.push(model);
        }
        let any = random.below(models.len());
        let model = &mut models[any];
        match random.below(8) {
            0 => {
                poller.forget(model.fd.as_fd());
                models.swap_remove(any);
            }
            1 | 2 => {
                poller.rearm_read(model.fd.as_fd());
                model.read = true;
            }
            3 | 4 => {
                poller.rearm_write(model.fd.as_fd());
                model.write = true;
            }
            5 => {
                model.write = random.below(2) == 0;
                poller.poll_writable(model.fd.as_fd(), model.token, model.write).unwrap();
            }
            _ => {
                let mut expected: Vec<_> = models.iter_mut().filter_map(Model::polled).collect();
                expected.sort_unstable();
                assert_eq!(poll(&poller), expected);
            }
        }
    }
}

#[test]
fn a_number_that_is_registered_is_refused() {
    let poller = Poller::new().unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    poller.add(near.as_fd(), 1).unwrap();
    assert_eq!(poller.add(near.as_fd(), 2).unwrap_err().raw_os_error(), Some(libc::EEXIST));
}

#[test]
fn one_that_was_closed_without_a_word_keeps_nobody_awake() {
    let poller = Poller::new().unwrap();
    // A number that no other test gets.
    let [closed, open] = [1, 2].map(|token| Model::new(token, 5000));
    for model in [&closed, &open] {
        poller.add(model.fd.as_fd(), model.token).unwrap();
    }
    drop(closed);
    assert_eq!(poll(&poller), [(2, true, true)]);
    assert_eq!(poll(&poller), []);
    let another = Model::new(3, 5000);
    poller.add(another.fd.as_fd(), another.token).unwrap();
    assert_eq!(poll(&poller), [(3, true, true)]);
}

#[test]
fn memory_comes_back_after_many_registrations() {
    let mut registry = Registry::default();
    (0..100_000).for_each(|fd| registry.add(fd, 1, Kind::Edge, INPUT).unwrap());
    (10..100_000).for_each(|fd| registry.remove(fd));
    assert!(registry.capacity() <= 4096, "{}", registry.capacity());
    let mut left: Vec<RawFd> = registry.polled().iter().map(|polled| polled.fd).collect();
    left.sort_unstable();
    assert_eq!(left, (0..10).collect::<Vec<RawFd>>());
}

#[test]
fn there_is_nothing_for_a_host_to_poll() {
    assert_eq!(TimerDescriptor::new().unwrap_err().kind(), io::ErrorKind::Unsupported);
}
