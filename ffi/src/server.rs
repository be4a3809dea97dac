//! A server: made, started, asked, stopped, freed.

use std::ffi::c_void;
use std::sync::Arc;

use reactor_core::binding::Uncancelled;
use reactor_core::{Config, ErrorKind, Handle, Result, Server};

use crate::call::{value_or, Call};
use crate::callbacks::{reactor_callbacks, Table};
use crate::handler::CHandler;
use crate::hosted::Host;
use crate::inside;
use crate::options::reactor_options;
use crate::sized;
use crate::status::reactor_status;
use crate::usage::Usage;
use crate::value;

/// A server: its listeners, its event loops and their connections. Made by reactor_server_new(), used by any
/// thread, freed by reactor_server_free().
pub struct reactor_server {
    /// Ended before everything else.
    pub(crate) host: Host,
    pub(crate) core: Server,
    usage: Arc<Usage>,
    /// Dropped last, when nothing calls the program any more.
    _user_data: UserData,
}

/// Calls the program's `destroy` when it is dropped.
struct UserData(Arc<Table>);

impl Drop for UserData {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

/// Makes a server that is not started and listens nowhere.
///
/// callbacks and options are copied: they need not outlive the call. options may be NULL: everything has its
/// default. The caller owns *out_server and ends it with reactor_server_free().
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL, a size that cannot be, members that this library does
/// not know, and options that contradict each other; REACTOR_STATUS_SYSTEM when descriptors have run out.
/// Then *out_server is untouched, and destroy is not called.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_new(
    callbacks: *const reactor_callbacks,
    options: *const reactor_options,
    out_server: *mut *mut reactor_server,
) -> reactor_status {
    let call = Call::new("reactor_server_new");
    call.run(|| {
        crate::log::tell_errors_unasked();
        // SAFETY: the caller passes structures of the sizes that they say.
        let (callbacks, options) = unsafe {
            let callbacks = sized::read(callbacks, call, "callbacks")?;
            (callbacks, sized::optional(options, call, "options")?)
        };
        let config = options.map_or_else(|| Ok(Config::default()), |options| options.to_core(call))?;
        // SAFETY: the caller passes NULL or room for a pointer.
        unsafe { call.give(out_server, "out_server", || reactor_server::boxed(callbacks, &config)) }
    })
}

/// Calls on_start, then starts the event loops and returns. A server can be started once.
///
/// Errors: REACTOR_STATUS_WRONG_STATE if it was started before; REACTOR_STATUS_STOPPED if on_start returned
/// REACTOR_ACTION_STOP or stop was called before; REACTOR_STATUS_HANDLER_FAILED if on_start returned a number
/// that is no action; REACTOR_STATUS_SYSTEM when threads, memory or descriptors have run out. After any but
/// the first the server is as before the call.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_start(server: *mut reactor_server) -> reactor_status {
    // SAFETY: the caller's server; freeing it waits for this call.
    unsafe { in_use(Call::new("reactor_server_start"), server, |_| Ok(()), |core, _| core.start()) }
}

/// Starts the server and waits until it has stopped: reactor_server_start(), then reactor_server_wait().
///
/// Errors: theirs. Not inside a callback.
#[no_mangle]
pub unsafe extern "C-unwind" fn reactor_server_run(server: *mut reactor_server) -> reactor_status {
    let run = |core: &Server, thread: &Uncancelled| {
        // Before the start: one that nobody can wait for would go on running.
        Server::check_thread()?;
        core.start()?;
        core.wait_cancellable(thread)
    };
    // SAFETY: the caller's server; freeing it waits for this call.
    let waited = unsafe { waits(Call::new("reactor_server_run"), server, run) };
    waited.unwrap_or_else(|| end_thread())
}

