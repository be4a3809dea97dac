//! Telling processes apart: asking the system takes a call each time.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Once;

pub(crate) use super::system::thread::end as end_thread;

/// How many forks lie between this process and the one that first asked, from 1.
static PROCESS: AtomicU32 = AtomicU32::new(1);
/// Forks of this process, and of its parents before them; and how many of them were its parents'.
static FORKS: AtomicU32 = AtomicU32::new(0);
static PARENTS: AtomicU32 = AtomicU32::new(0);

/// What [`marked`] leaves in a child.
pub(crate) const IN_CHILD: usize = usize::MAX;

/// A number on the calling thread that a fork changes in the child.
struct Mark {
    number: *const Cell<usize>,
    outer: *const Mark,
}

thread_local! {
    /// The innermost of the calling thread's.
    static MARKS: Cell<*const Mark> = const { Cell::new(ptr::null()) };
}

extern "C" fn before() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn in_child() {
    PROCESS.fetch_add(1, Ordering::SeqCst);
    PARENTS.store(FORKS.load(Ordering::SeqCst), Ordering::SeqCst);
    let mut next = MARKS.get();
    while !next.is_null() {
        // SAFETY: this is the thread that forked. What is on its list is borrowed by a `marked` that it has not left, and
        // such a cell belongs to one thread.
        unsafe {
            (*(*next).number).set(IN_CHILD);
            next = (*next).outer;
        }
    }
}

/// Has the functions above called from here on.
fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // Without memory for it, a child is taken for its parent: as if nobody had looked.
        // SAFETY: the functions touch atomics and the calling thread's own cells only, which is fine in a child of a process
        // with threads.
        let _ = unsafe { libc::pthread_atfork(Some(before), None, Some(in_child)) };
    });
}

/// A number that a process has in common neither with its parent nor with its children; never 0. Siblings may
/// have the same. Only fork(3) of the C library counts, which calls what pthread_atfork(3) was given.
pub(crate) fn process() -> u32 {
    watch();
    PROCESS.load(Ordering::SeqCst)
}

/// Whether this is still the process that [`process`] has numbered so.
#[inline]
pub(crate) fn is_still(process: u32) -> bool {
    PROCESS.load(Ordering::Relaxed) == process
}

/// How many forks there were so far, as seen by parent and child alike: if it is as before, no other process has copies of
/// what was opened meanwhile.
pub(crate) fn count() -> u32 {
    watch();
    FORKS.load(Ordering::SeqCst)
}

/// Whether this process has forked, so that a child may have copies of its sockets. They are as good as its own: what is
/// closed here stays open there.
pub(crate) fn has_forked() -> bool {
    FORKS.load(Ordering::SeqCst) != PARENTS.load(Ordering::SeqCst)
}

/// If the calling thread forks in `run`, the number is [`IN_CHILD`] in the child. So who looks at it anyway learns of the
/// fork for nothing.
pub(crate) fn marked<T>(number: &Cell<usize>, run: impl FnOnce() -> T) -> T {
    /// Takes the innermost mark off the list.
    struct Unmark(*const Mark);
    impl Drop for Unmark {
        fn drop(&mut self) {
            MARKS.set(self.0);
        }
    }
    watch();
    let mark = Mark { number, outer: MARKS.get() };
    MARKS.set(&mark);
    let _unmark = Unmark(mark.outer);
    run()
}

/// The marks of the calls of [`marked`] that a thread is in.
#[derive(Clone, Copy)]
pub(crate) struct Marks(*const Mark);

/// Those of the calling thread.
pub(crate) fn marks() -> Marks {
    Marks(MARKS.get())
}

/// Forgets the marks of calls of [`marked`] on this thread that were made since and never returned.
pub(crate) fn go_back_to(marks: Marks) {
    MARKS.set(marks.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_changes_what_is_marked_and_nothing_else() {
        let (outer, inner, other) = (Cell::new(1), Cell::new(2), Cell::new(3));
        let all = || [outer.get(), inner.get(), other.get()];
        marked(&outer, || {
            marked(&other, || ());
            marked(&inner, || {
                in_child();
                PROCESS.fetch_sub(1, Ordering::SeqCst);
                assert_eq!(all(), [IN_CHILD, IN_CHILD, 3]);
            });
        });
        outer.set(1);
        in_child();
        PROCESS.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(all(), [1, IN_CHILD, 3]);
        assert!(MARKS.get().is_null());
    }
}
