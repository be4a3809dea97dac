//! What the bodies of exported functions have in common: they look a server or a connection up, and give a value.

use reactor_core::{ConnId, Error, ErrorKind, Handle, Result};

use crate::call::Call;
use crate::conn::reactor_conn;
use crate::server::reactor_server;
use crate::status::reactor_status;

impl Call {
    /// The server behind a pointer from C.
    ///
    /// # Safety
    /// The pointer is NULL or a server that is not freed during the call.
    pub(crate) unsafe fn server<'a>(self, server: *const reactor_server) -> Result<&'a reactor_server> {
        // SAFETY: what the caller promises; nobody ever has a `&mut` to a server.
        self.required(unsafe { server.as_ref() }, "server")
    }

    /// Runs the body of a function of a server.
    ///
    /// # Safety
    /// The server is NULL or not freed during the call.
    pub(crate) unsafe fn with_server(
        self,
        server: *const reactor_server,
        body: impl FnOnce(&reactor_server) -> Result<()>,
    ) -> reactor_status {
        // SAFETY: what the caller promises.
        self.run(|| body(unsafe { self.server(server) }?))
    }

    /// Runs the body of a function of a server that gives one value, and whose other arguments are checked after
    /// `out`.
    ///
    /// # Safety
    /// The server is NULL or not freed during the call; `out` is NULL or has room for the value.
    pub(crate) unsafe fn getter<T>(
        self,
        server: *const reactor_server,
        out: *mut T,
        parameter: &str,
        get: impl FnOnce(&reactor_server) -> Result<T>,
    ) -> reactor_status {
        // SAFETY: what the caller promises.
        unsafe { self.with_server(server, |server| self.give(out, parameter, || get(server))) }
    }

    /// Runs the body of a function of a connection: whose id may be none, and is asked for when the other arguments
    /// are checked.
    ///
    /// # Safety
    /// The server is NULL or not freed during the call.
    pub(crate) unsafe fn by_id(
        self,
        server: *const reactor_server,
        conn: reactor_conn,
        body: impl FnOnce(&Handle, Result<ConnId>) -> Result<()>,
    ) -> reactor_status {
        // SAFETY: what the caller promises.
        unsafe { self.with_server(server, |server| body(server.handle(), id_of(conn))) }
    }
}

/// The id in a number from C; a number that never was one is answered like that of a dead connection.
fn id_of(conn: reactor_conn) -> Result<ConnId> {
    ConnId::from_u64(conn)
        .ok_or_else(|| Error::new(ErrorKind::Closed, format!("there is no connection {conn}")))
}
