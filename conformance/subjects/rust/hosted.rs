//! A server without threads of its own: the main thread waits in poll(2) for it and for commands.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reactor_core::Server;
use rustix::event::{poll, PollFd, PollFlags};

use crate::control::Control;

/// Drives the server until it has ended; the commands that come meanwhile are carried out between its turns.
pub(crate) fn drive(server: &Arc<Server>, control: &Control) -> Result<(), Box<dyn Error>> {
    let mut hosted = server.start_hosted()?;
    let mut lines = Lines::default();
    loop {
        let (turn, input) = {
            let stdin = std::io::stdin();
            let mut both = [PollFd::new(&hosted, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
            let watched = if lines.ended { 1 } else { 2 };
            poll(&mut both[..watched], None)?;
            (!both[0].revents().is_empty(), !both[1].revents().is_empty())
        };
        if input && !lines.ended {
            lines.read(control)?;
        }
        if turn && !hosted.turn(Some(Duration::ZERO))? {
            return Ok(());
        }
    }
}

/// Standard input, cut into lines without a buffer that poll(2) would not know of.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
    ended: bool,
}

impl Lines {
    fn read(&mut self, control: &Control) -> std::io::Result<()> {
        let mut buffer = [0; 4096];
        let size = rustix::io::read(std::io::stdin(), &mut buffer)?;
        self.partial.extend_from_slice(&buffer[..size]);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            control.carry_out(String::from_utf8_lossy(&line[..end]).as_ref());
        }
        if size == 0 {
            self.ended = true;
            control.end();
        }
        Ok(())
    }
}