/// Blocks until the server has stopped, on_stop has returned and its threads have ended. Signals do not end
/// the wait; their handlers run meanwhile. A point where the thread may be cancelled, pthread_cancel(3): the server goes
/// on then.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server; REACTOR_STATUS_WRONG_STATE if
/// the server was not started.
#[no_mangle]
pub unsafe extern "C-unwind" fn reactor_server_wait(server: *mut reactor_server) -> reactor_status {
    // SAFETY: the caller's server; freeing it waits for this call.
    let waited = unsafe { waits(Call::new("reactor_server_wait"), server, Server::wait_cancellable) };
    waited.unwrap_or_else(|| end_thread())
}

/// Asks the server to stop; it does so at once: each connection gets one more attempt to send what is queued,
/// and is closed with REACTOR_CLOSE_SHUTDOWN; whoever has connected and had no callback yet is reset (TCP). Does not
/// wait; may be repeated, and may come before the start, which is then refused.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_stop(server: *mut reactor_server) -> reactor_status {
    let stop = |server: &reactor_server| {
        server.handle().stop();
        Ok(())
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { Call::new("reactor_server_stop").with_server(server, stop) }
}

/// The same as reactor_server_stop(), for signal handlers: async-signal-safe. Does nothing for NULL; leaves
/// errno and the thread's last error as they are. The signal must not come once the server is being freed.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_stop_from_signal(server: *mut reactor_server) {
    value_or((), || {
        // SAFETY: NULL or the caller's server, not freed during the call.
        if let Some(server) = unsafe { server.as_ref() } {
            server.handle().stop();
        }
    });
}

/// Asks the server to stop when its connections have finished: on_stopping is called, whoever the kernel has connected
/// is taken in, datagrams that wait are delivered, the listeners are closed, and connections may go on until all have ended or deadline_ms milliseconds, counted from now, are
/// over; what is left is then closed as by reactor_server_stop(). 0 is the server's stop_deadline_ms. A
/// further call can only bring the deadline forward. Does not wait. Async-signal-safe where it does not fail.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a negative time.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_stop_gracefully(
    server: *mut reactor_server,
    deadline_ms: i64,
) -> reactor_status {
    let call = Call::new("reactor_server_stop_gracefully");
    let stop = |server: &reactor_server| {
        server.handle().stop_gracefully(value::time(deadline_ms, call, "deadline_ms")?);
        Ok(())
    };
    // SAFETY: the caller's server, not freed during the call.
    unsafe { call.with_server(server, stop) }
}

/// Says whether the server was asked to stop, in whichever way: writes 1 or 0 to *out_stopping.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_is_stopping(
    server: *mut reactor_server,
    out_stopping: *mut u32,
) -> reactor_status {
    let call = Call::new("reactor_server_is_stopping");
    let get = |server: &reactor_server| Ok(server.handle().is_stopping().into());
    // SAFETY: the caller's server, not freed during the call, and NULL or room for a number.
    unsafe { call.getter(server, out_stopping, "out_stopping", get) }
}

/// Gives the number of connections that are open, those being made or closed included.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_connections(
    server: *mut reactor_server,
    out_connections: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_server_connections");
    let get = |server: &reactor_server| Ok(server.handle().connections());
    // SAFETY: the caller's server, not freed during the call, and NULL or room for a number.
    unsafe { call.getter(server, out_connections, "out_connections", get) }
}

/// Gives the number of bytes that were written to connections and not yet taken by the kernel. Walks over all
/// connections.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_queued_bytes(
    server: *mut reactor_server,
    out_bytes: *mut usize,
) -> reactor_status {
    let call = Call::new("reactor_server_queued_bytes");
    let get = |server: &reactor_server| Ok(server.handle().queued_bytes());
    // SAFETY: the caller's server, not freed during the call, and NULL or room for a number.
    unsafe { call.getter(server, out_bytes, "out_bytes", get) }
}

