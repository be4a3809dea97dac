//! SIGINT and SIGTERM, told to those who want to stop at them. The process has one handler for each signal, so those who watch
//! share it: it is there while anybody watches.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libc::{c_int, sigaction};

use super::system::errno;
use super::{check, fork};

const SIGNALS: [c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// Who is to be told.
struct Watcher {
    /// The process that watches: in a forked child nobody does, until somebody there begins to.
    process: u32,
    told: Box<dyn Fn() + Send + Sync>,
}

impl Watcher {
    fn is_here(&self) -> bool {
        fork::is_still(self.process)
    }
}

/// All who watch. It is never changed but replaced, since the handler may be reading it.
struct Watchers {
    /// What was done with the signals before they had our handler.
    before: [sigaction; 2],
    /// In a forked child those of its parent, too, until one of its own comes or goes.
    all: Vec<Arc<Watcher>>,
}

/// NULL if nobody has ever watched. Afterwards there are always some, be it without anybody: the handler may be called late, or
/// be put back by somebody who found it.
static WATCHERS: AtomicPtr<Watchers> = AtomicPtr::new(ptr::null_mut());
/// Held while they are replaced.
static CHANGING: Mutex<()> = Mutex::new(());
/// How many threads are in the handler, below the number of their process: a forked child has a copy of what its parent has
/// counted, and none of the threads.
static INSIDE: AtomicU64 = AtomicU64::new(0);

/// Has the signals told until it is dropped. Then, if nobody else watches, what was done with them before is done again,
/// unless somebody has changed that meanwhile.
pub(crate) struct StopSignals(Arc<Watcher>);

impl StopSignals {
    /// `told` is called in a signal handler, on whichever thread, and on several at once: it must be async-signal-safe.
    pub(crate) fn watch(told: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let watcher = Arc::new(Watcher { process: fork::process(), told: Box::new(told) });
        let changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        let before = dispositions()?;
        let mut all = others(&watcher);
        all.push(Arc::clone(&watcher));
        // Before there is a handler, which then finds them.
        replace(Watchers { before, all });
        let stop_signals = StopSignals(watcher);
        // Even if others watch: the program may have changed it since.
        let handled = handle();
        drop(changing);
        handled.map(|()| stop_signals)
    }

    /// Whether it was this process that began to watch: a forked child has only a copy.
    pub(crate) fn is_here(&self) -> bool {
        self.0.is_here()
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Watchers { before, .. }) = current() else { return };
        let (before, all) = (*before, others(&self.0));
        if all.is_empty() {
            give_back(&before);
        }
        replace(Watchers { before, all });
    }
}

/// Who else watches in this process. With the lock held.
fn others(than: &Arc<Watcher>) -> Vec<Arc<Watcher>> {
    let all = current().into_iter().flat_map(|watchers| &watchers.all);
    all.filter(|other| other.is_here() && !Arc::ptr_eq(other, than)).map(Arc::clone).collect()
}

/// Those who watch now; with the lock held, which keeps them.
fn current<'a>() -> Option<&'a Watchers> {
    // SAFETY: NULL, or what `replace` has made of a box. Only `replace` takes it away, which callers that hold the lock call
    // when they have no use of this any more.
    unsafe { WATCHERS.load(Ordering::SeqCst).as_ref() }
}

/// Replaces those who watch; when it returns, no handler knows the former ones. With the lock held.
fn replace(watchers: Watchers) {
    let next = Box::into_raw(Box::new(watchers));
    let former = WATCHERS.swap(next, Ordering::SeqCst);
    // A handler takes no lock, and so ends.
    while counted(INSIDE.load(Ordering::SeqCst), fork::process()) > 0 {
        std::thread::yield_now();
    }
    if !former.is_null() {
        // SAFETY: made by `Box::into_raw` here. Who is in the handler from now on has found others.
        drop(unsafe { Box::from_raw(former) });
    }
}

/// How many threads of this process are in the handler, by what [`INSIDE`] has.
fn counted(word: u64, process: u32) -> u32 {
    match word >> 32 == u64::from(process) {
        // The lower half.
        true => word as u32,
        false => 0,
    }
}

/// Changes how many threads of this process are in the handler.
fn count(change: impl Fn(u32) -> u32) {
    let process = fork::process();
    let changed = |word| Some(u64::from(process) << 32 | u64::from(change(counted(word, process))));
    let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, changed);
}

/// Async-signal-safe, as `told` is.
extern "C" fn on_signal(number: c_int) {
    errno::preserved(|| {
        count(|inside| inside + 1);
        // SAFETY: `replace` lets nobody go while a thread is counted.
        if let Some(watchers) = unsafe { WATCHERS.load(Ordering::SeqCst).as_ref() } {
            watchers.tell(number);
        }
        count(|inside| inside.saturating_sub(1));
    });
}

impl Watchers {
    fn tell(&self, number: c_int) {
        let mut own = self.all.iter().filter(|watcher| watcher.is_here()).peekable();
        if own.peek().is_none() {
            return self.pass_on(number);
        }
        own.for_each(|watcher| (watcher.told)());
    }

    /// Nobody watches: in a child that was forked, by a callback say, and goes on; or not any more. What the signal did before it
    /// does as soon as the handler returns.
    fn pass_on(&self, number: c_int) {
        for (signal, before) in SIGNALS.iter().zip(&self.before) {
            if *signal == number {
                // SAFETY: the disposition is one that sigaction gave us; raise takes no pointer. Both are async-signal-safe.
                unsafe {
                    sigaction(number, before, ptr::null_mut());
                    libc::raise(number);
                }
            }
        }
    }
}

/// What is done with each of the signals but for our handler, or was before it. With the lock held.
fn dispositions() -> io::Result<[sigaction; 2]> {
    let [interrupt, terminate] = SIGNALS.map(disposition);
    let mut before = [interrupt?, terminate?];
    if let Some(watchers) = current() {
        let ours = before.iter_mut().zip(&watchers.before).filter(|(now, _)| now.sa_sigaction == handler());
        ours.for_each(|(now, before)| *now = *before);
    }
    Ok(before)
}

fn disposition(number: c_int) -> io::Result<sigaction> {
    let mut now = MaybeUninit::uninit();
    // SAFETY: sigaction writes to `now`, which outlives the call, unless it fails.
    unsafe {
        check(sigaction(number, ptr::null(), now.as_mut_ptr()))?;
        Ok(now.assume_init())
    }
}

fn handle() -> io::Result<()> {
    // SAFETY: zeroes are a disposition: the default one, with an empty mask.
    let mut ours: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    ours.sa_sigaction = handler();
    ours.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    SIGNALS.iter().try_for_each(|number| {
        // SAFETY: the set and the disposition outlive the calls; the handler is async-signal-safe. On one thread it is not
        // interrupted by itself: both signals are in the set.
        unsafe {
            for each in SIGNALS {
                libc::sigaddset(&mut ours.sa_mask, each);
            }
            check(sigaction(*number, &ours, ptr::null_mut())).map(drop)
        }
    })
}

/// Does again what was done before, with those signals that have our handler.
fn give_back(before: &[sigaction; 2]) {
    for (number, before) in SIGNALS.into_iter().zip(before) {
        let is_ours = disposition(number).is_ok_and(|now| now.sa_sigaction == handler());
        if is_ours {
            // SAFETY: the disposition is one that sigaction gave us.
            unsafe { sigaction(number, before, ptr::null_mut()) };
        }
    }
}

fn handler() -> libc::sighandler_t {
    on_signal as extern "C" fn(c_int) as libc::sighandler_t
}
