//! Functions of the program's that measure frames, where the loop runs on the JavaScript thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;

use crossbeam_channel::{unbounded, Receiver, Sender};
use napi::bindgen_prelude::FromNapiValue;
use napi::{check_status, sys, Result};
use reactor_core::{BoxError, Framing};

/// A function that is given input and answers how many bytes the frame at its beginning has; 0: that cannot be told yet; less: it
/// is none. A share in it may be dropped on any thread.
#[derive(Clone)]
pub struct Measure(Arc<Key>);

struct Key {
    id: u64,
    /// To the thread that has the function.
    dropped: Sender<u64>,
}

impl Drop for Key {
    fn drop(&mut self) {
        // A thread that has ended has nothing left to let go of.
        let _ = self.dropped.send(self.id);
    }
}

thread_local! {
    static FUNCTIONS: Functions = Functions::default();
}

/// The functions of a thread. Those that are left at its end go with its environment, which has ended before.
struct Functions {
    known: RefCell<HashMap<u64, (sys::napi_env, sys::napi_ref)>>,
    dropped: (Sender<u64>, Receiver<u64>),
}

impl Default for Functions {
    fn default() -> Self {
        Functions { known: RefCell::default(), dropped: unbounded() }
    }
}

impl Functions {
    fn add(&self, env: sys::napi_env, function: sys::napi_value) -> Result<Measure> {
        self.let_go();
        let mut reference = ptr::null_mut();
        // SAFETY: the environment is that of this thread, and the value is an argument of the call that is going on.
        check_status!(unsafe { sys::napi_create_reference(env, function, 1, &mut reference) })?;
        let mut known = self.known.borrow_mut();
        let id = known.keys().max().map_or(0, |last| last + 1);
        known.insert(id, (env, reference));
        Ok(Measure(Arc::new(Key { id, dropped: self.dropped.0.clone() })))
    }

    /// Lets go of those that nobody has any more.
    fn let_go(&self) {
        for id in self.dropped.1.try_iter() {
            if let Some((env, reference)) = self.known.borrow_mut().remove(&id) {
                // SAFETY: it was made in this environment, which is alive, as it has called this; and is removed once.
                unsafe { sys::napi_delete_reference(env, reference) };
            }
        }
    }
}

impl FromNapiValue for Measure {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        FUNCTIONS.with(|functions| functions.add(env, value))
    }
}

impl Measure {
    /// The framing that it makes.
    pub(crate) fn framing(&self, max_frame: usize) -> Framing {
        let measure = self.clone();
        Framing::custom(move |input| measure.ask(input)).max_frame(max_frame)
    }

    fn ask(&self, input: &[u8]) -> std::result::Result<Option<usize>, BoxError> {
        let known = FUNCTIONS.with(|functions| functions.known.borrow().get(&self.0.id).copied());
        let (env, function) = known.ok_or("its function is another thread's")?;
        let mut handles = ptr::null_mut();
        // SAFETY: the environment is that of this thread.
        unsafe { sys::napi_open_handle_scope(env, &mut handles) };
        let size = call(env, function, input);
        // SAFETY: it was opened above; no value of it is used any more.
        unsafe { sys::napi_close_handle_scope(env, handles) };
        match size.map_err(|error| error.reason.clone())? {
            0 => Ok(None),
            size => Ok(Some(usize::try_from(size).map_err(|_| "its function says that it is no frame")?)),
        }
    }
}

/// Calls a function with a copy of the input, in the handle scope that is open. The package's own catches what the user's throws.
fn call(env: sys::napi_env, function: sys::napi_ref, input: &[u8]) -> Result<i64> {
    let (mut callee, mut undefined) = (ptr::null_mut(), ptr::null_mut());
    let (mut memory, mut buffer, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let mut size = 0;
    // SAFETY: the environment is that of this thread, the reference is one of it, and the results are places of ours. Pointer and
    // length describe the bytes, which are only read.
    unsafe {
        check_status!(sys::napi_get_reference_value(env, function, &mut callee))?;
        check_status!(sys::napi_get_undefined(env, &mut undefined))?;
        let copied = (input.len(), input.as_ptr().cast());
        check_status!(sys::napi_create_buffer_copy(env, copied.0, copied.1, &mut memory, &mut buffer))?;
        check_status!(sys::napi_call_function(env, undefined, callee, 1, &buffer, &mut result))?;
        check_status!(sys::napi_get_value_int64(env, result, &mut size))?;
    }
    Ok(size)
}
