//! Node's own event loop, libuv: the few functions that polling a descriptor needs. Node's program exports them. They are looked
//! for when they are needed, so that the addon loads where there are none.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::OnceLock;

use napi::sys;

/// `UV_POLL` of `uv_handle_type`, and `UV_READABLE` of `uv_poll_event`: part of libuv's binary interface.
const POLL: c_int = 8;
const READABLE: c_int = 1;

type OnReadable = unsafe extern "C" fn(NonNull<c_void>, c_int, c_int);
type OnClosed = unsafe extern "C" fn(NonNull<c_void>);

/// The functions.
pub(crate) struct Uv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    poll_init: unsafe extern "C" fn(NonNull<sys::uv_loop_s>, NonNull<c_void>, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(NonNull<c_void>, c_int, OnReadable) -> c_int,
    set_data: unsafe extern "C" fn(NonNull<c_void>, *mut c_void),
    get_data: unsafe extern "C" fn(NonNull<c_void>) -> *mut c_void,
    ref_handle: unsafe extern "C" fn(NonNull<c_void>),
    unref_handle: unsafe extern "C" fn(NonNull<c_void>),
    close: unsafe extern "C" fn(NonNull<c_void>, OnClosed),
    error_name: unsafe extern "C" fn(c_int) -> *const c_char,
}

/// Looks one of them up.
///
/// # Safety
/// `F` is the type of the function with this name.
unsafe fn find<F: Copy>(name: &CStr) -> Option<F> {
    // SAFETY: the name ends with a zero; whatever is loaded is searched.
    let found = NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })?;
    const { assert!(size_of::<F>() == size_of::<NonNull<c_void>>()) };
    // SAFETY: a function's address, which the caller knows the type of.
    Some(unsafe { std::mem::transmute_copy(&found) })
}

impl Uv {
    /// `None` where the program has no libuv to offer.
    pub(crate) fn get() -> Option<&'static Uv> {
        static FOUND: OnceLock<Option<Uv>> = OnceLock::new();
        FOUND.get_or_init(Self::look).as_ref()
    }

    fn look() -> Option<Uv> {
        // SAFETY: the types are those of uv.h, which libuv keeps within its version 1.
        unsafe {
            Some(Uv {
                handle_size: find(c"uv_handle_size")?,
                poll_init: find(c"uv_poll_init")?,
                poll_start: find(c"uv_poll_start")?,
                set_data: find(c"uv_handle_set_data")?,
                get_data: find(c"uv_handle_get_data")?,
                ref_handle: find(c"uv_ref")?,
                unref_handle: find(c"uv_unref")?,
                close: find(c"uv_close")?,
                error_name: find(c"uv_err_name")?,
            })
        }
    }
}

/// Who is told about a descriptor, on the event loop's thread.
pub(crate) trait OnDescriptor {
    /// It is readable.
    fn readable(self: Rc<Self>);
    /// The event loop has let go of it, after [`Polled::close`].
    fn closed(self: Rc<Self>);
}

/// A descriptor that an event loop polls, by its level, until [`close`](Self::close). It stays on that loop's thread.
pub(crate) struct Polled {
    uv: &'static Uv,
    handle: NonNull<c_void>,
}

/// What a handle's `data` points to.
struct Owned {
    /// The handle itself.
    _memory: Box<[u128]>,
    told: Rc<dyn OnDescriptor>,
}

impl Polled {
    /// Has an environment's event loop poll a descriptor. Meanwhile it keeps the process alive.
    ///
    /// # Errors
    /// What is wrong, in libuv's words.
    pub(crate) fn start(
        env: sys::napi_env,
        uv: &'static Uv,
        descriptor: RawFd,
        told: Rc<dyn OnDescriptor>,
    ) -> Result<Polled, String> {
        let mut event_loop = ptr::null_mut();
        // SAFETY: the environment is that of this thread.
        unsafe { sys::napi_get_uv_event_loop(env, &mut event_loop) };
        let event_loop = NonNull::new(event_loop).ok_or("the environment has no event loop")?;
        // SAFETY: POLL is a type of handle.
        let size = unsafe { (uv.handle_size)(POLL) };
        let mut memory = vec![0; size.div_ceil(size_of::<u128>())].into_boxed_slice();
        let handle = NonNull::from(&mut *memory).cast();
        let owned = Box::new(Owned { _memory: memory, told });
        // SAFETY: there is room for a handle of this type; it lives until it is closed, or was not begun with.
        let done = unsafe { (uv.poll_init)(event_loop, handle, descriptor) };
        uv.check(done)?;
        // SAFETY: the handle is whole now. What the data points to lives as long.
        unsafe { (uv.set_data)(handle, Box::into_raw(owned).cast()) };
        let polled = Polled { uv, handle };
        // SAFETY: as above.
        let done = unsafe { (uv.poll_start)(handle, READABLE, on_readable) };
        match uv.check(done) {
            Ok(()) => Ok(polled),
            Err(message) => {
                polled.close();
                Err(message)
            }
        }
    }

    /// Whether it keeps the process alive.
    pub(crate) fn set_ref(&self, keeps_alive: bool) {
        let set = if keeps_alive { self.uv.ref_handle } else { self.uv.unref_handle };
        // SAFETY: the handle lives until it is closed, which consumes this.
        unsafe { set(self.handle) };
    }

    /// Polls the descriptor no more: it may be closed now. When the event loop has let go of the handle,
    /// [`OnDescriptor::closed`] is called.
    pub(crate) fn close(self) {
        // SAFETY: the handle is open, as this is called once.
        unsafe { (self.uv.close)(self.handle, on_closed) };
    }
}

impl Uv {
    fn check(&self, done: c_int) -> Result<(), String> {
        if done == 0 {
            return Ok(());
        }
        // SAFETY: the name of any number is static text.
        let name = unsafe { CStr::from_ptr((self.error_name)(done)) };
        Err(format!("the event loop does not poll the descriptor: {}", name.to_string_lossy()))
    }
}

unsafe extern "C" fn on_readable(handle: NonNull<c_void>, _status: c_int, _events: c_int) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: the handle is one of ours, and its data lives until it is closed.
    let told = unsafe { Rc::clone(&(*(uv.get_data)(handle).cast::<Owned>()).told) };
    told.readable();
}

unsafe extern "C" fn on_closed(handle: NonNull<c_void>) {
    let Some(uv) = Uv::get() else { return };
    // SAFETY: the data came from `Box::into_raw`, and this is the last that is heard of the handle.
    let owned = unsafe { Box::from_raw((uv.get_data)(handle).cast::<Owned>()) };
    Rc::clone(&owned.told).closed();
}
