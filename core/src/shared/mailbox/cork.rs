//! Holding back what a thread asks of loops, so that each is woken once.

use std::cell::RefCell;
use std::sync::Arc;

use crate::shared::mailbox::command::Command;
use crate::shared::mailbox::Mailbox;

/// The commands that wait for a thread's cork to be pulled, by loop.
type Corked = Vec<(Arc<Mailbox>, Vec<Command>)>;

thread_local! {
    /// `None` without a [`Cork`].
    static CORKED: RefCell<Option<Corked>> = const { RefCell::new(None) };
}

/// While it lives, what calls by id on this thread ask for is held back; dropping it hands everything over,
/// with one wake for each loop concerned. For handlers of batches on a thread of their own. Answers are as
/// without it: `closed` and `full` at once.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cork {
    outermost: bool,
    /// Belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Cork {
    /// Corks the calling thread.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a guard is taken, not defaulted")]
    pub fn new() -> Self {
        let outermost = with_corked(|corked| {
            let outermost = corked.is_none();
            corked.get_or_insert_default();
            outermost
        });
        Cork { outermost: outermost.unwrap_or(false), _not_send: std::marker::PhantomData }
    }

    /// Hands over what the calling thread has asked for until now. What it asks for next is held back as before.
    pub fn flush() {
        hand_over(with_corked(|corked| corked.as_mut().map(std::mem::take)).flatten());
    }
}

fn hand_over(corked: Option<Corked>) {
    for (mailbox, commands) in corked.unwrap_or_default() {
        let refused = mailbox.post(commands);
        mailbox.wake();
        // The loop has ended meanwhile, and its server with it: nobody counts bytes any more.
        mailbox.abandon(refused, |_, _, _, _| {});
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        if self.outermost {
            hand_over(with_corked(Option::take).flatten());
        }
    }
}

/// Access to the thread's cork; none when the thread is ending, and so has no cork any more.
fn with_corked<T>(f: impl FnOnce(&mut Option<Corked>) -> T) -> Option<T> {
    CORKED.try_with(|corked| f(&mut corked.borrow_mut())).ok()
}

/// Adds to the commands that the thread's cork holds back for a loop; says whether there is a cork.
pub(crate) fn add_corked(mailbox: &Arc<Mailbox>, add: impl FnOnce(&mut Vec<Command>)) -> bool {
    let added = with_corked(|corked| {
        let Some(corked) = corked else { return false };
        let found = corked.iter().position(|(other, _)| Arc::ptr_eq(other, mailbox));
        let index = found.unwrap_or_else(|| {
            corked.push((Arc::clone(mailbox), Vec::new()));
            corked.len() - 1
        });
        add(&mut corked[index].1);
        true
    });
    added == Some(true)
}
