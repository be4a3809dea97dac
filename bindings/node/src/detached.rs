//! Connections that are handed out: from a loop's log to who asks for one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{IntoRawFd, OwnedFd};

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use reactor_core::binding::log::HandOver;
use reactor_core::Detached;

thread_local! {
    /// Those of the logs that JavaScript is handling, by their ids.
    static OFFERED: RefCell<HashMap<u64, Detached>> = RefCell::default();
}

/// What a log hands out. What nobody has taken goes with this, and its descriptors are closed.
#[derive(Default)]
pub(crate) struct Offer(Vec<u64>);

impl Offer {
    pub(crate) fn of(hand_over: &mut HandOver) -> Offer {
        let detached = hand_over.take_detached();
        let ids = detached.iter().map(|(id, _)| id.to_u64()).collect();
        OFFERED.with_borrow_mut(|offered| {
            offered.extend(detached.into_iter().map(|(id, detached)| (id.to_u64(), detached)));
        });
        Offer(ids)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        for id in &self.0 {
            drop(OFFERED.with_borrow_mut(|offered| offered.remove(id)));
        }
    }
}

/// A connection that was handed out. Its descriptor is closed with this, unless somebody takes it.
#[napi]
pub struct NativeDetached {
    descriptor: Option<OwnedFd>,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// The connection that the log which is being handled hands out, by the halves of its id; once.
#[napi(catch_unwind)]
pub fn take_detached(high: u32, low: u32) -> Option<NativeDetached> {
    let id = u64::from(high) << 32 | u64::from(low);
    let Detached { descriptor, input, output } = OFFERED.with_borrow_mut(|offered| offered.remove(&id))?;
    Some(NativeDetached { descriptor: Some(descriptor), input, output })
}

#[napi]
impl NativeDetached {
    /// The input that was not consumed; once.
    #[napi(catch_unwind)]
    pub fn take_input(&mut self) -> Buffer {
        std::mem::take(&mut self.input).into()
    }

    /// The output that the kernel did not take; once.
    #[napi(catch_unwind)]
    pub fn take_output(&mut self) -> Buffer {
        std::mem::take(&mut self.output).into()
    }

    /// The descriptor, which is the caller's from now on; once.
    #[napi(catch_unwind)]
    pub fn take_descriptor(&mut self) -> Option<i32> {
        self.descriptor.take().map(IntoRawFd::into_raw_fd)
    }

    /// Closes the descriptor, unless it was taken.
    #[napi(catch_unwind)]
    pub fn close(&mut self) {
        drop(self.descriptor.take());
    }
}
