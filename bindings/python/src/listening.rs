//! Listening.

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};
use reactor_core::{Error, ErrorKind, ListenerId, Listening, Waiting};

use crate::argument::{invalid, Argument};
use crate::errors::{exception, IntoPyResult};
use crate::exit::register;
use crate::made::text;
use crate::server::{Owned, Server};
use crate::terms::{terms, Subject};

#[pymethods]
impl Server {
    /// Binds and listens at `[scheme://]address[?option=value&...]` and returns the address really bound, a string whose
    /// `listener` is the listener's number. Before the start, in `on_start`, and while the server runs; usable on any thread.
    /// A host name is looked up, which may block.
    ///
    /// The schemes are tcp, also without a scheme, tcp4, tcp6, udp, udp4, udp6, unix (a path, or @NAME of Linux's abstract
    /// names), and fd (the number of a descriptor that was inherited, which the engine owns from then on). Port 0 picks a free
    /// one. The options stand in the query, where they win, or are arguments of this call, whose names are given in brackets
    /// where they are others. An argument that is None, as each is by default, asks for nothing. In the query BOOL is true or
    /// false; as an argument True or False.
    ///
    /// Of sockets:
    /// reuseport=BOOL: several sockets share the address, and the kernel deals out what arrives (tcp, udp). Default: no.
    /// backlog=N: connections that the kernel queues before they are accepted, above 0 (tcp, unix). Default: 4096.
    /// nodelay=BOOL: small writes leave at once (tcp). Default: yes.
    /// keepalive=BOOL|IDLE[,INTERVAL[,COUNT]]: the kernel probes silent connections: seconds before the first probe, between
    ///     probes, and how many; as an argument True, False, IDLE or a tuple (tcp). Default: no.
    /// rcvbuf=N: bytes of the kernel's receive buffer (tcp, udp) [recv_buffer]. Default: the system's.
    /// sndbuf=N: bytes of the kernel's send buffer [send_buffer]. Default: the system's.
    /// device=NAME: the one network interface to be reached through (tcp, udp). Default: all.
    /// ipv6only=BOOL: an IPv6 socket leaves IPv4 alone [ipv6_only]. Default: yes, unless the host is left out.
    /// mode=OCTAL: the permission bits of a Unix socket's path, whatever the umask; as an argument an integer, such as 0o600
    ///     [unix_mode]. Default: what the umask leaves.
    /// shared=BOOL: other processes accept from the socket, too, so that a stop does not end the listening (tcp, unix).
    ///     Default: yes for a socket that was inherited, or opened before a fork and started after it.
    /// datagram=N: bytes of a datagram that are received at most (udp) [datagram_size]. Default: 65535.
    /// broadcast=BOOL: datagrams may go to broadcast addresses (udp). Default: no.
    /// join=GROUP[@INTERFACE]: a multicast group to receive from, once for each; as an argument a string or a sequence of
    ///     strings (udp) [multicast]. Default: none.
    ///
    /// Of each connection:
    /// idle=MS: milliseconds without traffic after which it is closed with `CloseReason.IDLE`; as an argument seconds; 0 for
    ///     never. Default: never.
    /// read=MS: milliseconds in which nothing came while it was read, after which it is closed with `CloseReason.TIME_OUT`; as
    ///     an argument seconds; 0 for never. Default: never.
    /// write=MS: milliseconds in which neither the kernel nor the peer took output, after which it is reset with
    ///     `CloseReason.TIME_OUT`; as an argument seconds; 0 for never. Default: never.
    /// half_open=BOOL: it goes on after the peer's end of file. Default: no, it is closed then, once everything is answered.
    /// framing=FRAMING: how input is cut into frames, of which on_data gets one at a time and on_frames those of a read. FRAMING is line, fixed:LENGTH,
    ///     delimiter:BYTES (any byte as % and two hexadecimal digits: delimiter:%0D%0A), length:WIDTH (1, 2, 3, 4, 8 or
    ///     varint) or resp; behind it, after commas, max_frame=N; of lines and delimiters keep_delimiter=BOOL, deliver_rest=BOOL, and
    ///     of delimiters or=BYTES for each further one; of a length field order=big|little, offset=N, adjustment=N,
    ///     strip=N|header; of resp max_arguments=N. resp cuts the commands of Redis's clients, which
    ///     on_command gets as lists of arguments. Default: none, on_data gets whatever there is.
    ///
    /// Raises `InvalidAddressError`, which says what options there are, or what form one has; `InvalidArgumentError` and
    /// `TypeError` for an argument, by its name; `AddressInUseError`, `SystemCallError`, or once the server stops
    /// `WrongStateError`. Then nothing is left behind.
    #[pyo3(signature = (url, **options))]
    #[pyo3(text_signature = "($self, url, *, reuseport=None, backlog=None, nodelay=None, keepalive=None, \
                          recv_buffer=None, send_buffer=None, device=None, ipv6_only=None, unix_mode=None, shared=None, \
                          datagram_size=None, broadcast=None, multicast=None, idle=None, read=None, write=None, \
                          half_open=None, framing=None)")]
    fn listen<'py>(
        &self,
        url: &Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, url) = (url.py(), url_text(url)?);
        let terms = terms("listen", Subject::Listener, options, &[], |_| Ok(()))?;
        let listened = py.detach(|| self.handle.listen(&url, terms.listener(), terms.conns()));
        let listened = listened.into_py_result(py)?;
        // So that the end of the interpreter finds one that was never started.
        let Owned { key, state, .. } = self.owned(py)?;
        if !state.is_hosted() {
            register(key, self.handle.clone());
        }
        listening(py, &listened)
    }

    /// Listens on every descriptor that the service manager passed on, by the LISTEN_PID and LISTEN_FDS of systemd, and
    /// returns what `listen` would for each: an empty list if there are no such variables, or they are another process's. The
    /// engine owns the descriptors from then on. The options are those of `listen`, for all of them; where they
    /// differ, such as streams beside datagrams, `listen("fd://3?framing=line")`, `listen("fd://4")` and so on take one each.
    ///
    /// Raises what `listen` raises, and `InvalidArgumentError` if the variables are malformed; the descriptors before the one
    /// that failed stay.
    #[pyo3(signature = (**options))]
    #[pyo3(text_signature = "($self, *, reuseport=None, backlog=None, nodelay=None, keepalive=None, \
                          recv_buffer=None, send_buffer=None, device=None, ipv6_only=None, unix_mode=None, shared=None, \
                          datagram_size=None, broadcast=None, multicast=None, idle=None, read=None, write=None, \
                          half_open=None, framing=None)")]
    fn listen_inherited<'py>(
        &self,
        py: Python<'py>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let terms = terms("listen_inherited", Subject::Listener, options, &[], |_| Ok(()))?;
        let core = self.owned(py)?.core;
        let listened =
            py.detach(|| core.listen_inherited(terms.listener(), terms.conns())).into_py_result(py)?;
        listened.iter().map(|listened| listening(py, listened)).collect()
    }

    /// Stops listening: when this returns connects are refused, and the address is free. Connections of the listener go on,
    /// and whoever the kernel had connected before is taken in and served, or with `refuse` reset. Of a UDP listener the
    /// datagrams that wait are delivered and answered first, for which this waits, 5 seconds at most; in a callback of its own
    /// loop they are lost, and in one of another loop nobody waits. Usable on any thread.
    ///
    /// listener: its number, or what `listen` returned.
    /// refuse: whether those who wait to be accepted are reset. False, the default: they are served.
    ///
    /// Raises `InvalidArgumentError` if the server has no such listener any more.
    #[pyo3(signature = (listener, refuse=false))]
    fn close_listener(&self, listener: &Bound<'_, PyAny>, refuse: bool) -> PyResult<()> {
        let (py, id) = (listener.py(), listener_id(listener)?);
        let waiting = if refuse { Waiting::Refuse } else { Waiting::Serve };
        py.detach(|| self.handle.close_listener_with(id, waiting)).into_py_result(py)
    }

    /// The ids of a UDP listener's endpoints, by which `Conn` methods of this server send: from `on_start` on, one, or with
    /// reuseport one for each loop. Empty for other listeners, and before the start.
    ///
    /// listener: its number, or what `listen` returned.
    fn endpoints(&self, listener: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
        let (py, id) = (listener.py(), listener_id(listener)?);
        Ok(py.detach(|| self.handle.endpoints(id)).into_iter().map(reactor_core::ConnId::to_u64).collect())
    }

    /// The listeners, as `listen` returned them, in the order of its calls. Closed ones are none any more.
    #[getter]
    fn listeners<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let listeners = py.detach(|| self.handle.listeners());
        listeners.iter().map(|listened| listening(py, listened)).collect()
    }

    /// The addresses really bound, as URLs without a query, in the order of the listen calls.
    #[getter]
    fn addresses(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| self.handle.addresses())
    }
}

