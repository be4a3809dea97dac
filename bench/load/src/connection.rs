//! One connection: its place in the script, and what it waits for.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{recv, send, RecvFlags, SendFlags};

use crate::clock::{Clock, Nanoseconds};
use crate::failure::{Broken, Failure};
use crate::http::{HttpAnswer, HttpAnswers};
use crate::pattern::Cycle;
use crate::poll::{Interest, Poll, Ready};
use crate::script::{Answers, Script, RECEIVE};
use crate::tally::Tally;

/// What all connections of a run share.
pub(crate) struct Shared {
    pub(crate) script: Script,
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) tally: Tally,
    buffer: Vec<u8>,
}

impl Shared {
    pub(crate) fn new(script: Script, clock: Clock) -> Result<Self, Failure> {
        Ok(Self { script, poll: Poll::new()?, clock, tally: Tally::new(), buffer: vec![0; RECEIVE] })
    }
}

/// A connection to the server.
pub(crate) struct Connection {
    socket: OwnedFd,
    token: u64,
    /// When each request without an answer was asked, or due.
    asked: VecDeque<Nanoseconds>,
    /// The position of the next byte to send, and how many have been asked for but not taken by the kernel.
    send_at: usize,
    unsent: usize,
    /// The position of the next byte to receive, and how many of its answer came before it.
    receive_at: usize,
    into_answer: usize,
    /// The answer that is being received is wrong already.
    spoiled: bool,
    /// Waits until it can send on.
    blocked: bool,
    /// The beginning of an HTTP answer.
    partial: Vec<u8>,
}

impl Connection {
    /// Puts `socket` into the poller as `token`; the connection begins where the script's part `part` does.
    pub(crate) fn new(socket: OwnedFd, token: u64, part: u64, shared: &Shared) -> Result<Self, Errno> {
        shared.poll.add(&socket, token)?;
        Ok(Self::unpolled(socket, token, part, shared))
    }

