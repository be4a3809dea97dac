//! What crosses from a loop to the JavaScript thread, and how JavaScript reads it.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use napi::bindgen_prelude::{BufferSlice, JsValuesTupleIntoVec, ToNapiValue, Uint32ArraySlice};
use napi::{sys, Env, Result};
use reactor_core::binding::batch::{Batch, Event, EventKind};
use reactor_core::binding::Cork;

/// The numbers that an event takes: its kind, the high and the low half of the connection's id, and two more.
const EVENT_WORDS: usize = 5;

const OPEN: u32 = 0;
const DATA: u32 = 1;
const DRAIN: u32 = 2;
const CLOSE: u32 = 3;

/// One call of JavaScript.
pub enum HandOver {
    /// A loop's turn.
    Batch(Batch),
    /// All loops have ended; nothing comes after it.
    Stopped,
}

thread_local! {
    /// The batch that JavaScript is handling. Dropping it answers its loop; what the callbacks wrote goes
    /// before, and the cork, which is dropped after it, wakes each loop concerned once. Not dropped with the
    /// thread: a callback may end the process, and nobody waits for an answer then.
    static HANDLED: RefCell<Option<ManuallyDrop<(Batch, Cork)>>> = const { RefCell::new(None) };
}

/// The callbacks of the batch have run.
pub(crate) fn answer() {
    drop(HANDLED.take().map(ManuallyDrop::into_inner));
}

/// Makes the arguments of the call, on the JavaScript thread, right before it.
impl JsValuesTupleIntoVec for HandOver {
    fn into_vec(self, raw: sys::napi_env) -> Result<Vec<sys::napi_value>> {
        let env = Env::from_raw(raw);
        match self {
            HandOver::Batch(batch) => {
                let arguments = arguments(&env, &encode(batch.events()), batch.bytes())?;
                HANDLED.set(Some(ManuallyDrop::new((batch, Cork::new()))));
                Ok(arguments)
            }
            HandOver::Stopped => arguments(&env, &[], &[]),
        }
    }
}

/// Copies. To let JavaScript own the batch's memory measured the same, but for a fifth more on transfers of
/// megabytes; a copy needs no finalizer, and the loop uses its memory again.
fn arguments(env: &Env, words: &[u32], bytes: &[u8]) -> Result<Vec<sys::napi_value>> {
    let words = Uint32ArraySlice::copy_from(env, words)?;
    let bytes = BufferSlice::copy_from(env, bytes)?;
    // SAFETY: both were just made in this environment, whose thread and scope this is.
    unsafe {
        Ok(vec![ToNapiValue::to_napi_value(env.raw(), words)?, ToNapiValue::to_napi_value(env.raw(), bytes)?])
    }
}

fn encode(events: &[Event]) -> Vec<u32> {
    let mut words = Vec::with_capacity(events.len() * EVENT_WORDS);
    for Event { conn, kind } in events {
        let (kind, first, second) = match kind {
            EventKind::Open => (OPEN, 0, 0),
            // A batch is far smaller than 4 GiB: the read budget is limited to 1 GiB.
            EventKind::Data(range) => (DATA, range.start as u32, range.end as u32),
            EventKind::Drain => (DRAIN, 0, 0),
            EventKind::Close(closed) => (CLOSE, closed.reason as u32, closed.errno.unwrap_or(0) as u32),
        };
        let id = conn.to_u64();
        words.extend([kind, (id >> 32) as u32, id as u32, first, second]);
    }
    words
}
