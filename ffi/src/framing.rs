//! How input is cut into frames.

use std::ffi::c_void;

use libc::iovec;
use reactor_core::{Framing, Result};

use crate::call::Call;
use crate::length_field::reactor_length_field;
use crate::owned::{hand_over, reactor_destroy, Owned};
use crate::sized;
use crate::status::reactor_status;

/// A way to cut a byte stream into frames, before on_data sees it. Made by one of the constructors, which
/// give it to the caller; shared into the options and connections that use it, so that it may be freed at any
/// time by reactor_framing_free(). Never changes, and may be used by any thread.
///
/// max_frame is the size of the largest frame in bytes; 0 means 16 MiB. It counts all that a frame takes in
/// the stream, whether delivered or not: the header, the delimiter, the line's CR and LF. A larger frame is a
/// protocol error as soon as it is known to be larger. A framing that contradicts itself is made all the
/// same, and refused with REACTOR_STATUS_INVALID_ARGUMENT where it is used.
pub struct reactor_framing(Framing);

#[cfg(test)]
impl reactor_framing {
    pub(crate) fn of(framing: Framing) -> Self {
        reactor_framing(framing)
    }
}

/// For reactor_framing_with(): lines and frames with a delimiter are delivered with what ends them, which tells them apart
/// if there are several. A frame that is written has it already, then.
pub const REACTOR_FRAMING_KEEP_DELIMITER: u32 = 1;
/// For reactor_framing_with(): what comes between the last line or delimiter and the peer's end of file is a frame, too,
/// unless it is empty; of a line without a CR at its end. Otherwise it is a protocol error: nothing tells that such a frame is
/// whole.
pub const REACTOR_FRAMING_DELIVER_REST: u32 = 2;

/// Measures a frame, for reactor_framing_custom(): it is given the input from the beginning of a frame, at
/// least one byte, and answers how many bytes that frame has in all, those not yet there included. 0 means
/// that the input is too short to tell, and a negative number that it is malformed, which ends the connection
/// with REACTOR_CLOSE_PROTOCOL.
pub type reactor_measure =
    Option<unsafe extern "C" fn(user_data: *mut c_void, data: *const u8, len: usize) -> isize>;

/// Every frame has len bytes, at least one.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_fixed(
    len: usize,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    // SAFETY: the caller passes NULL or room for a pointer.
    unsafe { make(Call::new("reactor_framing_fixed"), max_frame, out_framing, || Ok(Framing::fixed(len))) }
}

/// A frame ends before the next delimiter, of delimiter_len bytes, at least one, and is delivered without it.
/// The delimiter is copied.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_delimiter(
    delimiter: *const u8,
    delimiter_len: usize,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_delimiter");
    // SAFETY: as for `reactor_framing_fixed`, and `delimiter_len` bytes.
    unsafe {
        make(call, max_frame, out_framing, || call.bytes(delimiter, delimiter_len).map(Framing::delimiter))
    }
}

/// A frame ends before the next of count delimiters, each of one or more bytes: before whichever is whole first, and of those
/// that end with the same byte before the longest. So LF beside CR LF takes both, and a delimiter that begins with
/// another one is refused where the framing is used: it would never be found. The first is the one that is written.
/// They are copied.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_delimiters(
    delimiters: *const iovec,
    count: usize,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_delimiters");
    let several = |all: &[&[u8]]| Ok(Framing::delimiters(all.iter().copied()));
    // SAFETY: as for `reactor_framing_fixed`, and `count` runs of bytes.
    unsafe { make(call, max_frame, out_framing, || call.with_slices(delimiters, count, several)) }
}

/// Another framing like this one, with settings: the sum of REACTOR_FRAMING_... bits. What this one has it has, too. Both
/// are the caller's.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, and for a bit that is none.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_with(
    framing: *const reactor_framing,
    settings: u32,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_with");
    let with = || {
        // SAFETY: the caller passes NULL or a framing that is not freed during the call.
        let framing = call.required(unsafe { cloned(framing) }, "framing")?;
        Ok(Box::into_raw(Box::new(reactor_framing(with_settings(framing, settings, call)?))))
    };
    // SAFETY: as for `reactor_framing_fixed`.
    call.run(|| unsafe { call.give(out_framing, "out_framing", with) })
}

fn with_settings(framing: Framing, settings: u32, call: Call) -> Result<Framing> {
    if settings & !(REACTOR_FRAMING_KEEP_DELIMITER | REACTOR_FRAMING_DELIVER_REST) != 0 {
        let known = "REACTOR_FRAMING_KEEP_DELIMITER and REACTOR_FRAMING_DELIVER_REST";
        return Err(call.invalid(format_args!("settings is {settings}, which has others than {known}")));
    }
    let mut framing = framing;
    if settings & REACTOR_FRAMING_KEEP_DELIMITER != 0 {
        framing = framing.keep_delimiter();
    }
    if settings & REACTOR_FRAMING_DELIVER_REST != 0 {
        framing = framing.deliver_rest();
    }
    Ok(framing)
}

