//! Listening and UDP sockets: binding with options, adopting inherited ones, the address really bound.

mod inet;
mod inherited;
mod path;
mod sharing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::{
    abstract_address, check_again, wrong, Address, ListenOptions, ListenUrl, SocketKind, SocketOption, Target,
};
use crate::base::error::{Error, ErrorKind, Result};
#[cfg(test)]
use crate::contract::options::ConnOptions;
use crate::sys::datagram::MAX_BUFFER;
use crate::sys::socket::{self, in_zone, shutdown_listening};
use crate::sys::socket_options;

use super::claim::Claim;
use inet::{look_up, Inet};
pub use inherited::inherited;
use path::{AbandonedPath, BoundPath};
use sharing::Sharing;

/// As large as Linux's own default for net.core.somaxconn.
const DEFAULT_BACKLOG: i32 = 4096;
/// Who is given connections that were accepted, with the peer's address.
type Take<'a> = dyn FnMut(OwnedFd, Address) + 'a;

/// Errors in a row after which nobody is looked for any more when a listener closes.
const LAST_ERRORS: usize = 16;

/// A listening socket, or a bound one for UDP. Dropping it closes it, and removes a Unix path if it is still
/// its own.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Dropped before the socket.
    path: Option<BoundPath>,
    /// Dropped before the socket: a number that is free is never claimed.
    claim: Claim,
    /// Once it was closed, its number stands for something that is no socket until this is dropped.
    socket: Socket,
    /// It was closed. Whoever accepts or closes holds the lock meanwhile, so that the address is free when closing returns.
    closed: Mutex<bool>,
    /// Dropped behind the socket.
    abandoned: Option<AbandonedPath>,
    address: String,
    kind: SocketKind,
    sharing: Arc<Sharing>,
    /// How to open another one like it, with reuseport.
    shared: Option<Inet>,
    /// What accepted sockets do not inherit.
    accepted: Option<SocketOption>,
    /// Bytes of a datagram that are received at most.
    datagram_size: usize,
}

fn datagram_size(options: &ListenOptions) -> usize {
    match options.datagram_size {
        0 => MAX_BUFFER,
        size => size,
    }
}

impl Listener {
    /// Binds and listens as a URL asks for; the kernel queues connections or datagrams from now on. A host name is looked
    /// up, and a Unix path may wait up to a second for its directory's lock: both block.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAddress`], which quotes the URL and the option; [`ErrorKind::AddressInUse`] or
    /// [`ErrorKind::System`] with the system's reason. Nothing is left behind.
    pub(crate) fn open(url: &str, parsed: ListenUrl) -> Result<Listener> {
        let ListenUrl { scheme, target, options, conns } = parsed;
        if scheme.is_udp() {
            conns.refuse_for_datagrams(url)?;
        }
        match target {
            Target::Inet { addr, dual_stack } => Inet { scheme, addr, dual_stack, options }.open(url),
            Target::Zoned { ip, zone, port } => {
                let addr = in_zone(ip, port, &zone);
                let addr = addr.map_err(|error| wrong(url, format_args!("the zone {zone:?}: {error}")))?;
                Inet { scheme, addr, dual_stack: false, options }.open(url)
            }
            Target::Name { host, port } => {
                let addr = look_up(url, scheme, &host, port)?;
                check_again(url, scheme, &Target::Inet { addr, dual_stack: false }, &options)?;
                Inet { scheme, addr, dual_stack: false, options }.open(url)
            }
            Target::Path(path) => Self::path(url, &path, &options),
            Target::Abstract(name) => Self::abstract_name(url, name, &options),
            Target::Descriptor(number) => {
                let listener = inherited::adopt(url, number, &options, &conns)?;
                Ok(Listener { datagram_size: datagram_size(&options), ..listener })
            }
        }
    }

    #[cfg(test)]
    fn open_with(url: &str, options: &ListenOptions) -> Result<Listener> {
        Self::open(url, ListenUrl::parse(url, options, &ConnOptions::default())?)
    }

    /// `shared`: whether other processes accept from the socket, too, if that was told.
    fn new(socket: Socket, kind: SocketKind, address: String, shared: Option<bool>) -> Listener {
        let claim = Claim::of_own(socket.as_raw_fd());
        Listener {
            path: None,
            claim,
            socket,
            closed: Mutex::new(false),
            abandoned: None,
            address,
            kind,
            sharing: Arc::new(Sharing::of_own(shared)),
            shared: None,
            accepted: None,
            datagram_size: MAX_BUFFER,
        }
    }

    fn path(url: &str, path: &Path, options: &ListenOptions) -> Result<Listener> {
        let (socket, own) = path::listen(url, path, options)?;
        let listener = Self::unix(socket, Address::Path(path.to_owned()), options);
        let (path, abandoned) = own.with(&listener.sharing);
        Ok(Listener { path: Some(path), abandoned: Some(abandoned), ..listener })
    }

    fn abstract_name(url: &str, name: Vec<u8>, options: &ListenOptions) -> Result<Listener> {
        let opened = abstract_address(&name).and_then(|address| {
            let socket = unix_socket(&address)?;
            socket.listen(backlog(options)).map(|()| socket)
        });
        let socket = opened.map_err(|error| failed(url, &error))?;
        Ok(Self::unix(socket, Address::Abstract(name), options))
    }

    fn unix(socket: Socket, address: Address, options: &ListenOptions) -> Listener {
        let (url, accepted) = (format!("unix://{address}"), of_accepted(options));
        Listener { accepted, ..Self::new(socket, SocketKind::Unix, url, options.shared) }
    }

