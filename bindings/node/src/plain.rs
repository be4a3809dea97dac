//! Calls of JavaScript that are made for each message: plain functions of Node-API. A method of a class costs twenty times
//! as much.

use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::ToNapiValue;
use napi::{check_status, sys, Result};
use napi_derive::napi;
use reactor_core::Handle;

use crate::remote::Asked;
use crate::server::State;

mod arguments;
mod writing;

use arguments::{Arguments, MOST};
use writing::{
    Answer, GiveAgain, GiveBack, Room, SendTo, TakeWritten, Write, WriteFrame, WriteMerged, WriteParts,
    WriteThen,
};

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

/// One of the calls.
trait Call {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value>;
}

struct IsOpen;

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
    Fail: Handle::fail,
    Wake: Handle::wake,
}

/// The same, after which a connection takes no more writes.
macro_rules! ends {
    ($($Name:ident: $end:path,)+) => {$(
        struct $Name;

        impl Call for $Name {
            fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
                let done = arguments.conn().and_then(|id| state.end_conn(id, $end));
                arguments.value(arguments.done(state, done).err())
            }
        }
    )+};
}

ends! {
    End: Handle::end,
    Close: Handle::close,
    Abort: Handle::abort,
}

/// The same, which concern what the connection's own thread keeps of it.
macro_rules! asked {
    ($($Name:ident,)+) => {$(
        struct $Name;

        impl Call for $Name {
            fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
                let done = arguments.conn().and_then(|id| state.ask(id, Asked::$Name));
                arguments.value(arguments.done(state, done).err())
            }
        }
    )+};
}

asked! {
    Pause,
    Resume,
    Hold,
    Release,
    Detach,
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
