//! The inline way: a server's one loop is driven by Node's own event loop, on the JavaScript thread.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use napi::{sys, Env};
use reactor_core::binding::log::HandOver;
use reactor_core::{Error, ErrorKind, Handle, Hosted, Result, Server};

use crate::channel::Channel;
use crate::detached::Offer;
use crate::entry::Entry;
use crate::hand_over::Writes;
use crate::measure;
use crate::uv::{OnDescriptor, Polled, Uv};

/// Turns for one readable descriptor, as long as each brings much: then more has come meanwhile, as a rule. What else Node has to do
/// waits so long.
const TURNS: usize = 4;
/// And no further turn when they have taken so long: short messages are many.
const LONG: Duration = Duration::from_millis(5);
/// Records that are much. Of fewer the next turn would often find nothing.
const MUCH: usize = 8;

thread_local! {
    /// Who takes what the loop that turns now has gathered.
    static TURNING: RefCell<Option<Rc<Inline>>> = const { RefCell::new(None) };
}

/// A server that Node's event loop drives, from the start to the stop. On the JavaScript thread.
pub(crate) struct Inline {
    env: Env,
    channel: Channel,
    /// The way into JavaScript.
    entry: Entry,
    /// Lent to a turn; `None` when the server has ended.
    hosted: RefCell<Option<Hosted>>,
    /// `None` when it is being closed.
    polled: RefCell<Option<Polled>>,
    /// The environment waits with its end until this is given back, when nothing of libuv's is left.
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
    /// Records that the turn which goes on has brought.
    brought: Cell<usize>,
}

impl Inline {
    /// What the program must have to run a server this way.
    pub(crate) fn uv() -> Result<&'static Uv> {
        let message = "mode 'inline' needs libuv's uv_poll_start, which this program does not export: use mode 'threads'";
        Uv::get().ok_or_else(|| Error::new(ErrorKind::Unsupported, message))
    }

    /// Starts a server of one loop, whose `on_start` opens the channel.
    pub(crate) fn start(env: Env, server: &Server, entry: Entry, channel: Channel) -> Result<Rc<Inline>> {
        let uv = Self::uv()?;
        let hosted = server.start_hosted_now()?;
        let descriptor = hosted.poll_fd();
        let inline = Rc::new(Inline {
            env,
            channel,
            entry,
            hosted: RefCell::new(Some(hosted)),
            polled: RefCell::default(),
            hook: Cell::new(ptr::null_mut()),
            brought: Cell::new(0),
        });
        let told = Rc::clone(&inline) as Rc<dyn OnDescriptor>;
        match Polled::start(env.raw(), uv, descriptor, told) {
            Ok(polled) => inline.polled.replace(Some(polled)),
            Err(message) => {
                inline.end();
                return Err(Error::new(ErrorKind::System, format!("cannot start: {message}")));
            }
        };
        inline.add_hook();
        // It is here for what the operator must know, which is no reason to go on.
        inline.channel.set_ref(&env, false);
        Ok(inline)
    }

    /// Whether the server keeps the process alive.
    pub(crate) fn set_ref(&self, keeps_alive: bool) {
        self.polled.borrow().iter().for_each(|polled| polled.set_ref(keeps_alive));
    }

    /// What is queued leaves now, for a process that is about to exit: by a turn, or within the one that goes on.
    pub(crate) fn send_now(self: &Rc<Self>, server: &Handle) {
        match self.turn_once() {
            Some(true) => {}
            Some(false) => self.stopped(),
            // What is left the kernel does not take.
            None => {
                for id in server.connection_ids() {
                    let _ = server.send_now(id);
                }
            }
        }
    }

    fn add_hook(self: &Rc<Self>) {
        let share = Rc::into_raw(Rc::clone(self)).cast_mut().cast();
        let mut handle = ptr::null_mut();
        // SAFETY: the environment is that of this thread; the share is given back with the hook.
        let status =
            unsafe { sys::napi_add_async_cleanup_hook(self.env.raw(), Some(tear_down), share, &mut handle) };
        debug_assert_eq!(status, sys::Status::napi_ok, "only a null argument is refused");
        self.hook.set(handle);
    }

    /// Turns while that brings much, but not for ever.
    fn turn(self: &Rc<Self>) {
        let begin = Instant::now();
        for _ in 0..TURNS {
            self.brought.set(0);
            match self.turn_once() {
                Some(true) if self.brought.get() >= MUCH && begin.elapsed() < LONG => {}
                Some(false) => return self.stopped(),
                _ => return,
            }
        }
    }

    /// One turn; says whether the server goes on. `None` within a turn: somebody runs Node's event loop in a callback.
    fn turn_once(self: &Rc<Self>) -> Option<bool> {
        let mut hosted = self.hosted.try_borrow_mut().ok()?;
        let before = TURNING.replace(Some(Rc::clone(self)));
        let goes_on = hosted.as_mut().map(|hosted| hosted.turn(Some(Duration::ZERO)));
        TURNING.set(before);
        // A framing may have been replaced, or its connection have ended.
        measure::let_go();
        // The start was not refused any more; an error is that of a forked child, in which nothing goes on.
        goes_on.map(|goes_on| goes_on.unwrap_or(false))
    }

    /// The server has stopped: tells JavaScript, as its last.
    fn stopped(&self) {
        self.end();
        self.entry.stopped();
        self.entry.close();
    }

    /// Lets go of the loop. Connections that are left are closed.
    fn end(&self) {
        self.channel.close();
        // First, so that libuv never polls a descriptor that is closed.
        self.polled.take().into_iter().for_each(Polled::close);
        drop(self.hosted.take());
    }
}

impl OnDescriptor for Inline {
    fn readable(self: Rc<Self>) {
        // Nothing unwinds into libuv.
        if catch_unwind(AssertUnwindSafe(|| self.turn())).is_err() {
            self.entry.warn("a defect of the engine was caught at its border");
        }
    }

    fn closed(self: Rc<Self>) {
        let hook = self.hook.replace(ptr::null_mut());
        if !hook.is_null() {
            // SAFETY: the handle is given back once. The hook's share in this goes with it.
            unsafe {
                sys::napi_remove_async_cleanup_hook(hook);
                Rc::decrement_strong_count(Rc::as_ptr(&self));
            }
        }
    }
}

/// The environment ends, with a running server in it or one that has just ended. JavaScript is called no more. The hook is
/// given back when libuv has let go of the handle.
unsafe extern "C" fn tear_down(_hook: sys::napi_async_cleanup_hook_handle, share: *mut c_void) {
    // SAFETY: the hook has a share in it until it is removed.
    let inline = unsafe { &*share.cast::<Inline>() };
    inline.end();
    inline.entry.close();
}

/// Whether this thread is within a turn of a loop that it drives.
pub(crate) fn turns_here() -> bool {
    TURNING.with_borrow(Option::is_some)
}

/// Has JavaScript call what it knows by this token, if the loop that has come to it turns inline; says whether.
pub(crate) fn run(token: u32) -> bool {
    let Some(inline) = TURNING.with_borrow(Option::clone) else { return false };
    inline.entry.ran(token);
    true
}

/// Has JavaScript handle what a loop has gathered, if it is one that turns inline now; else gives it back as an error.
pub(crate) fn handle(mut hand_over: HandOver, writes: Writes) -> std::result::Result<HandOver, HandOver> {
    let Some(inline) = TURNING.with_borrow(Option::clone) else { return Err(hand_over) };
    inline.brought.set(hand_over.records().len());
    let _offer = Offer::of(&mut hand_over);
    inline.entry.call(&hand_over, writes);
    Ok(hand_over)
}
