//! The end of an environment with a running server in it: a worker that is terminated.

use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::{sys, Env};
use reactor_core::Handle;

use crate::channel::Channel;
use crate::server::State;

/// Stops a server when its environment is torn down, before the way to JavaScript goes: hooks run in reverse
/// order, and this one is made after the thread-safe function's. It lives from the start to the stop, on the
/// JavaScript thread.
pub(crate) struct StopAtTeardown {
    env: sys::napi_env,
    running: Box<Running>,
}

struct Running {
    state: Rc<State>,
    channel: Channel,
}

impl StopAtTeardown {
    pub(crate) fn new(env: Env, state: Rc<State>, channel: Channel) -> Self {
        let hook = StopAtTeardown { env: env.raw(), running: Box::new(Running { state, channel }) };
        // SAFETY: the environment is alive, and this is its thread. What the argument points to outlives the
        // hook, which `drop` removes first.
        let status = unsafe { sys::napi_add_env_cleanup_hook(hook.env, Some(tear_down), hook.argument()) };
        debug_assert_eq!(status, sys::Status::napi_ok, "only a null argument is refused");
        hook
    }

    fn argument(&self) -> *mut c_void {
        ptr::from_ref(&*self.running).cast_mut().cast()
    }
}

impl Drop for StopAtTeardown {
    fn drop(&mut self) {
        // SAFETY: this runs on the environment's thread while it exists, at the latest in a finalizer;
        // removing a hook that has run does nothing.
        unsafe { sys::napi_remove_env_cleanup_hook(self.env, Some(tear_down), self.argument()) };
    }
}

/// Waits for the loops. They end without JavaScript: handing over to a closing environment does not block. The server's
/// descriptors go with it: not every program finalizes what an environment leaves, as Node does.
unsafe extern "C" fn tear_down(running: *mut c_void) {
    // SAFETY: the argument belongs to a `StopAtTeardown` that is alive, and is only read.
    let Running { state, channel } = unsafe { &*running.cast::<Running>() };
    state.with_handle(Handle::stop);
    state.end(false);
    channel.clear();
}
