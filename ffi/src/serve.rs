//! The short way to serve, and the signals that end it.

use std::ffi::c_char;

use reactor_core::binding::Uncancelled;
use reactor_core::{Config, Result};

use crate::call::Call;
use crate::callbacks::{reactor_callbacks, Table};
use crate::inside;
use crate::options::reactor_options;
use crate::server::reactor_server;
use crate::sized;
use crate::status::reactor_status;

/// Makes a server, listens at url_count URLs, and serves until it is told to stop: by SIGTERM or SIGINT (Ctrl-C), as
/// reactor_server_stop_on_signals() has it, or by reactor_server_stop() in a callback. It prints nothing. options may be
/// NULL; stop_deadline_ms is how long connections may go on after the first signal. When this returns the server is freed,
/// and what was done with the signals before is done again. A signal that comes before the start ends it well, too. The
/// calling thread is not cancelled meanwhile.
///
/// Errors: as reactor_server_new(), reactor_server_listen(), whose message quotes the URL, and reactor_server_run(). Nothing
/// is left behind then.
#[no_mangle]
pub unsafe extern "C" fn reactor_serve(
    callbacks: *const reactor_callbacks,
    urls: *const *const c_char,
    url_count: usize,
    options: *const reactor_options,
) -> reactor_status {
    let call = Call::new("reactor_serve");
    let _thread = Uncancelled::new();
    call.run(|| {
        inside::refuse(call)?;
        crate::log::tell_errors_unasked();
        // SAFETY: the caller passes structures of the sizes that they say, and so many URLs.
        let (callbacks, options, urls) = unsafe {
            let callbacks = sized::read(callbacks, call, "callbacks")?;
            (callbacks, sized::optional(options, call, "options")?, call.urls(urls, url_count)?)
        };
        let config = options.map_or_else(|| Ok(Config::default()), |options| options.to_core(call))?;
        serve(callbacks, &urls, &config, call)
    })
}

/// From now on, until the server is freed, SIGTERM and SIGINT (Ctrl-C) stop it: the first gracefully, within the server's
/// stop_deadline_ms, and any further one at once. One that comes before the start stops it as well; the start is then refused
/// with REACTOR_STATUS_STOPPED. Only this and reactor_serve() handle signals. With several servers a signal stops them all.
///
/// What was done with the two signals before, ignoring them included, is done again once no server handles them; unless the
/// program has changed it meanwhile. No other signal is touched. A child that is forked after the call does with them what was
/// done before it: one that serves a copy of the server calls this itself.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL; REACTOR_STATUS_SYSTEM if the system refuses.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_stop_on_signals(server: *mut reactor_server) -> reactor_status {
    let call = Call::new("reactor_server_stop_on_signals");
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.with_server(server, |server| server.core.stop_on_signals()) }
}

/// Serves with a server of its own. The program's user data is its own again if this fails, and else released last.
fn serve(callbacks: reactor_callbacks, urls: &[&str], config: &Config, call: Call) -> Result<()> {
    let kept = reactor_callbacks { destroy: None, ..callbacks };
    let server = reactor_server::boxed(kept, config)?;
    // SAFETY: made by `boxed`; callbacks may use it until it has ended, hence `&`.
    let served = unsafe { &*server }.core.serve(urls);
    // SAFETY: as above.
    unsafe { &*server }.end(call)?;
    // SAFETY: made by `Box::into_raw`; its threads have ended, and nobody else frees it.
    drop(unsafe { Box::from_raw(server) });
    served?;
    Table::new(callbacks).destroy();
    Ok(())
}
