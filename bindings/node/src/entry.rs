//! The way into JavaScript from Node's event loop, where no JavaScript runs.

use std::cell::RefCell;
use std::ptr;

use napi::bindgen_prelude::{FunctionRef, JsValue};
use napi::threadsafe_function::UnknownReturnValue;
use napi::{check_status, sys, Env, Result};
use reactor_core::binding::log::HandOver;

use crate::channel::warn;
use crate::hand_over::{ran, stopped, Arguments, Kept, Message, Writes};

/// The function that takes what was gathered, and the asynchronous context that it is called in. When a call is over, ticks and
/// microtasks have run as well.
pub(crate) struct Entry {
    env: Env,
    kept: Kept,
    open: RefCell<Option<Open>>,
}

struct Open {
    deliver: FunctionRef<Message, UnknownReturnValue>,
    context: sys::napi_async_context,
}

impl Entry {
    pub(crate) fn new(
        env: Env,
        deliver: FunctionRef<Message, UnknownReturnValue>,
        kept: Kept,
    ) -> Result<Entry> {
        let name = env.create_string("reactor-engine")?;
        let mut context = ptr::null_mut();
        // SAFETY: the environment is that of this thread. Without an object of ours the context has one of its own.
        check_status!(unsafe { sys::napi_async_init(env.raw(), ptr::null_mut(), name.raw(), &mut context) })?;
        Ok(Entry { env, kept, open: RefCell::new(Some(Open { deliver, context })) })
    }

    /// Calls JavaScript with what was gathered. What fails becomes a warning of the process, unless the environment is being torn
    /// down.
    pub(crate) fn call(&self, hand_over: &HandOver, writes: Writes) {
        self.in_scope(|| {
            let arguments = Arguments::of(self.env.raw(), hand_over, writes, self.kept)?;
            let called = self.deliver(arguments.values());
            arguments.take_back();
            called
        });
    }

    /// The same with nothing: the server has stopped.
    pub(crate) fn stopped(&self) {
        self.in_scope(|| self.deliver(&stopped(self.env.raw())?));
    }

    /// The same with what a loop has come to.
    pub(crate) fn ran(&self, token: u32) {
        self.in_scope(|| self.deliver(&ran(self.env.raw(), token)?));
    }

    /// Warns of something else.
    pub(crate) fn warn(&self, reason: &str) {
        self.in_scope(|| Err(napi::Error::from_reason(reason)));
    }

    /// Runs a part in which values of JavaScript are made, and warns of its failure.
    fn in_scope(&self, part: impl FnOnce() -> Result<()>) {
        let (env, mut handles) = (self.env.raw(), ptr::null_mut());
        // SAFETY: the environment is that of this thread.
        unsafe { sys::napi_open_handle_scope(env, &mut handles) };
        if let Err(error) = part() {
            let _ = warn(&self.env, &error.reason);
        }
        // SAFETY: it was opened above; no value of it is used any more.
        unsafe { sys::napi_close_handle_scope(env, handles) };
    }

    /// Calls the function, unless nobody is to be called any more.
    fn deliver(&self, arguments: &[sys::napi_value]) -> Result<()> {
        let (deliver, context) = match &*self.open.borrow() {
            Some(open) => (open.deliver.borrow_back(&self.env)?.raw(), open.context),
            None => return Ok(()),
        };
        call_in_context(self.env.raw(), context, deliver, arguments)
    }

    /// Lets go of the function and the context; nobody is called any more.
    pub(crate) fn close(&self) {
        let Some(Open { deliver, context }) = self.open.take() else { return };
        drop(deliver);
        // SAFETY: it was made in this environment, and is not used any more.
        unsafe { sys::napi_async_destroy(self.env.raw(), context) };
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.close();
    }
}

/// Calls a function as Node calls those of its own. What it has thrown is the error.
fn call_in_context(
    env: sys::napi_env,
    context: sys::napi_async_context,
    function: sys::napi_value,
    arguments: &[sys::napi_value],
) -> Result<()> {
    let (mut undefined, mut scope, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the environment is that of this thread, the values are of the handle scope that is open.
    check_status!(unsafe { sys::napi_get_undefined(env, &mut undefined) })?;
    // SAFETY: as above; the object is ignored, as the context has one.
    check_status!(unsafe { sys::napi_open_callback_scope(env, undefined, context, &mut scope) })?;
    // SAFETY: as above.
    let status = unsafe {
        sys::napi_call_function(env, undefined, function, arguments.len(), arguments.as_ptr(), &mut result)
    };
    let called = check_status!(status).map_err(|error| thrown(env).unwrap_or(error));
    // SAFETY: it was opened above. Ticks and microtasks run now; what they throw goes the way of all that is not caught.
    unsafe { sys::napi_close_callback_scope(env, scope) };
    called
}

/// What was thrown, which is pending no more.
fn thrown(env: sys::napi_env) -> Option<napi::Error> {
    let mut error = ptr::null_mut();
    // SAFETY: the environment is that of this thread.
    let status = unsafe { sys::napi_get_and_clear_last_exception(env, &mut error) };
    if status != sys::Status::napi_ok || error.is_null() {
        return None;
    }
    // SAFETY: a value of the handle scope that is open.
    Some(unsafe { napi::bindgen_prelude::Unknown::from_raw_unchecked(env, error) }.into())
}
