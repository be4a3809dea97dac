//! A connection: its socket, what has come of a message, and what waits to be sent.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;

/// The largest body of a message.
const MAX_BODY: usize = 4 << 20;
/// Unsent bytes above which a connection that does not read is given up. Only a broadcast gets there: otherwise a
/// connection with unsent bytes is not read.
const MAX_UNSENT: usize = 64 << 20;
/// Buffers that have grown beyond this are given back when they are empty.
const KEPT: usize = 64 << 10;

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// The beginning of a message that is not whole yet.
    partial: Vec<u8>,
    unsent: Vec<u8>,
    /// Of these, how many are sent already.
    sent: usize,
    /// The socket has not said yet that reading it would block.
    readable: bool,
}

/// What reading found.
pub(crate) enum Input {
    Bytes(usize),
    Nothing,
    End,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Connection {
        Connection { stream, partial: Vec::new(), unsent: Vec::new(), sent: 0, readable: false }
    }

    pub(crate) fn became_readable(&mut self) {
        self.readable = true;
    }

    /// Reads once, unless there is nothing to read, or something to send first: who does not read is not read.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        if !self.readable || !self.unsent.is_empty() {
            return Ok(Input::Nothing);
        }
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(Input::End),
                Ok(len) => return Ok(Input::Bytes(len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(Input::Nothing);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the messages back that the input completes.
    pub(crate) fn send_messages(&mut self, input: &[u8]) -> io::Result<()> {
        if self.partial.is_empty() {
            let whole = whole_messages(input)?;
            self.partial.extend_from_slice(&input[whole..]);
            return self.send(&input[..whole]);
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(input);
        let whole = whole_messages(&partial)?;
        let result = self.send(&partial[..whole]);
        partial.drain(..whole);
        recycle(&mut partial);
        self.partial = partial;
        result
    }

    /// Sends at once what the socket takes, behind what waits already; the rest waits.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let taken = if self.unsent.is_empty() { write(&mut self.stream, bytes)? } else { 0 };
        self.unsent.extend_from_slice(&bytes[taken..]);
        match self.unsent.len() - self.sent > MAX_UNSENT {
            true => Err(ErrorKind::OutOfMemory.into()),
            false => Ok(()),
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.sent += write(&mut self.stream, &self.unsent[self.sent..])?;
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
            recycle(&mut self.unsent);
        }
        Ok(())
    }
}

fn recycle(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > KEPT {
        *buffer = Vec::new();
    }
}

/// Writes until the socket would block; says how many bytes it took.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]) {
            Ok(len) => taken += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

/// How many bytes the whole messages at the front take: each a length of four bytes, the highest first, and a body.
fn whole_messages(input: &[u8]) -> io::Result<usize> {
    let mut whole = 0;
    while let Some((head, rest)) = input[whole..].split_first_chunk() {
        let len = u32::from_be_bytes(*head) as usize;
        if len > MAX_BODY {
            return Err(ErrorKind::InvalidData.into());
        }
        if len > rest.len() {
            break;
        }
        whole += 4 + len;
    }
    Ok(whole)
}
