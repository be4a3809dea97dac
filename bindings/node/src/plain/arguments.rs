//! What JavaScript gives a call, and what it is answered.

use std::ptr;

use napi::bindgen_prelude::ToNapiValue;
use napi::{check_status, sys, Result};
use reactor_core::{ConnId, Handle};

use crate::failure::Failure;
use crate::server::State;

/// The arguments of a call, as JavaScript gave them.
pub(super) struct Arguments {
    pub(super) env: sys::napi_env,
    pub(super) values: [sys::napi_value; MOST],
}

/// The most arguments that a call has.
pub(super) const MOST: usize = 4;

impl Arguments {
    /// A number, as JavaScript makes one of 32 bits of it; 0 of what is none.
    pub(super) fn number(&self, place: usize) -> u32 {
        let mut number = 0;
        // SAFETY: the value is an argument of the call that is going on, or undefined.
        unsafe { sys::napi_get_value_uint32(self.env, self.values[place], &mut number) };
        number
    }

    /// A text; empty of what is none.
    pub(super) fn text(&self, place: usize) -> String {
        let mut bytes = [0_u8; 128];
        let mut len = 0;
        // SAFETY: the value is an argument of the call that is going on, or undefined; there is room for so many bytes.
        unsafe {
            let room = bytes.as_mut_ptr().cast();
            sys::napi_get_value_string_utf8(self.env, self.values[place], room, bytes.len(), &mut len);
        }
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    pub(super) fn conn(&self) -> Option<ConnId> {
        conn_of(self.number(0), self.number(1))
    }

    /// The bytes of the third argument, while `use_them` runs, which does not come back to JavaScript.
    pub(super) fn with_bytes<T>(&self, use_them: impl FnOnce(&[u8]) -> T) -> Option<T> {
        // SAFETY: nothing of JavaScript's runs on this thread until `use_them` has returned.
        unsafe { self.bytes(self.values[2]) }.map(use_them)
    }

    /// The same for the bytes of each member of the third argument, a list.
    pub(super) fn with_parts<T>(&self, use_them: impl FnOnce(&[&[u8]]) -> T) -> Option<T> {
        let mut count = 0;
        // SAFETY: the value is an argument of the call that is going on; what is no list is refused.
        let status = unsafe { sys::napi_get_array_length(self.env, self.values[2], &mut count) };
        if status != sys::Status::napi_ok {
            return None;
        }
        let parts = (0..count).map(|index| {
            let mut part = ptr::null_mut();
            // SAFETY: as above. The list is the package's own, without getters, and holds what it has.
            let status = unsafe { sys::napi_get_element(self.env, self.values[2], index, &mut part) };
            // SAFETY: nothing of JavaScript's runs on this thread until `use_them` has returned.
            (status == sys::Status::napi_ok).then(|| unsafe { self.bytes(part) })?
        });
        parts.collect::<Option<Vec<_>>>().map(|parts| use_them(&parts))
    }

    /// The bytes of an array.
    ///
    /// # Safety
    /// They are used only until anything of JavaScript's runs on this thread.
    pub(super) unsafe fn bytes(&self, value: sys::napi_value) -> Option<&[u8]> {
        let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: the value is an argument of the call that is going on; results that are null are not asked for.
        let status = unsafe {
            let nothing = ptr::null_mut();
            let array = ptr::null_mut();
            sys::napi_get_typedarray_info(self.env, value, &mut kind, &mut len, &mut data, array, nothing)
        };
        if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
            return None;
        }
        Some(match data.is_null() || len == 0 {
            true => &[],
            // SAFETY: it is the memory of an array that the caller holds. Memory that is shared with a worker may change
            // meanwhile; the bytes are only copied.
            false => unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) },
        })
    }

    /// The numbers of an array of the package's own, which nobody else has.
    ///
    /// # Safety
    /// As [`bytes`](Self::bytes); and nothing else refers to that memory meanwhile.
    #[allow(clippy::mut_from_ref, reason = "they are JavaScript's, and not a part of this")]
    pub(super) unsafe fn words(&self, value: sys::napi_value) -> Option<&mut [u32]> {
        let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
        // SAFETY: as in `bytes`.
        let status = unsafe {
            let nothing = ptr::null_mut();
            let array = ptr::null_mut();
            sys::napi_get_typedarray_info(self.env, value, &mut kind, &mut len, &mut data, array, nothing)
        };
        let is_whole = status == sys::Status::napi_ok && kind == sys::TypedarrayType::uint32_array;
        // SAFETY: JavaScript's memory of as many numbers, which are aligned there.
        (is_whole && !data.is_null())
            .then(|| unsafe { std::slice::from_raw_parts_mut(data.cast::<u32>(), len) })
    }

    /// Makes a call on a connection of a server that has not ended.
    pub(super) fn with_conn<T>(
        &self,
        state: &State,
        call: impl FnOnce(&Handle, ConnId) -> reactor_core::Result<T>,
    ) -> std::result::Result<T, Failure> {
        let conn = self.conn();
        self.done(state, conn.and_then(|conn| state.with_handle(|handle| call(handle, conn))))
    }

    /// What came of a call on a connection; nothing if its server is over.
    pub(super) fn done<T>(
        &self,
        state: &State,
        done: Option<reactor_core::Result<T>>,
    ) -> std::result::Result<T, Failure> {
        done.map_or_else(|| Err(self.closed(state)), |done| done.map_err(Failure::from))
    }

    /// The failure of a call on a connection whose server is over.
    fn closed(&self, state: &State) -> Failure {
        let id = u64::from(self.number(0)) << 32 | u64::from(self.number(1));
        state.closed(id).into()
    }

    pub(super) fn boolean(&self, value: bool) -> Result<sys::napi_value> {
        let mut result = ptr::null_mut();
        // SAFETY: the environment is that of the call that is going on.
        check_status!(unsafe { sys::napi_get_boolean(self.env, value, &mut result) })?;
        Ok(result)
    }

    pub(super) fn value(&self, value: impl ToNapiValue) -> Result<sys::napi_value> {
        // SAFETY: the environment is that of the call that is going on.
        unsafe { ToNapiValue::to_napi_value(self.env, value) }
    }
}

pub(super) fn conn_of(high: u32, low: u32) -> Option<ConnId> {
    ConnId::from_u64(u64::from(high) << 32 | u64::from(low))
}
