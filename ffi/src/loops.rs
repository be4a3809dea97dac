//! Loops: functions and timers on them.

use std::ffi::c_void;

use reactor_core::{ErrorKind, Result, TimerId};

use crate::call::Call;
use crate::conn::reactor_timer;
use crate::out;
use crate::owned::{hand_over, reactor_destroy, Owned};
use crate::passed::Passed;
use crate::server::reactor_server;
use crate::status::reactor_status;
use crate::value;

/// A function that runs on a loop.
pub type reactor_function = Option<unsafe extern "C" fn(user_data: *mut c_void, server: *mut reactor_server)>;

/// Runs a function on a loop, counted from 0. Never blocks. destroy, which may be NULL, is called after the
/// function, or alone if the loop ends before.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a loop that there is not;
/// REACTOR_STATUS_WRONG_STATE before the start and after the loop's end. user_data is the caller's then, and
/// destroy is not called.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_run_on_loop(
    server: *mut reactor_server,
    on_loop: u32,
    function: reactor_function,
    user_data: *mut c_void,
    destroy: reactor_destroy,
) -> reactor_status {
    let call = Call::new("reactor_server_run_on_loop");
    let called_with = Passed(server);
    let run = |server: &reactor_server| {
        let function = call.required(function, "function")?;
        hand_over(user_data, destroy, |owned: Owned| {
            server.handle().run_on(on_loop as usize, move |_| {
                // SAFETY: the program's own function, with its data and its server, which outlives its loops.
                unsafe { function(owned.data(), called_with.get()) };
            })
        })
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.with_server(server, run) }
}

/// Calls a function on the calling loop after delay_ms milliseconds, and again after each repeat_ms if that
/// is not 0. destroy, which may be NULL, is called on the loop when the timer has ended: after its last call,
/// when it was cancelled, or with the loop. out_timer may be NULL.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD on a thread that is no loop of this server, from where
/// reactor_server_run_on_loop() leads to one; REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a negative time,
/// and beyond 16,777,216 timers on one loop. user_data is the caller's then, and destroy is not called.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_start_timer(
    server: *mut reactor_server,
    delay_ms: i64,
    repeat_ms: i64,
    function: reactor_function,
    user_data: *mut c_void,
    destroy: reactor_destroy,
    out_timer: *mut reactor_timer,
) -> reactor_status {
    let call = Call::new("reactor_server_start_timer");
    let called_with = Passed(server);
    let start = |server: &reactor_server| {
        let function = call.required(function, "function")?;
        let delay = value::time(delay_ms, call, "delay_ms")?;
        let repeat = value::time(repeat_ms, call, "repeat_ms")?;
        let timer = hand_over(user_data, destroy, |owned: Owned| {
            server.handle().start_timer(delay, repeat, move |_| {
                // SAFETY: as in `reactor_server_run_on_loop`.
                unsafe { function(owned.data(), called_with.get()) };
            })
        })?;
        // SAFETY: NULL, or the caller passes room for the id.
        unsafe { out::offer(out_timer, timer.to_u64()) };
        Ok(())
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.with_server(server, start) }
}

/// Ends a timer of the calling loop's: its own, or a connection's. out_cancelled, which may be NULL, is given
/// 1 if there was one to end, and 0 if it had ended before.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD on a thread that is no loop of this server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL server.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_cancel_timer(
    server: *mut reactor_server,
    timer: reactor_timer,
    out_cancelled: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_server_cancel_timer");
    let cancel = |server: &reactor_server| {
        let cancelled = match TimerId::from_u64(timer) {
            Some(timer) => server.handle().cancel_timer(timer)?,
            None => current_loop(server, call).map(|_| false)?,
        };
        // SAFETY: NULL, or the caller passes room for the number.
        unsafe { out::offer(out_cancelled, cancelled.into()) };
        Ok(())
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.with_server(server, cancel) }
}

/// Gives the index of the loop that runs on the calling thread.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD on a thread that is no loop of this server;
/// REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_current_loop(
    server: *mut reactor_server,
    out_loop: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_server_current_loop");
    // SAFETY: the caller's server, not freed during the call, and NULL or room for the number.
    unsafe { call.getter(server, out_loop, "out_loop", |server| current_loop(server, call)) }
}

/// Gives the number of event loops; 0 before the start.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_loops(
    server: *mut reactor_server,
    out_loops: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_server_loops");
    let get = |server: &reactor_server| Ok(server.handle().loops() as u32);
    // SAFETY: the caller's server, not freed during the call, and NULL or room for the number.
    unsafe { call.getter(server, out_loops, "out_loops", get) }
}

fn current_loop(server: &reactor_server, call: Call) -> Result<u32> {
    let no_loop = || call.error(ErrorKind::WrongThread, "the calling thread is no loop of this server");
    server.handle().current_loop().map(|index| index as u32).ok_or_else(no_loop)
}
