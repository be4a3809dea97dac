//! The program's pointers that are passed back to it.

/// A pointer that a function of the program's is called with later: it is never followed here.
pub(crate) struct Passed<T>(pub(crate) *mut T);

// SAFETY: any thread may use a server, and the program agreed that its data is used on the engine's threads; the
// pointer is only passed on.
unsafe impl<T> Send for Passed<T> {}

impl<T> Passed<T> {
    /// Takes the whole, so that a closure takes it, too, and not just the pointer.
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}
