//! The descriptors that poll(2) is asked about: found by number, so that nothing but polling looks at all of them.

use std::collections::hash_map::{Entry, HashMap};
use std::io;
use std::os::fd::RawFd;

use libc::{c_short, pollfd, POLLHUP, POLLNVAL, POLLOUT};

use super::{FAULT, INPUT};

/// How a descriptor is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Once, until it is re-armed.
    Edge,
    /// As long as it is ready.
    Level,
    /// No more: it has hung up, which is for ever.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Registration {
    token: u64,
    kind: Kind,
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    /// What poll(2) is given, in no order. A negative number is left out by it: that of a descriptor with a fault.
    polled: Vec<pollfd>,
    /// In the same order.
    registrations: Vec<Registration>,
    /// The place of each descriptor in both: there are no more than there are numbers. Not a list by number, as each loop
    /// would have room for the descriptors of all then.
    places: HashMap<RawFd, u32>,
}

/// Lists shorter than this keep their memory.
const KEPT: usize = 1024;

impl Registry {
    /// What to give to poll(2).
    pub(super) fn polled(&mut self) -> &mut [pollfd] {
        &mut self.polled
    }

    /// # Errors
    /// EEXIST: it is registered already, so somebody closed it who did not say so.
    pub(super) fn add(&mut self, fd: RawFd, token: u64, kind: Kind, events: c_short) -> io::Result<()> {
        match self.places.entry(fd) {
            Entry::Occupied(_) => return Err(io::Error::from_raw_os_error(libc::EEXIST)),
            Entry::Vacant(vacant) => vacant.insert(self.polled.len() as u32),
        };
        self.polled.push(pollfd { fd, events, revents: 0 });
        self.registrations.push(Registration { token, kind });
        Ok(())
    }

    pub(super) fn remove(&mut self, fd: RawFd) {
        if let Some(place) = self.place(fd) {
            self.remove_at(place);
        }
    }

    /// What of these was reported is reported again.
    pub(super) fn arm(&mut self, fd: RawFd, events: c_short) {
        if let Some(place) = self.place(fd).filter(|&place| self.registrations[place].kind != Kind::Over) {
            let polled = &mut self.polled[place];
            polled.fd = fd;
            polled.events |= events;
        }
    }

    /// These are not reported, until they are armed.
    pub(super) fn disarm(&mut self, fd: RawFd, events: c_short) {
        if let Some(place) = self.place(fd) {
            self.polled[place].events &= !events;
        }
    }

    /// Takes what poll(2) has reported of so many descriptors, and the interest in it off.
    pub(super) fn collect(&mut self, mut ready: usize, events: &mut Vec<(u64, c_short)>) {
        let mut place = 0;
        while ready > 0 && place < self.polled.len() {
            let polled = &mut self.polled[place];
            if polled.revents == 0 {
                place += 1;
                continue;
            }
            ready -= 1;
            if polled.revents & POLLNVAL != 0 {
                // It was closed by somebody else. Another comes to this place.
                self.remove_at(place);
                continue;
            }
            let registration = &mut self.registrations[place];
            events.push((registration.token, polled.revents));
            if registration.kind == Kind::Edge {
                quiet(polled, registration);
            }
            place += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.polled.capacity().max(self.registrations.capacity()).max(self.places.capacity())
    }

    fn place(&self, fd: RawFd) -> Option<usize> {
        self.places.get(&fd).map(|place| *place as usize)
    }

    fn remove_at(&mut self, place: usize) {
        let gone = self.polled.swap_remove(place);
        self.registrations.swap_remove(place);
        self.places.remove(&number(&gone));
        if let Some(moved) = self.polled.get(place) {
            self.places.insert(number(moved), place as u32);
        }
        if self.polled.capacity() > KEPT && self.polled.len() < self.polled.capacity() / 4 {
            self.polled.shrink_to(KEPT.max(self.polled.len() * 2));
            self.registrations.shrink_to(KEPT.max(self.registrations.len() * 2));
            self.places.shrink_to(KEPT.max(self.places.len() * 2));
        }
    }
}

/// The number of a descriptor, be it left out or not.
fn number(polled: &pollfd) -> RawFd {
    if polled.fd < 0 {
        !polled.fd
    } else {
        polled.fd
    }
}

/// Takes the interest in what was reported off. A fault is reported whatever the interest, and is both.
fn quiet(polled: &mut pollfd, registration: &mut Registration) {
    let reported = polled.revents;
    if reported & (INPUT | FAULT) != 0 {
        polled.events &= !INPUT;
    }
    if reported & (POLLOUT | FAULT) != 0 {
        polled.events &= !POLLOUT;
    }
    if reported & FAULT != 0 {
        polled.fd = !polled.fd;
    }
    if reported & POLLHUP != 0 {
        registration.kind = Kind::Over;
    }
}