/// A frame ends before the next LF, and is delivered without it and without the CR that may stand in front of
/// it.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_line(
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    // SAFETY: as for `reactor_framing_fixed`.
    unsafe { make(Call::new("reactor_framing_line"), max_frame, out_framing, || Ok(Framing::line())) }
}

/// A frame has a header that says how long it is. field is copied.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, and members out of range.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_length_field(
    field: *const reactor_length_field,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_length_field");
    // SAFETY: as for `reactor_framing_fixed`, and a structure of the size that it says.
    unsafe {
        make(call, max_frame, out_framing, || {
            sized::read(field, call, "field")?.to_core(call).map(Framing::length_field)
        })
    }
}

/// A frame is a command as the clients of Redis send them (RESP): an array of bulk strings, or words on a line. It is
/// delivered as it came, and reactor_conn_arguments() tells where its arguments stand, of which it has at least one; what asks
/// for nothing (an empty line, an empty array) is left out. Of a line with quotes, which are those of redis-cli, the
/// arguments are delivered instead, one behind the other.
///
/// max_arguments is the number of arguments that a command has at most, its name included, up to 2,147,483,647; 0 means
/// 1,048,576. An argument has at most 512 MiB, a line 64 KiB; but max_frame counts the whole command. What is malformed or
/// too large is answered in Redis's words (-ERR Protocol error: ...), behind what was written before, and ends the
/// connection with REACTOR_CLOSE_PROTOCOL. Half a command at the end of file is not answered. Frames cannot be written with
/// it.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_resp(
    max_arguments: usize,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let commands = || Ok(Framing::resp().max_arguments(max_arguments));
    // SAFETY: as for `reactor_framing_fixed`.
    unsafe { make(Call::new("reactor_framing_resp"), max_frame, out_framing, commands) }
}

/// A frame is as long as measure says, and is delivered whole. measure is called on the threads of the loops,
/// on several at once, and must be able to tell from no more than max_frame bytes. While the input is too
/// short it is asked again from the beginning, so a frame that comes in small pieces costs the square of what
/// it takes to tell.
///
/// destroy, which may be NULL, is called once, when the framing was freed and no option and no connection
/// uses it any more; on any thread.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL. user_data is the caller's then.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_custom(
    measure: reactor_measure,
    user_data: *mut c_void,
    destroy: reactor_destroy,
    max_frame: usize,
    out_framing: *mut *mut reactor_framing,
) -> reactor_status {
    let call = Call::new("reactor_framing_custom");
    let custom = || {
        let measure = call.required(measure, "measure")?;
        hand_over(user_data, destroy, |owned: Owned| {
            Ok(Framing::custom(move |input| {
                // SAFETY: the program's own function, with its data; the bytes are valid while it runs.
                let size = unsafe { measure(owned.data(), input.as_ptr(), input.len()) };
                match usize::try_from(size) {
                    Ok(0) => Ok(None),
                    Ok(size) => Ok(Some(size)),
                    Err(_) => Err(format!("the program's function returned {size}").into()),
                }
            }))
        })
    };
    // SAFETY: as for `reactor_framing_fixed`.
    unsafe { make(call, max_frame, out_framing, custom) }
}

/// Gives a framing up; options and connections that use it go on using it. NULL is fine. Free it once.
#[no_mangle]
pub unsafe extern "C" fn reactor_framing_free(framing: *mut reactor_framing) -> reactor_status {
    Call::new("reactor_framing_free").run(|| {
        if !framing.is_null() {
            // SAFETY: made by `Box::into_raw`, and the caller promises to use it no more.
            drop(unsafe { Box::from_raw(framing) });
        }
        Ok(())
    })
}

/// The body of a constructor.
///
/// # Safety
/// `out` is NULL or has room for a pointer.
unsafe fn make(
    call: Call,
    max_frame: usize,
    out: *mut *mut reactor_framing,
    framing: impl FnOnce() -> Result<Framing>,
) -> reactor_status {
    let boxed = || Ok(Box::into_raw(Box::new(reactor_framing(framing()?.max_frame(max_frame)))));
    // SAFETY: what the caller promises.
    call.run(|| unsafe { call.give(out, "out_framing", boxed) })
}

/// What a program passes where a framing may be left out.
///
/// # Safety
/// The pointer is NULL or a framing that is not freed meanwhile.
pub(crate) unsafe fn cloned(framing: *const reactor_framing) -> Option<Framing> {
    // SAFETY: what the caller promises; nobody ever has a `&mut` to a framing.
    unsafe { framing.as_ref() }.map(|framing| framing.0.clone())
}
