//! A server: made, listening, started, stopped, freed.

use std::ffi::c_char;
use std::sync::Arc;

use reactor_core::{Config, ErrorKind, Result, Server};

use crate::argument::{self, invalid, not_null};
use crate::callbacks::{reactor_callbacks, CHandler, Table};
use crate::guard::{guard, guard_value};
use crate::inside;
use crate::options::reactor_options;
use crate::sized;
use crate::status::reactor_status;
use crate::usage::Usage;

/// Bytes that hold every address that reactor_server_address() gives, the zero at the end included.
pub const REACTOR_ADDRESS_CAPACITY: usize = 128;

/// A server: its listeners, its event loops and their connections. Made by reactor_server_new(), used by any
/// thread, freed by reactor_server_free().
pub struct reactor_server {
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
            false => unsafe { sized::read(options, FUNCTION, "options") }?.config(),
        };
        not_null(out_server, FUNCTION, "out_server")?;
        let table = Arc::new(Table::new(callbacks));
        let core = Server::new(CHandler(Arc::clone(&table)), &config)?;
        let server = reactor_server { core, usage: Arc::default(), _user_data: UserData(Arc::clone(&table)) };
        let server = Box::into_raw(Box::new(server));
        table.set_server(server);
        // SAFETY: not NULL, and the caller passes room for a pointer.
        unsafe { out_server.write(server) };
        Ok(())
    })
}

/// Binds and listens at url, as "tcp://127.0.0.1:5000"; the kernel queues connections until the start. Any
/// number of times, before the start. A host name is looked up, which may block.
///
/// url is [scheme://]address[?option=value&...]. Schemes: tcp (also without a scheme; with no host, IPv4 and
/// IPv6), tcp4, tcp6, unix (a path, or @name for Linux's abstract namespace). Options: backlog=N, and for TCP
/// nodelay=BOOL (on by default) and reuseport=BOOL. Port 0 picks a free one; reactor_server_address() tells
/// which.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL; REACTOR_STATUS_INVALID_ADDRESS, whose message quotes
/// url; REACTOR_STATUS_ADDRESS_IN_USE or REACTOR_STATUS_SYSTEM with the system's reason;
/// REACTOR_STATUS_WRONG_STATE after the start. Nothing is left behind then, and the server can listen again.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_listen(
    server: *mut reactor_server,
    url: *const c_char,
) -> reactor_status {
    const FUNCTION: &str = "reactor_server_listen";
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let server = unsafe { self::server(server, FUNCTION) }?;
        // SAFETY: the caller passes a string that ends with a zero byte.
        let url = unsafe { argument::url(url, FUNCTION) }?;
        server.core.listen(url).map(drop)
    })
}

/// Gives the address really bound by the listener number index, counted from 0 in the order of the calls of
/// reactor_server_listen() that succeeded, as a URL without options.
///
/// Writes the address and a zero byte to buffer, which has room for capacity bytes; REACTOR_ADDRESS_CAPACITY
/// are always enough. out_length, which may be NULL, is given the length without the zero byte. To learn only
/// the length, pass NULL and 0.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a NULL server, an index that no listener has, and a buffer
/// that is too small; nothing is written then.
#[no_mangle]
pub unsafe extern "C" fn reactor_server_address(
    server: *mut reactor_server,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    out_length: *mut usize,
) -> reactor_status {
    const FUNCTION: &str = "reactor_server_address";
    guard(|| {
        // SAFETY: the caller's server, not freed during the call.
        let addresses = unsafe { self::server(server, FUNCTION) }?.core.handle().addresses();
        let address = addresses.get(index).ok_or_else(|| {
            let count = addresses.len();
            invalid(FUNCTION, format_args!("index is {index}, the number of listeners is {count}"))
        })?;
        // SAFETY: the caller passes NULL and 0, or room for `capacity` bytes.
        unsafe { copy_out(address, buffer, capacity, FUNCTION) }?;
        if !out_length.is_null() {
            // SAFETY: not NULL, and the caller passes room for a length.
            unsafe { out_length.write(address.len()) };
        }
        Ok(())
    })
}

/// Copies a text to C, with a zero byte; nothing to NULL with room for nothing.
///
/// # Safety
/// The buffer is NULL or has room for `capacity` bytes.
unsafe fn copy_out(text: &str, buffer: *mut c_char, capacity: usize, function: &str) -> Result<()> {
    if buffer.is_null() && capacity == 0 {
        return Ok(());
    }
    not_null(buffer, function, "buffer")?;
    let needed = text.len() + 1;
    if capacity < needed {
        return Err(invalid(function, format_args!("capacity is {capacity}, needed are {needed} bytes")));
    }
    let buffer = buffer.cast::<u8>();
    // SAFETY: the room is enough, as was checked, and Rust's text does not overlap with C's buffer.
    unsafe {
        buffer.copy_from_nonoverlapping(text.as_ptr(), text.len());
        buffer.add(text.len()).write(0);
    }
    Ok(())
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

/// Gives the number of connections that are open, those being closed included.
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
/// Errors: REACTOR_STATUS_WRONG_THREAD inside a callback, of whichever server: then nothing was done.
/// REACTOR_STATUS_SYSTEM if the system does not let us wait: then the server is stopping, and not freed.
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
        unsafe { self::server(server, FUNCTION) }?.end()?;
        // SAFETY: made by `Box::into_raw`; its threads have ended, and the caller promises to use it no more.
        drop(unsafe { Box::from_raw(server) });
        Ok(())
    })
}

impl reactor_server {
    /// Stops, and waits until nobody uses the server any more.
    fn end(&self) -> Result<()> {
        self.core.handle().stop();
        self.usage.wait_for_end();
        match self.core.wait() {
            Err(error) if error.kind() != ErrorKind::WrongState => Err(error),
            // The wrong state is: never started, so there is nothing to wait for.
            _ => Ok(()),
        }
    }
}