    /// Nobody waits for this one.
    pub(crate) fn unpolled(socket: OwnedFd, token: u64, part: u64, shared: &Shared) -> Self {
        let (send_at, receive_at) = shared.script.begin(part);
        Self {
            socket,
            token,
            asked: VecDeque::new(),
            send_at,
            unsent: 0,
            receive_at,
            into_answer: 0,
            spoiled: false,
            blocked: false,
            partial: Vec::new(),
        }
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Requests without an answer.
    pub(crate) fn outstanding(&self) -> u64 {
        self.asked.len() as u64
    }

    /// Asks `count` requests that count as asked at `now`, in one call if the kernel takes them.
    pub(crate) fn ask(&mut self, count: u64, now: Nanoseconds, shared: &Shared) -> Result<(), Broken> {
        self.queue(count, now, shared);
        self.flush(shared)
    }

    /// The same, but nothing is sent yet.
    pub(crate) fn queue(&mut self, count: u64, now: Nanoseconds, shared: &Shared) {
        self.expect(count, now);
        self.unsent += count as usize * shared.script.request;
    }

    /// Answers will come to requests that another connection sends.
    pub(crate) fn expect(&mut self, count: u64, now: Nanoseconds) {
        for _ in 0..count {
            self.asked.push_back(now);
        }
    }

    /// Sends what is queued, now or when that is possible again.
    pub(crate) fn flush(&mut self, shared: &Shared) -> Result<(), Broken> {
        if self.blocked {
            return Ok(());
        }
        self.send(&shared.script)?;
        self.wait_to_send(&shared.poll)
    }

    /// Does what the poller says can be done. Returns how many whole answers came.
    pub(crate) fn ready(&mut self, ready: Ready, shared: &mut Shared) -> Result<u64, Broken> {
        if ready.writable() {
            self.send(&shared.script)?;
            self.wait_to_send(&shared.poll)?;
        }
        if ready.readable() {
            return self.receive(RECEIVE, shared);
        }
        Ok(0)
    }

    /// Sends as much of what was asked as the kernel takes.
    pub(crate) fn send(&mut self, script: &Script) -> Result<(), Broken> {
        while self.unsent > 0 {
            let bytes = script.requests.slice(self.send_at, self.unsent);
            match send(&self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.send_at = script.requests.step(self.send_at, sent);
                    self.unsent -= sent;
                    if sent < bytes.len() {
                        return Ok(());
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn wait_to_send(&mut self, poll: &Poll) -> Result<(), Broken> {
        let blocked = self.unsent > 0;
        if blocked != self.blocked {
            self.blocked = blocked;
            let interest = if blocked { Interest::ReadWrite } else { Interest::Read };
            poll.change(&self.socket, self.token, interest)?;
        }
        Ok(())
    }

    /// Receives once, `most` bytes at most, and checks them. Returns how many whole answers came, right or wrong.
    pub(crate) fn receive(&mut self, most: usize, shared: &mut Shared) -> Result<u64, Broken> {
        let count = match recv(&self.socket, &mut shared.buffer[..most], RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return Err(Broken::Closed),
            Ok((count, _)) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(0),
            Err(errno) => return Err(errno.into()),
        };
        let received = &shared.buffer[..count];
        match &mut shared.script.answers {
            Answers::Known { length, bytes } => {
                self.compare(received, *length, bytes, &shared.clock, &mut shared.tally)
            }
            Answers::Http(answers) => self.parse(received, answers, &shared.clock, &mut shared.tally),
        }
    }

    fn compare(
        &mut self,
        received: &[u8],
        length: usize,
        expected: &Cycle,
        clock: &Clock,
        tally: &mut Tally,
    ) -> Result<u64, Broken> {
        let total = self.into_answer + received.len();
        if total > self.asked.len() * length {
            tally.wrong(clock.now());
            return Err(Broken::Surplus);
        }
        if self.spoiled || expected.slice(self.receive_at, received.len()) != received {
            return Ok(self.compare_each(received, length, expected, clock.now(), tally));
        }
        self.receive_at = expected.step(self.receive_at, received.len());
        if total < length {
            self.into_answer = total;
            return Ok(0);
        }
        // One answer is the usual case, and needs no division.
        let whole = if total < 2 * length { 1 } else { total / length };
        self.into_answer = total - whole * length;
        let now = clock.now();
        for _ in 0..whole {
            self.answered(true, length, now, tally);
        }
        Ok(whole as u64)
    }

    /// Answer by answer: something is wrong.
    #[cold]
    fn compare_each(
        &mut self,
        mut received: &[u8],
        length: usize,
        expected: &Cycle,
        now: Nanoseconds,
        tally: &mut Tally,
    ) -> u64 {
        let mut whole = 0;
        while !received.is_empty() {
            let (piece, rest) = received.split_at(received.len().min(length - self.into_answer));
            self.spoiled |= expected.slice(self.receive_at, piece.len()) != piece;
            self.receive_at = expected.step(self.receive_at, piece.len());
            self.into_answer += piece.len();
            received = rest;
            if self.into_answer == length {
                self.into_answer = 0;
                whole += 1;
                let right = !mem::take(&mut self.spoiled);
                self.answered(right, length, now, tally);
            }
        }
        whole
    }

    fn parse(
        &mut self,
        received: &[u8],
        answers: &mut HttpAnswers,
        clock: &Clock,
        tally: &mut Tally,
    ) -> Result<u64, Broken> {
        let now = clock.now();
        let mut partial = mem::take(&mut self.partial);
        if partial.is_empty() {
            let (whole, used) = self.parse_each(received, answers, now, tally)?;
            partial.extend_from_slice(&received[used..]);
            self.partial = partial;
            return Ok(whole);
        }
        partial.extend_from_slice(received);
        let (whole, used) = self.parse_each(&partial, answers, now, tally)?;
        partial.drain(..used);
        self.partial = partial;
        Ok(whole)
    }

    /// Returns how many whole answers `bytes` begins with, and their length.
    fn parse_each(
        &mut self,
        bytes: &[u8],
        answers: &mut HttpAnswers,
        now: Nanoseconds,
        tally: &mut Tally,
    ) -> Result<(u64, usize), Broken> {
        let (mut whole, mut used) = (0, 0);
        while used < bytes.len() {
            match answers.first(&bytes[used..]) {
                HttpAnswer::Partial => break,
                HttpAnswer::Whole { .. } if self.asked.is_empty() => {
                    tally.wrong(now);
                    return Err(Broken::Surplus);
                }
                HttpAnswer::Whole { length, right } => {
                    self.answered(right, length, now, tally);
                    used += length;
                    whole += 1;
                }
                HttpAnswer::Malformed(what) => {
                    tally.wrong(now);
                    return Err(Broken::Malformed(what));
                }
            }
        }
        Ok((whole, used))
    }

    #[inline]
    fn answered(&mut self, right: bool, length: usize, now: Nanoseconds, tally: &mut Tally) {
        match self.asked.pop_front() {
            Some(asked) if right => tally.right(asked, now, length),
            _ => tally.wrong(now),
        }
    }
}
