//! A server: made, listening, started, stopped, freed.

use std::sync::Arc;

use reactor_core::{Config, ErrorKind, Result, Server};

use crate::argument::{self, not_null};
use crate::callbacks::{reactor_callbacks, Table};
use crate::guard::{guard, guard_value};
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

/// The server behind a pointer from C.
///
/// # Safety
/// The pointer is NULL or a server that is not freed during the call.
pub(crate) unsafe fn server<'a>(server: *const reactor_server, function: &str) -> Result<&'a reactor_server> {
    // SAFETY: what the caller promises; nobody ever has a `&mut` to a server.
    unsafe { argument::reference(server, function, "server") }
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
    const FUNCTION: &str = "reactor_server_new";
    guard(|| {
        // SAFETY: the caller passes a structure of the size that it says.
        let callbacks = unsafe { sized::read(callbacks, FUNCTION, "callbacks") }?;
        let config = match options.is_null() {
            true => Config::default(),
            // SAFETY: as above.
            false => unsafe { sized::read(options, FUNCTION, "options") }?.config(FUNCTION)?,
        };
        not_null(out_server, FUNCTION, "out_server")?;
        let table = Arc::new(Table::new(callbacks));
        let core = Server::delivering(CHandler(Arc::clone(&table)), &config)?;
        let server = reactor_server {
            host: Host::default(),
            core,
            usage: Arc::default(),
            _user_data: UserData(Arc::clone(&table)),
        };
        let server = Box::into_raw(Box::new(server));
        table.set_server(server);
        // SAFETY: not NULL, and the caller passes room for a pointer.
        unsafe { out_server.write(server) };
        Ok(())
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
    guard(|| {
        // SAFETY: the caller's server; freeing it waits for this call.
        let server = unsafe { self::server(server, "reactor_server_start") }?;
        let _call = server.usage.begin();
        server.core.start()
    })
}

/// Starts the server and waits until it has stopped: reactor_server_start(), then reactor_server_wait().
///
/// Errors: theirs. Not inside a callback.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_run(server: *mut reactor_server) -> reactor_status {
    const FUNCTION: &str = "reactor_server_run";
    guard(|| {
        // SAFETY: the caller's server; freeing it waits for this call.
        let server = unsafe { self::server(server, FUNCTION) }?;
        inside::refuse(FUNCTION)?;
        let _call = server.usage.begin();
        server.core.run()
    })
}

/// Blocks until the server has stopped, on_stop has returned and its threads have ended. Signals do not end
/// the wait; their handlers run meanwhile.
///
/// Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server; REACTOR_STATUS_WRONG_STATE if
/// the server was not started.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_wait(server: *mut reactor_server) -> reactor_status {
    const FUNCTION: &str = "reactor_server_wait";
    guard(|| {
        // SAFETY: the caller's server; freeing it waits for this call.
        let server = unsafe { self::server(server, FUNCTION) }?;
        inside::refuse(FUNCTION)?;
        let _call = server.usage.begin();
        server.core.wait()
    })
}

/// Asks the server to stop; it does so at once: each connection gets one more attempt to send what is queued,
/// and is closed with REACTOR_CLOSE_SHUTDOWN. Does not wait; may be repeated, and may come before the start,
/// which is then refused.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_stop(server: *mut reactor_server) -> reactor_status {
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        unsafe { self::server(server, "reactor_server_stop") }?.core.handle().stop();
        Ok(())
    })
}

/// The same as reactor_server_stop(), for signal handlers: async-signal-safe. Does nothing for NULL; leaves
/// errno and the thread's last error as they are. The signal must not come once the server is being freed.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_stop_from_signal(server: *mut reactor_server) {
    guard_value((), || {
        // SAFETY: NULL or the caller's server, not freed during the call.
        if let Some(server) = unsafe { server.as_ref() } {
            server.core.handle().stop();
        }
    });
}

/// Asks the server to stop when its connections have finished: on_stopping is called, the listeners are
/// closed, and connections may go on until all have ended or deadline_ms milliseconds, counted from now, are
/// over; what is left is then closed as by reactor_server_stop(). 0 is the server's stop_deadline_ms. A
/// further call can only bring the deadline forward. Does not wait. Async-signal-safe where it does not fail.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL and a negative time.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_stop_gracefully(
    server: *mut reactor_server,
    deadline_ms: i64,
) -> reactor_status {
    const FUNCTION: &str = "reactor_server_stop_gracefully";
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let server = unsafe { self::server(server, FUNCTION) }?;
        server.core.handle().stop_gracefully(value::time(deadline_ms, FUNCTION, "deadline_ms")?);
        Ok(())
    })
}

/// Says whether the server was asked to stop, in whichever way: writes 1 or 0 to *out_stopping.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_is_stopping(
    server: *mut reactor_server,
    out_stopping: *mut u32,
) -> reactor_status {
    const FUNCTION: &str = "reactor_server_is_stopping";
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let server = unsafe { self::server(server, FUNCTION) }?;
        not_null(out_stopping, FUNCTION, "out_stopping")?;
        // SAFETY: not NULL, and the caller passes room for a number.
        unsafe { out_stopping.write(server.core.handle().is_stopping().into()) };
        Ok(())
    })
}

/// Gives the number of connections that are open, those being made or closed included.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_connections(
    server: *mut reactor_server,
    out_connections: *mut usize,
) -> reactor_status {
    const FUNCTION: &str = "reactor_server_connections";
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let server = unsafe { self::server(server, FUNCTION) }?;
        not_null(out_connections, FUNCTION, "out_connections")?;
        // SAFETY: not NULL, and the caller passes room for a number.
        unsafe { out_connections.write(server.core.handle().connections()) };
        Ok(())
    })
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
    const FUNCTION: &str = "reactor_server_queued_bytes";
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let server = unsafe { self::server(server, FUNCTION) }?;
        not_null(out_bytes, FUNCTION, "out_bytes")?;
        // SAFETY: not NULL, and the caller passes room for a number.
        unsafe { out_bytes.write(server.core.handle().queued_bytes()) };
        Ok(())
    })
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
    const FUNCTION: &str = "reactor_server_free";
    guard(|| {
        if server.is_null() {
            return Ok(());
        }
        inside::refuse(FUNCTION)?;
        // SAFETY: the caller's server, which nobody else frees. Callbacks may use it until it has ended,
        // hence `&`.
        unsafe { self::server(server, FUNCTION) }?.end(FUNCTION)?;
        // SAFETY: made by `Box::into_raw`; its threads have ended, and the caller promises to use it no more.
        drop(unsafe { Box::from_raw(server) });
        Ok(())
    })
}

impl reactor_server {
    /// Stops, and waits until nobody uses the server any more.
    fn end(&self, function: &str) -> Result<()> {
        self.host.refuse_elsewhere(function)?;
        self.core.handle().stop();
        self.host.end();
        self.usage.wait_for_end();
        match self.core.wait() {
            Err(error) if error.kind() != ErrorKind::WrongState => Err(error),
            // The wrong state is: never started, so there is nothing to wait for.
            _ => Ok(()),
        }
    }
}
