//! Calls of JavaScript that are made for each message: plain functions of Node-API. A method of a class costs twenty times
//! as much.

use std::ffi::c_void;
use std::net::SocketAddr;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::ToNapiValue;
use napi::{check_status, sys, Result};
use napi_derive::napi;
use reactor_core::binding::log::{completion, Envelope};
use reactor_core::{ConnId, Error, ErrorKind, Handle, Pressure};

use crate::failure::Failure;
use crate::remote::Asked;
use crate::server::State;

/// A function for JavaScript.
pub struct Plain(sys::napi_value);

impl ToNapiValue for Plain {
    unsafe fn to_napi_value(_env: sys::napi_env, plain: Self) -> Result<sys::napi_value> {
        Ok(plain.0)
    }
}

/// The calls by a connection's id, of which the first two arguments are the high and the low half.
#[napi(object, object_from_js = false)]
pub struct Calls {
    /// Queues a copy of the bytes: true to go on, false above the high-water mark.
    #[napi(ts_type = "(high: number, low: number, data: Uint8Array) => boolean | Failure")]
    pub write: Plain,
    /// The same for several pieces, as one write.
    #[napi(ts_type = "(high: number, low: number, parts: readonly Uint8Array[]) => boolean | Failure")]
    pub writev: Plain,
    /// The same, which ends with a record that has the token.
    #[napi(
        ts_type = "(high: number, low: number, parts: readonly Uint8Array[], token: number) => boolean | Failure"
    )]
    pub write_then: Plain,
    /// Writes one frame.
    #[napi(ts_type = "(high: number, low: number, payload: Uint8Array) => boolean | Failure")]
    pub write_frame: Plain,
    /// Makes writes that were gathered, of so many connections: each is four numbers, the high and the low half of the id, where
    /// the bytes end that begin behind those before, and how many writes they are. Says how many of them were refused; the last
    /// number of each is then 0 if it was not, 1 for a connection that is closed, and 2 if there was no room.
    #[napi(ts_type = "(words: Uint32Array, count: number, bytes: Uint8Array) => number")]
    pub write_merged: Plain,
    /// How many bytes can be written to a stream without pressure; 0 if it takes none.
    #[napi(ts_type = "(high: number, low: number) => number")]
    pub room: Plain,
    /// Sends a datagram from an endpoint to an address.
    #[napi(ts_type = "(high: number, low: number, data: Uint8Array, to: string) => boolean | Failure")]
    pub send_to: Plain,
    /// Answers a datagram, by its envelope.
    #[napi(
        ts_type = "(high: number, low: number, data: Uint8Array, envelope: Uint8Array) => boolean | Failure"
    )]
    pub answer: Plain,
    /// Gives input back that was not consumed.
    #[napi(ts_type = "(high: number, low: number, data: Uint8Array) => boolean | Failure")]
    pub give_back: Plain,
    /// The same for input that the handler has not had.
    #[napi(ts_type = "(high: number, low: number, data: Uint8Array) => boolean | Failure")]
    pub give_again: Plain,
    /// Bytes written since the last call.
    #[napi(ts_type = "() => number")]
    pub take_written: Plain,
    /// Shuts the writing side down.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub end: Plain,
    /// Closes a connection.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub close: Plain,
    /// Closes a connection whose callback failed.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub fail: Plain,
    /// Takes a connection out of the engine.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub detach: Plain,
    /// Resets a connection.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub abort: Plain,
    /// Stops reading a connection.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub pause: Plain,
    /// Reads it again.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub resume: Plain,
    /// Asks for a record of its.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub wake: Plain,
    /// Holds a connection once more.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub hold_conn: Plain,
    /// Takes one hold back.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub release_conn: Plain,
    /// Whether a connection takes writes.
    #[napi(ts_type = "(high: number, low: number) => boolean")]
    pub is_open: Plain,
}

impl Calls {
    /// The calls of a server.
    pub(crate) fn new(env: sys::napi_env, state: &Rc<State>) -> Result<Calls> {
        let plain = |call| function(env, state, Some(call));
        Ok(Calls {
            write: plain(entry::<Write>)?,
            writev: plain(entry::<WriteParts>)?,
            write_then: plain(entry::<WriteThen>)?,
            write_frame: plain(entry::<WriteFrame>)?,
            write_merged: plain(entry::<WriteMerged>)?,
            room: plain(entry::<Room>)?,
            send_to: plain(entry::<SendTo>)?,
            answer: plain(entry::<Answer>)?,
            give_back: plain(entry::<GiveBack>)?,
            give_again: plain(entry::<GiveAgain>)?,
            take_written: plain(entry::<TakeWritten>)?,
            end: plain(entry::<End>)?,
            close: plain(entry::<Close>)?,
            fail: plain(entry::<Fail>)?,
            detach: plain(entry::<Detach>)?,
            abort: plain(entry::<Abort>)?,
            pause: plain(entry::<Pause>)?,
            resume: plain(entry::<Resume>)?,
            wake: plain(entry::<Wake>)?,
            hold_conn: plain(entry::<Hold>)?,
            release_conn: plain(entry::<Release>)?,
            is_open: plain(entry::<IsOpen>)?,
        })
    }
}