/// `reactor.Listening`.
fn listening_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "reactor._types", "Listening")
}

fn listening<'py>(py: Python<'py>, listened: &Listening) -> PyResult<Bound<'py, PyAny>> {
    let made = text(listening_class(py)?, &listened.address)?;
    made.setattr("listener", listened.id.to_u32())?;
    Ok(made)
}

/// The listener in a number, or in what `listen` returned.
fn listener_id(listener: &Bound<'_, PyAny>) -> PyResult<ListenerId> {
    let py = listener.py();
    let number = match listener.is_instance(listening_class(py)?)? {
        true => listener.getattr("listener")?,
        false => listener.clone(),
    };
    let none = || invalid(py, format!("there is no listener {number}"));
    Argument { name: "listener", value: &number }.integer("a listener's number, or what listen returned")?;
    match number.extract::<u32>() {
        Ok(number) => ListenerId::from_u32(number).ok_or_else(none),
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => Err(none()),
        Err(error) => Err(error),
    }
}

/// The text of a URL argument.
pub(crate) fn url_text(url: &Bound<'_, PyAny>) -> PyResult<String> {
    let url = url.cast::<PyString>().map_err(|_| no_url(url))?;
    url.to_cow().map(|text| text.into_owned()).map_err(|_| not_unicode(url))
}

/// The error for what is no text, such as a pair of host and port.
fn no_url(url: &Bound<'_, PyAny>) -> PyErr {
    let quoted = url.repr().map_or_else(|_| "this".to_owned(), |quoted| quoted.to_string());
    let forms = "\"tcp://127.0.0.1:5000\", \"tcp://:5000\" for all addresses, or \"unix:///path\"";
    PyTypeError::new_err(format!("the url has to be a string, such as {forms}, not {quoted}"))
}

/// The error for a URL with surrogates in it, as they come from command lines.
fn not_unicode(url: &Bound<'_, PyString>) -> PyErr {
    match url.repr() {
        Ok(quoted) => {
            let message = format!("invalid address {quoted}: it is not valid Unicode");
            exception(url.py(), &Error::new(ErrorKind::InvalidAddress, message))
        }
        Err(error) => error,
    }
}
