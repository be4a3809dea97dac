//! Calls by a connection's id that are made rarely.

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use reactor_core::{Address, ConnId, ConnInfo, Error, ErrorKind, Handle, Result, SocketOption, Timeouts};

use crate::failure::Failure;
use crate::listening::{framing, terms, Term};
use crate::options::millis;
use crate::server::{NativeServer, State};

/// What can be read of a connection.
#[napi(object)]
pub struct NativeInfo {
    /// The number of its listener; 0 for none.
    pub listener: u32,
    /// The index of its loop.
    pub on_loop: u32,
    /// Milliseconds.
    pub age_ms: f64,
    /// Bytes.
    pub received: f64,
    /// Bytes.
    pub sent: f64,
    /// Bytes.
    pub queued: f64,
}

impl From<ConnInfo> for NativeInfo {
    fn from(info: ConnInfo) -> Self {
        NativeInfo {
            listener: info.listener.map_or(0, |listener| listener.to_u32()),
            // At most Config::MAX_LOOPS.
            on_loop: info.on_loop as u32,
            age_ms: info.age.as_millis() as f64,
            received: info.received as f64,
            sent: info.sent as f64,
            queued: info.queued as f64,
        }
    }
}

/// Who is at the other end of a Unix connection.
#[napi(object)]
pub struct NativeCredentials {
    /// The process, if it can be seen from here.
    pub pid: Option<f64>,
    /// The user.
    pub uid: f64,
    /// The group.
    pub gid: f64,
}

#[napi]
impl NativeServer {
    /// Changes when a connection is closed for want of traffic, in milliseconds.
    #[napi(catch_unwind)]
    pub fn set_timeouts(&self, high: u32, low: u32, idle: i64, read: i64, write: i64) -> Option<Failure> {
        let timeouts = Timeouts { idle: millis(idle), read: millis(read), write: millis(write) };
        self.on_conn(high, low, |handle, id| handle.set_timeouts(id, timeouts)).err().map(Failure::from)
    }

    /// Changes how a connection's input is cut.
    #[napi(catch_unwind)]
    pub fn set_framing(&self, high: u32, low: u32, term: Term) -> Option<Failure> {
        let set = |handle: &Handle, id| {
            self.expect_framing(&term)?;
            handle.set_framing(id, framing(term)?)
        };
        self.on_conn(high, low, set).err().map(Failure::from)
    }

    /// Sets an option of a connection's socket.
    #[napi(catch_unwind)]
    pub fn set_option(&self, high: u32, low: u32, option: Term) -> Option<Failure> {
        let set = |handle: &Handle, id| handle.set_option(id, &socket_option(option)?);
        self.on_conn(high, low, set).err().map(Failure::from)
    }

    /// The address of the peer, or of this side.
    #[napi(catch_unwind)]
    pub fn address(&self, high: u32, low: u32, of_peer: bool) -> Either<String, Failure> {
        let address = |handle: &Handle, id| match of_peer {
            true => handle.remote_address(id),
            false => handle.local_address(id),
        };
        either(self.on_conn(high, low, address).map(|address: Address| address.to_string()))
    }

    /// What can be read of a connection.
    #[napi(catch_unwind)]
    pub fn info(&self, high: u32, low: u32) -> Either<NativeInfo, Failure> {
        self.state.info(high, low)
    }

    /// Who is at the other end of a Unix connection.
    #[napi(catch_unwind)]
    pub fn peer_credentials(&self, high: u32, low: u32) -> Either<NativeCredentials, Failure> {
        either(self.on_conn(high, low, Handle::peer_credentials).map(|credentials| NativeCredentials {
            pid: credentials.pid.map(f64::from),
            uid: f64::from(credentials.uid),
            gid: f64::from(credentials.gid),
        }))
    }
}

/// What runs on a loop: it says that the loop has come to it.
#[napi]
impl NativeServer {
    /// Has a loop say that it has come to this, by a token.
    #[napi(catch_unwind)]
    pub fn run_on_loop(&self, on_loop: u32, token: u32) -> Option<Failure> {
        let channel = self.channel.clone();
        let run = move |_: &Handle| channel.run(token);
        let asked = self.engine().and_then(|server| server.handle().run_on(on_loop as usize, run));
        asked.err().map(Failure::from)
    }

    /// The same for the loop of a connection.
    #[napi(catch_unwind)]
    pub fn run_on_conn(&self, high: u32, low: u32, token: u32) -> Option<Failure> {
        let channel = self.channel.clone();
        let run = |handle: &Handle, id| handle.run_on_conn(id, move |_| channel.run(token));
        self.on_conn(high, low, run).err().map(Failure::from)
    }
}

impl NativeServer {
    fn on_conn<T>(&self, high: u32, low: u32, call: impl FnOnce(&Handle, ConnId) -> Result<T>) -> Result<T> {
        self.state.on_conn(high, low, call)
    }
}

impl State {
    /// Makes a call on a connection. Those of a server that is over are closed.
    fn on_conn<T>(&self, high: u32, low: u32, call: impl FnOnce(&Handle, ConnId) -> Result<T>) -> Result<T> {
        let number = u64::from(high) << 32 | u64::from(low);
        let done = ConnId::from_u64(number).and_then(|id| self.with_handle(|handle| call(handle, id)));
        done.unwrap_or_else(|| Err(self.closed(number)))
    }

    /// What can be read of a connection.
    pub(crate) fn info(&self, high: u32, low: u32) -> Either<NativeInfo, Failure> {
        either(self.on_conn(high, low, Handle::info).map(NativeInfo::from))
    }
}

fn either<T>(result: Result<T>) -> Either<T, Failure> {
    match result {
        Ok(value) => Either::A(value),
        Err(error) => Either::B(error.into()),
    }
}

/// An option of an open socket, by its name.
fn socket_option(option: Term) -> Result<SocketOption> {
    let Term { name, text, .. } = &option;
    let wrong = || Error::new(ErrorKind::InvalidArgument, format!("{name} cannot be {text}"));
    let switch = || text.parse::<bool>().map_err(|_| wrong());
    let number = || text.parse::<u32>().map_err(|_| wrong());
    let bytes = || text.parse::<usize>().map_err(|_| wrong());
    let of_table = |name: &str| terms(&[Term::new(name, text)]);
    let group = || of_table("join")?.listener().multicast.first().cloned().ok_or_else(wrong);
    Ok(match name.as_str() {
        "nodelay" => SocketOption::NoDelay(switch()?),
        "keepalive" => {
            SocketOption::KeepAlive(of_table("keepalive")?.listener().keepalive.ok_or_else(wrong)?)
        }
        "recvBuffer" => SocketOption::RecvBuffer(bytes()?),
        "sendBuffer" => SocketOption::SendBuffer(bytes()?),
        "ttl" => SocketOption::Ttl(number()?),
        "broadcast" => SocketOption::Broadcast(switch()?),
        "multicastTtl" => SocketOption::MulticastTtl(number()?),
        "multicastLoop" => SocketOption::MulticastLoop(switch()?),
        "join" => SocketOption::JoinMulticast(group()?),
        "leave" => SocketOption::LeaveMulticast(group()?),
        _ => return Err(Error::new(ErrorKind::InvalidArgument, format!("unknown option {name}"))),
    })
}
