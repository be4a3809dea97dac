//! Connections that this side makes, or is given.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use reactor_core::binding::Terms;
use reactor_core::{ConnId, ConnectOptions, Error, ErrorKind, Result};

use crate::failure::Failure;
use crate::listening::Term;
use crate::options::millis;
use crate::server::NativeServer;

/// What is said beside the options of the engine's table.
#[napi(object, object_to_js = false)]
pub struct Outgoing {
    /// Those of the table.
    pub terms: Vec<Term>,
    /// Milliseconds; 0 for the default, -1 for ever.
    pub timeout_ms: i64,
    /// The loop to live on.
    pub on_loop: Option<u32>,
}

impl Outgoing {
    fn options(&self, terms: &Terms) -> ConnectOptions {
        ConnectOptions {
            conn: terms.conns().clone(),
            timeout: if self.timeout_ms < 0 { Duration::MAX } else { millis(self.timeout_ms) },
            on_loop: self.on_loop.map(|index| index as usize),
            ..ConnectOptions::default()
        }
    }
}

#[napi]
impl NativeServer {
    /// Connects, and returns the id as its high and its low half.
    #[napi(catch_unwind)]
    pub fn connect(&self, url: String, outgoing: Outgoing) -> Either<Vec<u32>, Failure> {
        halves(self.engine().and_then(|server| {
            let terms = self.terms(&outgoing.terms)?;
            server.handle().connect_on(&url, &terms, outgoing.options(&terms))
        }))
    }

    /// Takes a copy of a connected stream's descriptor, and returns the id like `connect`.
    #[napi(catch_unwind)]
    pub fn enroll(&self, descriptor: i32, outgoing: Outgoing) -> Either<Vec<u32>, Failure> {
        halves(self.engine().and_then(|server| {
            let failed = |error: std::io::Error| {
                let message = format!("cannot enroll the descriptor {descriptor}: {error}");
                Error::new(ErrorKind::InvalidArgument, message)
            };
            if descriptor < 0 {
                return Err(failed(std::io::Error::from_raw_os_error(libc::EBADF)));
            }
            // SAFETY: it is only copied. Whether the number is one's at all, the system says.
            let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
            let copy = borrowed.try_clone_to_owned().map_err(failed)?;
            server.handle().enroll(copy, outgoing.options(&self.terms(&outgoing.terms)?))
        }))
    }
}

fn halves(made: Result<ConnId>) -> Either<Vec<u32>, Failure> {
    match made.map(ConnId::to_u64) {
        Ok(id) => Either::A(vec![(id >> 32) as u32, id as u32]),
        Err(error) => Either::B(error.into()),
    }
}