/// Makes a function that has a share in the server's state, until it is collected.
fn function(env: sys::napi_env, state: &Rc<State>, call: sys::napi_callback) -> Result<Plain> {
    let mut function = ptr::null_mut();
    let share = Rc::into_raw(Rc::clone(state)).cast_mut().cast::<c_void>();
    // SAFETY: the environment is that of this thread. The function has no name; the share outlives it.
    check_status!(unsafe { sys::napi_create_function(env, ptr::null(), 0, call, share, &mut function) })?;
    let (hint, reference) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the finalizer is called once, when the function cannot be called any more. Without it the share stays.
    check_status!(unsafe {
        sys::napi_add_finalizer(env, function, share, Some(drop_share), hint, reference)
    })?;
    Ok(Plain(function))
}

unsafe extern "C" fn drop_share(_env: sys::napi_env, share: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the pointer came from `Rc::into_raw` on this thread, and a finalizer is called once.
    drop(unsafe { Rc::from_raw(share.cast::<State>()) });
}

/// The arguments of a call, as JavaScript gave them.
struct Arguments {
    env: sys::napi_env,
    values: [sys::napi_value; MOST],
}

/// The most arguments that a call has.
const MOST: usize = 4;

impl Arguments {
    /// A number, as JavaScript makes one of 32 bits of it; 0 of what is none.
    fn number(&self, place: usize) -> u32 {
        let mut number = 0;
        // SAFETY: the value is an argument of the call that is going on, or undefined.
        unsafe { sys::napi_get_value_uint32(self.env, self.values[place], &mut number) };
        number
    }

