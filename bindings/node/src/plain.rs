//! Calls of JavaScript that are made for each message: plain functions of Node-API. A method of a class costs twenty times
//! as much.

use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::rc::Rc;

use napi::bindgen_prelude::ToNapiValue;
use napi::{check_status, sys, Result};
use napi_derive::napi;
use reactor_core::{ConnId, ErrorKind, Handle, Pressure};

use crate::failure::Failure;
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
    /// Bytes written since the last call.
    #[napi(ts_type = "() => number")]
    pub take_written: Plain,
    /// Closes a connection.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub close: Plain,
    /// Closes a connection whose callback failed.
    #[napi(ts_type = "(high: number, low: number) => Failure | null")]
    pub fail: Plain,
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
        Ok(Calls {
            write: function(env, state, Some(entry::<Write>))?,
            take_written: function(env, state, Some(entry::<TakeWritten>))?,
            close: function(env, state, Some(entry::<Close>))?,
            fail: function(env, state, Some(entry::<Fail>))?,
            hold_conn: function(env, state, Some(entry::<Hold>))?,
            release_conn: function(env, state, Some(entry::<Release>))?,
            is_open: function(env, state, Some(entry::<IsOpen>))?,
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
    values: [sys::napi_value; 3],
}

impl Arguments {
    /// A number, as JavaScript makes one of 32 bits of it; 0 of what is none.
    fn number(&self, place: usize) -> u32 {
        let mut number = 0;
        // SAFETY: the value is an argument of the call that is going on, or undefined.
        unsafe { sys::napi_get_value_uint32(self.env, self.values[place], &mut number) };
        number
    }

    fn conn(&self) -> Option<ConnId> {
        ConnId::from_u64(u64::from(self.number(0)) << 32 | u64::from(self.number(1)))
    }

    /// The bytes of the last argument, while `use_them` runs, which does not come back to JavaScript.
    fn with_bytes<T>(&self, use_them: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: the value is an argument of the call that is going on; results that are null are not asked for.
        let status = unsafe {
            let value = self.values[2];
            let nothing = ptr::null_mut();
            sys::napi_get_typedarray_info(
                self.env,
                value,
                &mut kind,
                &mut len,
                &mut data,
                ptr::null_mut(),
                nothing,
            )
        };
        if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
            return None;
        }
        let bytes = match data.is_null() || len == 0 {
            true => &[],
            // SAFETY: it is the memory of an array that the caller holds. Nothing of JavaScript's runs on this thread until
            // `use_them` has returned. Memory that is shared with a worker may change meanwhile; the bytes are only copied.
            false => unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) },
        };
        Some(use_them(bytes))
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
            None => Err(Failure::new(ErrorKind::Closed, "the connection is closed")),
        }
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

/// One of the calls.
trait Call {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value>;
}

struct Write;
struct TakeWritten;
struct Close;
struct Fail;
struct Hold;
struct Release;
struct IsOpen;

impl Call for Write {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let written: Option<std::result::Result<_, Failure>> = arguments.with_bytes(|bytes| {
            let pressure = arguments.with_conn(state, |handle, id| handle.write(id, bytes))?;
            state.count_written(bytes.len());
            Ok(pressure)
        });
        match written {
            Some(Ok(pressure)) => arguments.boolean(pressure == Pressure::Low),
            Some(Err(failure)) => arguments.value(failure),
            None => arguments.value(Failure::new(ErrorKind::InvalidArgument, "data must be a Uint8Array")),
        }
    }
}

impl Call for TakeWritten {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.value(state.take_written())
    }
}

impl Call for Close {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.value(arguments.with_conn(state, Handle::close).err())
    }
}

impl Call for Fail {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.value(arguments.with_conn(state, Handle::fail).err())
    }
}

impl Call for Hold {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.value(arguments.with_conn(state, Handle::hold).err())
    }
}

impl Call for Release {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        arguments.value(arguments.with_conn(state, Handle::release).err())
    }
}

impl Call for IsOpen {
    fn call(state: &State, arguments: &Arguments) -> Result<sys::napi_value> {
        let open = arguments.with_conn(state, |handle, id| Ok(handle.is_open(id)));
        arguments.boolean(open.unwrap_or(false))
    }
}

/// How JavaScript comes in. Nothing unwinds into it.
unsafe extern "C" fn entry<C: Call>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let (mut values, mut count, mut share) = ([ptr::null_mut(); 3], 3, ptr::null_mut());
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