/// Stops the server, waits until its threads have ended and other threads have left reactor_server_start(),
/// _run() and _wait(), releases everything, and calls destroy. NULL is fine. From then on the pointer is
/// dangling: no thread may be in another call with it, and none may come; free it once.
///
/// In a forked child, a server that was started before the fork runs in the parent only: the child neither
/// stops it nor waits, and releases its copy.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server, and for a server that its host
/// drives on another thread than the host's: then nothing was done. REACTOR_STATUS_SYSTEM if the system does
/// not let us wait: then the server is stopping, and not freed.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_free(server: *mut reactor_server) -> reactor_status {
    let call = Call::new("reactor_server_free");
    let _thread = Uncancelled::new();
    call.run(|| {
        if server.is_null() {
            return Ok(());
        }
        inside::refuse(call)?;
        // SAFETY: the caller's server, which nobody else frees. Callbacks may use it until it has ended,
        // hence `&`.
        unsafe { call.server(server) }?.end(call)?;
        // SAFETY: made by `Box::into_raw`; its threads have ended, and the caller promises to use it no more.
        drop(unsafe { Box::from_raw(server) });
        Ok(())
    })
}

/// The body of a function that waits; `None` if its thread was cancelled meanwhile. Not in the function itself, which has
/// nothing on its stack then that would have to be dropped.
///
/// # Safety
/// As for [`in_use`].
#[inline(never)]
unsafe fn waits(
    call: Call,
    server: *const reactor_server,
    body: impl FnOnce(&Server, &Uncancelled) -> Result<bool>,
) -> Option<reactor_status> {
    let mut goes_on = true;
    let waited = |core: &Server, thread: &Uncancelled| {
        goes_on = body(core, thread)?;
        Ok(())
    };
    // SAFETY: what the caller promises.
    let status = unsafe { in_use(call, server, inside::refuse, waited) };
    goes_on.then_some(status)
}

/// Ends the calling thread, which was cancelled.
#[cold]
#[inline(never)]
extern "C-unwind" fn end_thread() -> ! {
    extern "C-unwind" {
        fn pthread_exit(value: *mut c_void) -> !;
    }
    /// PTHREAD_CANCELED.
    const CANCELED: *mut c_void = std::ptr::without_provenance_mut(usize::MAX);
    // SAFETY: no frame of ours that is on the stack has anything to drop, and all let it through; the program's are its own.
    unsafe { pthread_exit(CANCELED) }
}

/// The body of a function that freeing the server waits for, if the check lets it begin. Its thread is not cancelled
/// meanwhile, but where the body lets it.
///
/// # Safety
/// The server is NULL or not freed before the call counts as under way.
unsafe fn in_use(
    call: Call,
    server: *const reactor_server,
    check: impl FnOnce(Call) -> Result<()>,
    body: impl FnOnce(&Server, &Uncancelled) -> Result<()>,
) -> reactor_status {
    let thread = Uncancelled::new();
    call.run(|| {
        // SAFETY: what the caller promises. Not by `with_server`: its body's argument would have to be valid to the
        // end, but the server may be gone once it counts as used no more.
        let server = unsafe { call.server(server) }?;
        check(call)?;
        let _in_use = server.usage.begin();
        body(&server.core, &thread)
    })
}

impl reactor_server {
    /// A server for C, which its callbacks know by its pointer.
    pub(crate) fn boxed(callbacks: reactor_callbacks, config: &Config) -> Result<*mut reactor_server> {
        let table = Arc::new(Table::new(callbacks));
        let core = Server::delivering(CHandler(Arc::clone(&table)), config)?;
        let (host, usage) = (Host::default(), Arc::default());
        let server = reactor_server { host, core, usage, _user_data: UserData(Arc::clone(&table)) };
        let server = Box::into_raw(Box::new(server));
        table.set_server(server);
        Ok(server)
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.core.handle()
    }

    /// Stops, and waits until nobody uses the server any more.
    pub(crate) fn end(&self, call: Call) -> Result<()> {
        self.host.refuse_elsewhere(call)?;
        self.handle().tell_if_unstarted();
        self.handle().stop();
        self.host.end();
        self.usage.wait_for_end();
        match self.core.wait() {
            Err(error) if error.kind() != ErrorKind::WrongState => Err(error),
            // The wrong state is: never started, so there is nothing to wait for.
            _ => Ok(()),
        }
    }
}