    /// Opens a further socket on the very same address and with the same options; the kernel deals out
    /// between the two. Only with [`reuseport`](Self::reuseport).
    pub(crate) fn another(&self) -> Result<Listener> {
        let alone = || {
            let message =
                format!("{}: only a socket with reuseport can have another beside it", self.address);
            Error::new(ErrorKind::WrongState, message)
        };
        self.shared.clone().ok_or_else(alone)?.open(&self.address)
    }

    /// Whether several sockets of this process may be bound to the address: reuseport was asked for.
    pub(crate) fn reuseport(&self) -> bool {
        self.shared.is_some()
    }

    /// The address really bound, as a URL without a query.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn kind(&self) -> SocketKind {
        self.kind
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.socket.local_addr().is_ok_and(|address| address.is_ipv4())
    }

    /// Bytes of a datagram that are received at most.
    pub(crate) fn datagram_size(&self) -> usize {
        self.datagram_size
    }

    /// The bound UDP socket, for the endpoint that owns it from now on, and what keeps its number from being
    /// adopted a second time; `None` if it was closed.
    pub(crate) fn into_udp(self) -> Option<(Socket, Claim)> {
        let is_closed = *self.lock();
        (!is_closed).then_some((self.socket, self.claim))
    }

    /// Tells an accepted socket what it did not inherit: the size of a Unix socket's send buffer. Everything
    /// else comes from the listening socket (Linux: TCP copies the listener's options).
    pub(crate) fn prepare_accepted(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.accepted.as_ref().map_or(Ok(()), |option| socket_options::set(socket, option))
    }

    /// This process begins to accept from it. From here on those who fork get copies that mean nothing.
    pub(crate) fn adopt(&self) {
        self.sharing.settle();
    }

    /// Whether other processes may accept from the socket, too.
    pub(crate) fn is_shared(&self) -> bool {
        self.sharing.is_shared()
    }

    /// Accepts a connection that waits, if one does: it and its peer's address.
    ///
    /// # Errors
    /// As accept(2) has them; EINVAL, too, once it was closed.
    pub(crate) fn accept(&self) -> io::Result<(OwnedFd, Address)> {
        match *self.lock() {
            true => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            false => socket::accept(self.socket.as_fd()),
        }
    }

    /// Uses the socket, which nobody closes meanwhile; `None` if it was closed.
    pub(crate) fn while_open<T>(&self, use_it: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        let is_closed = self.lock();
        (!*is_closed).then(|| use_it(self.socket.as_fd()))
    }

    /// Accepts all that the kernel has connected.
    pub(crate) fn take_waiting(&self, take: &mut Take<'_>) {
        if self.kind != SocketKind::Udp {
            self.while_open(|socket| self.take_from(socket, take));
        }
    }

    /// The server stops: the path is removed, and nobody listens any more, not even who has a copy; but a socket that other
    /// processes accept from, too, goes on there, with its path. Whoever waits is reset. The number stays until the drop.
    pub(crate) fn stop_listening(&self) {
        let is_closed = self.lock();
        if *is_closed {
            return;
        }
        self.path.iter().for_each(BoundPath::remove);
        if self.kind != SocketKind::Udp && !self.is_shared() {
            shutdown_listening(self.socket.as_fd());
        }
    }

    /// Closes the socket, whoever holds it: when this returns, connects are refused, a path is removed, and the address is
    /// free. Its number stands for what `placeholder` does until the listener is dropped. Whoever the kernel had connected
    /// goes to `take`, or, without one, is reset.
    ///
    /// A socket that other processes accept from, too, is only closed: it goes on there. Otherwise nobody listens any more, also
    /// not who has a copy.
    pub(crate) fn close_now(&self, placeholder: BorrowedFd<'_>, mut take: Option<&mut Take<'_>>) {
        let mut is_closed = self.lock();
        if std::mem::replace(&mut *is_closed, true) {
            return;
        }
        self.path.iter().for_each(BoundPath::remove);
        let socket = self.socket.as_fd();
        let ours = self.kind != SocketKind::Udp && !self.is_shared();
        let mut take_all = || take.iter_mut().for_each(|take| self.take_from(socket, take));
        match self.kind {
            SocketKind::Udp => {}
            // Those who wait can still be accepted when it listens no more, and nobody joins them.
            SocketKind::Unix => {
                ours.then(|| shutdown_listening(socket));
                take_all();
            }
            // That would reset them.
            SocketKind::Tcp => {
                take_all();
                ours.then(|| shutdown_listening(socket));
            }
        }
        socket::replace(socket, placeholder);
        self.abandoned.iter().for_each(AbandonedPath::remove);
    }

    /// Accepts until nobody waits.
    fn take_from(&self, socket: BorrowedFd<'_>, take: &mut Take<'_>) {
        let mut errors = 0;
        while errors < LAST_ERRORS {
            match socket::accept(socket) {
                Ok((accepted, peer)) => {
                    // What fails leaves a buffer as large as the system makes it.
                    let _ = self.prepare_accepted(accepted.as_fd());
                    take(accepted, peer);
                    errors = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => errors += 1,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What we are doing, for errors.
struct ListeningOn<'a>(&'a str);

impl fmt::Display for ListeningOn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "listen on {:?}", self.0)
    }
}

fn failed(url: &str, error: &io::Error) -> Error {
    Error::system(ListeningOn(url), error)
}

fn backlog(options: &ListenOptions) -> i32 {
    // Checked to fit.
    i32::try_from(options.backlog).ok().filter(|&backlog| backlog > 0).unwrap_or(DEFAULT_BACKLOG)
}

fn unix_socket(address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(address)?;
    Ok(socket)
}

/// What accepted Unix sockets must be told: the kernel makes them as new ones.
fn of_accepted(options: &ListenOptions) -> Option<SocketOption> {
    (options.send_buffer > 0).then_some(SocketOption::SendBuffer(options.send_buffer))
}
