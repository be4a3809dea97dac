//! Connections that have the server hold as much as it will: each begins a message of the largest size and never ends it. In place of
//! one that is cut off comes another.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{send, SendFlags};

use crate::arguments::LARGEST_FRAME;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::tally::Tally;
use crate::target::Dialler;

/// Bytes that one of them sends at a time, a hundred times a second: the server is to hold much, not to be short of time.
const PIECE: usize = 16 * 1024;

struct Hoarder {
    socket: OwnedFd,
    sent: usize,
}

/// Driven by ticks alone, without a poller.
pub(crate) struct Hoarders {
    dialler: Dialler,
    list: Vec<Hoarder>,
    message: Vec<u8>,
    /// How often one of them was cut off.
    cut_off: u64,
}

impl Hoarders {
    /// Connects them.
    pub(crate) fn begin(plan: &Plan) -> Result<Self, Failure> {
        let mut dialler = plan.dialler();
        let list = (0..plan.hoarders).map(|_| dial(&mut dialler)).collect::<Result<_, _>>()?;
        let mut message = (LARGEST_FRAME as u32).to_be_bytes().to_vec();
        // All of it but the last byte.
        message.resize(message.len() + LARGEST_FRAME - 1, 0);
        Ok(Self { dialler, list, message, cut_off: 0 })
    }

    /// Each sends what is taken of the next piece.
    pub(crate) fn tick(&mut self) -> Result<(), Failure> {
        for hoarder in &mut self.list {
            let rest = &self.message[hoarder.sent..];
            // Nothing, at the end: that tells as well whether it was cut off.
            match send(
                &hoarder.socket,
                &rest[..rest.len().min(PIECE)],
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(sent) => hoarder.sent += sent,
                Err(Errno::AGAIN) => {}
                Err(_) => {
                    self.cut_off += 1;
                    *hoarder = dial(&mut self.dialler)?;
                }
            }
        }
        Ok(())
    }

    /// Adds to `tally` how often one of them was cut off.
    pub(crate) fn finish(&self, tally: &mut Tally) {
        tally.cut_off = self.cut_off;
    }
}

fn dial(dialler: &mut Dialler) -> Result<Hoarder, Failure> {
    let socket = dialler.abortive().map_err(Failure::system("cannot connect a hoarder"))?;
    Ok(Hoarder { socket, sent: 0 })
}