    /// A text; empty of what is none.
    fn text(&self, place: usize) -> String {
        let mut bytes = [0_u8; 128];
        let mut len = 0;
        // SAFETY: the value is an argument of the call that is going on, or undefined; there is room for so many bytes.
        unsafe {
            let room = bytes.as_mut_ptr().cast();
            sys::napi_get_value_string_utf8(self.env, self.values[place], room, bytes.len(), &mut len);
        }
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    fn conn(&self) -> Option<ConnId> {
        conn_of(self.number(0), self.number(1))
    }

    /// The bytes of the third argument, while `use_them` runs, which does not come back to JavaScript.
    fn with_bytes<T>(&self, use_them: impl FnOnce(&[u8]) -> T) -> Option<T> {
        // SAFETY: nothing of JavaScript's runs on this thread until `use_them` has returned.
        unsafe { self.bytes(self.values[2]) }.map(use_them)
    }

    /// The same for the bytes of each member of the third argument, a list.
    fn with_parts<T>(&self, use_them: impl FnOnce(&[&[u8]]) -> T) -> Option<T> {
        let mut count = 0;
        // SAFETY: the value is an argument of the call that is going on; what is no list is refused.
        let status = unsafe { sys::napi_get_array_length(self.env, self.values[2], &mut count) };
        if status != sys::Status::napi_ok {
            return None;
        }
        let parts = (0..count).map(|index| {
            let mut part = ptr::null_mut();
            // SAFETY: as above. The list is the package's own, without getters, and holds what it has.
            let status = unsafe { sys::napi_get_element(self.env, self.values[2], index, &mut part) };
            // SAFETY: nothing of JavaScript's runs on this thread until `use_them` has returned.
            (status == sys::Status::napi_ok).then(|| unsafe { self.bytes(part) })?
        });
        parts.collect::<Option<Vec<_>>>().map(|parts| use_them(&parts))
    }

    /// The bytes of an array.
    ///
    /// # Safety
    /// They are used only until anything of JavaScript's runs on this thread.
    unsafe fn bytes(&self, value: sys::napi_value) -> Option<&[u8]> {
        let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: the value is an argument of the call that is going on; results that are null are not asked for.
        let status = unsafe {
            let nothing = ptr::null_mut();
            let array = ptr::null_mut();
            sys::napi_get_typedarray_info(self.env, value, &mut kind, &mut len, &mut data, array, nothing)
        };
        if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
            return None;
        }
        Some(match data.is_null() || len == 0 {
            true => &[],
            // SAFETY: it is the memory of an array that the caller holds. Memory that is shared with a worker may change
            // meanwhile; the bytes are only copied.
            false => unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) },
        })
    }

    /// The numbers of an array of the package's own, which nobody else has.
    ///
    /// # Safety
    /// As [`bytes`](Self::bytes); and nothing else refers to that memory meanwhile.
    #[allow(clippy::mut_from_ref, reason = "they are JavaScript's, and not a part of this")]
    unsafe fn words(&self, value: sys::napi_value) -> Option<&mut [u32]> {
        let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: as in `bytes`.
        let status = unsafe {
            let nothing = ptr::null_mut();
            let array = ptr::null_mut();
            sys::napi_get_typedarray_info(self.env, value, &mut kind, &mut len, &mut data, array, nothing)
        };
        let is_whole = status == sys::Status::napi_ok && kind == sys::TypedarrayType::uint32_array;
        // SAFETY: JavaScript's memory of as many numbers, which are aligned there.
        (is_whole && !data.is_null())
            .then(|| unsafe { std::slice::from_raw_parts_mut(data.cast::<u32>(), len) })
    }

    /// Makes a call on a connection of a server that has not ended.
    fn with_conn<T>(
        &self,
        state: &State,
        call: impl FnOnce(&Handle, ConnId) -> reactor_core::Result<T>,
    ) -> std::result::Result<T, Failure> {
        let conn = self.conn();
        let done = conn.and_then(|conn| state.with_handle(|handle| call(handle, conn)));
        match done {
            Some(done) => done.map_err(Failure::from),
            None => Err(self.closed(state)),
        }
    }

    /// The failure of a call on a connection whose server is over.
    fn closed(&self, state: &State) -> Failure {
        let id = u64::from(self.number(0)) << 32 | u64::from(self.number(1));
        let why = if state.is_remote() { ": its server is gone" } else { "" };
        Failure::new(ErrorKind::Closed, &format!("connection {id} is closed{why}"))
    }

    fn boolean(&self, value: bool) -> Result<sys::napi_value> {
        let mut result = ptr::null_mut();
        // SAFETY: the environment is that of the call that is going on.
        check_status!(unsafe { sys::napi_get_boolean(self.env, value, &mut result) })?;
        Ok(result)
    }

    fn value(&self, value: impl ToNapiValue) -> Result<sys::napi_value> {
        // SAFETY: the environment is that of the call that is going on.
        unsafe { ToNapiValue::to_napi_value(self.env, value) }
    }
}

fn conn_of(high: u32, low: u32) -> Option<ConnId> {
    ConnId::from_u64(u64::from(high) << 32 | u64::from(low))
}

/// One of the calls.
trait Call {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value>;
}

struct Write;
struct WriteParts;
struct WriteThen;
struct WriteFrame;
struct WriteMerged;
struct Room;
struct SendTo;
struct Answer;
struct GiveBack;
struct GiveAgain;
struct TakeWritten;
struct IsOpen;

impl Arguments {
    /// What a call of bytes answers. `None`: they were none.
    fn written(&self, written: Option<std::result::Result<Pressure, Failure>>) -> Result<sys::napi_value> {
        match written {
            Some(Ok(pressure)) => self.boolean(pressure == Pressure::Low),
            Some(Err(failure)) => self.value(failure),
            None => self.value(Failure::new(ErrorKind::InvalidArgument, "data must be a Uint8Array")),
        }
    }

    /// Writes pieces, and counts their bytes.
    fn write_parts(
        &self,
        state: &State,
        write: impl FnOnce(&Handle, ConnId, &[&[u8]]) -> reactor_core::Result<Pressure>,
    ) -> Result<sys::napi_value> {
        self.written(self.with_parts(|parts| {
            let pressure = self.with_conn(state, |handle, id| write(handle, id, parts))?;
            state.count_written(parts.iter().map(|part| part.len()).sum());
            Ok(pressure)
        }))
    }
}

impl Call for Write {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.written(arguments.with_bytes(|bytes| {
            let pressure = arguments.with_conn(state, |handle, id| handle.write(id, bytes))?;
            state.count_written(bytes.len());
            Ok(pressure)
        }))
    }
}

impl Call for WriteParts {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.write_parts(state, Handle::write_gathered)
    }
}

impl Call for WriteThen {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let token = arguments.number(3);
        arguments.write_parts(state, |handle, id, parts| handle.write_then(id, parts, completion(id, token)))
    }
}

