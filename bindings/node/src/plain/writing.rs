//! The calls that carry bytes: writes, datagrams, and input that goes back.

use std::net::SocketAddr;

use napi::{sys, Result};
use reactor_core::binding::log::{completion, Envelope};
use reactor_core::{ConnId, Error, ErrorKind, Handle, Pressure};

use super::arguments::{conn_of, Arguments};
use super::Call;
use crate::failure::Failure;
use crate::server::State;

impl Arguments {
    /// What a call of bytes answers. `None`: they were none.
    fn written(&self, written: Option<std::result::Result<Pressure, Failure>>) -> Result<sys::napi_value> {
        match written {
            Some(Ok(pressure)) => self.boolean(pressure == Pressure::Low),
            Some(Err(failure)) => self.value(failure),
            None => self.value(Failure::new(ErrorKind::InvalidArgument, "data must be a Uint8Array")),
        }
    }

    /// Writes so many bytes to the connection, and counts them.
    fn write(
        &self,
        state: &State,
        len: usize,
        write: impl FnOnce(&Handle, ConnId) -> reactor_core::Result<Pressure>,
    ) -> std::result::Result<Pressure, Failure> {
        let pressure = self.with_conn(state, write)?;
        state.count_written(len);
        Ok(pressure)
    }

    /// Gives input back.
    fn give(
        &self,
        state: &State,
        give: impl FnOnce(&Handle, ConnId, Vec<u8>) -> reactor_core::Result<()>,
    ) -> Result<sys::napi_value> {
        self.written(self.with_bytes(|bytes| {
            self.with_conn(state, |handle, id| give(handle, id, bytes.to_vec()))?;
            Ok(Pressure::Low)
        }))
    }

    /// Writes pieces, and counts their bytes.
    fn write_parts(
        &self,
        state: &State,
        write: impl FnOnce(&Handle, ConnId, &[&[u8]]) -> reactor_core::Result<Pressure>,
    ) -> Result<sys::napi_value> {
        self.written(self.with_parts(|parts| {
            let len = parts.iter().map(|part| part.len()).sum();
            self.write(state, len, |handle, id| write(handle, id, parts))
        }))
    }
}

pub(super) struct Write;

impl Call for Write {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.written(
            arguments.with_bytes(|bytes| {
                arguments.write(state, bytes.len(), |handle, id| handle.write(id, bytes))
            }),
        )
    }
}

pub(super) struct WriteParts;

impl Call for WriteParts {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.write_parts(state, Handle::write_gathered)
    }
}

pub(super) struct WriteThen;

impl Call for WriteThen {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let token = arguments.number(3);
        arguments.write_parts(state, |handle, id, parts| handle.write_then(id, parts, completion(id, token)))
    }
}

pub(super) struct WriteFrame;

impl Call for WriteFrame {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.written(arguments.with_bytes(|payload| {
            arguments.write(state, payload.len(), |handle, id| handle.write_frame(id, payload))
        }))
    }
}

/// The numbers of a connection's gathered writes.
const MERGED: usize = 4;

pub(super) struct WriteMerged;

impl Call for WriteMerged {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let count = arguments.number(1) as usize;
        // SAFETY: both are used before anything of JavaScript's runs on this thread, and are the package's own.
        let (words, bytes) =
            unsafe { (arguments.words(arguments.values[0]), arguments.bytes(arguments.values[2])) };
        let (words, bytes) = (words.unwrap_or_default(), bytes.unwrap_or_default());
        let words = words.chunks_exact_mut(MERGED).take(count);
        let (refused, written) =
            state.with_handle(|handle| write_merged(handle, words, bytes)).unwrap_or((0, 0));
        state.count_written(written);
        arguments.value(refused)
    }
}

/// Says how many were refused, and how many bytes that were.
fn write_merged<'a>(
    handle: &Handle,
    merged: impl Iterator<Item = &'a mut [u32]>,
    bytes: &[u8],
) -> (u32, usize) {
    let (mut from, mut refused) = (0, 0);
    for words in merged {
        let [high, low, to, writes] = words else { continue };
        let part = bytes.get(from..*to as usize).unwrap_or_default();
        from = *to as usize;
        let closed = || Error::new(ErrorKind::Closed, String::new());
        let written =
            conn_of(*high, *low).ok_or_else(closed).and_then(|id| handle.write_merged(id, part, *writes));
        *writes = written.err().map_or(0, |error| if error.kind() == ErrorKind::Closed { 1 } else { 2 });
        refused += u32::from(*writes > 0);
    }
    (refused, from)
}

pub(super) struct Room;

impl Call for Room {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let room = arguments.with_conn(state, |handle, id| Ok(handle.room_to_write(id)));
        arguments.value(u32::try_from(room.unwrap_or(0)).unwrap_or(u32::MAX))
    }
}

pub(super) struct SendTo;

impl Call for SendTo {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let text = arguments.text(3);
        arguments.written(arguments.with_bytes(|bytes| {
            let to = text.parse::<SocketAddr>().map_err(|_| {
                let known = "an address is IP:PORT, such as 127.0.0.1:5000 or [::1]:5000";
                Failure::new(ErrorKind::InvalidArgument, &format!("{known}, not {text:?}"))
            })?;
            arguments.write(state, bytes.len(), |handle, id| handle.send_to(id, to, bytes))
        }))
    }
}

pub(super) struct Answer;

impl Call for Answer {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        // SAFETY: it is read at once, and nothing of JavaScript's runs on this thread meanwhile.
        let envelope = unsafe { arguments.bytes(arguments.values[3]) }.and_then(Envelope::from_bytes);
        arguments.written(arguments.with_bytes(|bytes| {
            let wrong = || Failure::new(ErrorKind::InvalidArgument, "it is no datagram that can be answered");
            let Envelope { sender, source, .. } = envelope.ok_or_else(wrong)?;
            let answer = |handle: &Handle, id| handle.answer(id, sender, source, bytes);
            arguments.write(state, bytes.len(), answer)
        }))
    }
}

pub(super) struct GiveBack;

impl Call for GiveBack {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.give(state, Handle::give_back)
    }
}

pub(super) struct GiveAgain;

impl Call for GiveAgain {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.give(state, Handle::hand_over_again)
    }
}

pub(super) struct TakeWritten;

impl Call for TakeWritten {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.value(state.take_written())
    }
}