impl Call for WriteFrame {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.written(arguments.with_bytes(|payload| {
            let pressure = arguments.with_conn(state, |handle, id| handle.write_frame(id, payload))?;
            state.count_written(payload.len());
            Ok(pressure)
        }))
    }
}

/// The numbers of a connection's gathered writes.
const MERGED: usize = 4;

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

impl Call for Room {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let room = arguments.with_conn(state, |handle, id| Ok(handle.room_to_write(id)));
        arguments.value(u32::try_from(room.unwrap_or(0)).unwrap_or(u32::MAX))
    }
}

impl Call for SendTo {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let text = arguments.text(3);
        arguments.written(arguments.with_bytes(|bytes| {
            let to = text.parse::<SocketAddr>().map_err(|_| {
                let known = "an address is IP:PORT, such as 127.0.0.1:5000 or [::1]:5000";
                Failure::new(ErrorKind::InvalidArgument, &format!("{known}, not {text:?}"))
            })?;
            let pressure = arguments.with_conn(state, |handle, id| handle.send_to(id, to, bytes))?;
            state.count_written(bytes.len());
            Ok(pressure)
        }))
    }
}

impl Call for Answer {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        // SAFETY: it is read at once, and nothing of JavaScript's runs on this thread meanwhile.
        let envelope = unsafe { arguments.bytes(arguments.values[3]) }.and_then(Envelope::from_bytes);
        arguments.written(arguments.with_bytes(|bytes| {
            let wrong = || Failure::new(ErrorKind::InvalidArgument, "it is no datagram that can be answered");
            let Envelope { sender, source, .. } = envelope.ok_or_else(wrong)?;
            let answer = |handle: &Handle, id| handle.answer(id, sender, source, bytes);
            let pressure = arguments.with_conn(state, answer)?;
            state.count_written(bytes.len());
            Ok(pressure)
        }))
    }
}

impl Call for GiveBack {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.written(arguments.with_bytes(|bytes| {
            arguments.with_conn(state, |handle, id| handle.give_back(id, bytes.to_vec()))?;
            Ok(Pressure::Low)
        }))
    }
}

impl Call for GiveAgain {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.written(arguments.with_bytes(|bytes| {
            arguments.with_conn(state, |handle, id| handle.hand_over_again(id, bytes.to_vec()))?;
            Ok(Pressure::Low)
        }))
    }
}

impl Call for TakeWritten {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.value(state.take_written())
    }
}

impl Call for IsOpen {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let open = arguments.with_conn(state, |handle, id| Ok(handle.is_open(id)));
        arguments.boolean(open.unwrap_or(false))
    }
}

/// Calls that say nothing but that they were refused.
macro_rules! requests {
    ($($Name:ident: $request:path,)+) => {$(
        struct $Name;

        impl Call for $Name {
            fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
                arguments.value(arguments.with_conn(state, $request).err())
            }
        }
    )+};
}

requests! {
    End: Handle::end,
    Close: Handle::close,
    Fail: Handle::fail,
    Detach: Handle::detach,
    Abort: Handle::abort,
    Wake: Handle::wake,
}

/// The same, which concern what the connection's own thread keeps of it.
macro_rules! asked {
    ($($Name:ident,)+) => {$(
        struct $Name;

        impl Call for $Name {
            fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
                let done = arguments.conn().and_then(|id| state.ask(id, Asked::$Name));
                let done = done.map_or_else(|| Err(arguments.closed(state)), |done| done.map_err(Failure::from));
                arguments.value(done.err())
            }
        }
    )+};
}

asked! {
    Pause,
    Resume,
    Hold,
    Release,
}

/// How JavaScript comes in. Nothing unwinds into it.
unsafe extern "C" fn entry<C: Call>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let (mut values, mut count, mut share) = ([ptr::null_mut(); MOST], MOST, ptr::null_mut());
    // SAFETY: both are those of the call that is going on, and there is room for as many values as are asked for: those
    // that were not given are undefined.
    unsafe {
        let this = ptr::null_mut();
        sys::napi_get_cb_info(env, info, &mut count, values.as_mut_ptr(), this, &mut share);
    }
    // SAFETY: the function that is called keeps its share in the state until it is collected.
    let state = unsafe { &*share.cast::<State>() };
    let arguments = Arguments { env, values };
    let problem = match catch_unwind(AssertUnwindSafe(|| C::call(state, &arguments))) {
        Ok(Ok(result)) => return result,
        Ok(Err(error)) => error,
        Err(_) => napi::Error::from_reason("a defect of the engine was caught at its border"),
    };
    // SAFETY: the environment is that of the call that is going on, which returns at once.
    unsafe { napi::JsError::from(problem).throw_into(env) };
    ptr::null_mut()
}
