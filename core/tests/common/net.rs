//! A handler that tells a test what it sees, and what tests of sockets share beside it.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::Mutex;
use std::time::Duration;

use reactor_core::{Action, BoxError, Closed, Conn, ConnId, Detached, Handle, Handler, TimerId};

use super::PATIENCE;

/// A callback, as the handler saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Start,
    Open(ConnId),
    Data(ConnId, Vec<u8>, Option<SocketAddr>),
    Eof(ConnId),
    Drain(ConnId),
    Wake(ConnId),
    Timer(ConnId),
    Detach(ConnId),
    Close(ConnId, Closed),
    Stopping,
    Stop,
}

type OnConn = Box<dyn Fn(&Conn<'_>) -> Action + Send + Sync>;
type OnData = Box<dyn Fn(&Conn<'_>, &[u8]) -> Action + Send + Sync>;
type OnServer = Box<dyn Fn(&Handle) -> Result<Action, BoxError> + Send + Sync>;
type OnClose = Box<dyn Fn(&Conn<'_>, Closed) + Send + Sync>;

/// Tells every callback, then does what the test gave it for that callback.
pub(crate) struct Probe {
    seen: Mutex<Sender<Seen>>,
    start: OnServer,
    open: OnConn,
    data: OnData,
    timer: OnConn,
    wake: OnConn,
    close: OnClose,
}

impl Probe {
    pub(crate) fn new() -> (Probe, Receiver<Seen>) {
        let (sender, seen) = channel();
        let probe = Probe {
            seen: Mutex::new(sender),
            start: Box::new(|_| Ok(Action::None)),
            open: Box::new(|_| Action::None),
            data: Box::new(|_, _| Action::None),
            timer: Box::new(|_| Action::None),
            wake: Box::new(|_| Action::None),
            close: Box::new(|_, _| {}),
        };
        (probe, seen)
    }

    pub(crate) fn start(
        mut self,
        call: impl Fn(&Handle) -> Result<Action, BoxError> + Send + Sync + 'static,
    ) -> Probe {
        self.start = Box::new(call);
        self
    }

    pub(crate) fn open(mut self, call: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> Probe {
        self.open = Box::new(call);
        self
    }

    pub(crate) fn data(mut self, call: impl Fn(&Conn<'_>, &[u8]) -> Action + Send + Sync + 'static) -> Probe {
        self.data = Box::new(call);
        self
    }

    pub(crate) fn timer(mut self, call: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> Probe {
        self.timer = Box::new(call);
        self
    }

    pub(crate) fn wake(mut self, call: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> Probe {
        self.wake = Box::new(call);
        self
    }

    pub(crate) fn close(mut self, call: impl Fn(&Conn<'_>, Closed) + Send + Sync + 'static) -> Probe {
        self.close = Box::new(call);
        self
    }

    /// The test may have seen enough, and be gone.
    fn tell(&self, seen: Seen) {
        let _ = self.seen.lock().unwrap().send(seen);
    }
}

impl Handler for Probe {
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError> {
        self.tell(Seen::Start);
        (self.start)(server)
    }

    fn on_open(&self, conn: &Conn<'_>) -> Action {
        self.tell(Seen::Open(conn.id()));
        (self.open)(conn)
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        self.tell(Seen::Data(conn.id(), data.to_vec(), conn.sender()));
        (self.data)(conn, data)
    }

    fn on_eof(&self, conn: &Conn<'_>) -> Action {
        self.tell(Seen::Eof(conn.id()));
        Action::Close
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        self.tell(Seen::Drain(conn.id()));
        Action::None
    }

    fn on_wake(&self, conn: &Conn<'_>) -> Action {
        self.tell(Seen::Wake(conn.id()));
        (self.wake)(conn)
    }

    fn on_timer(&self, conn: &Conn<'_>, _: TimerId) -> Action {
        self.tell(Seen::Timer(conn.id()));
        (self.timer)(conn)
    }

    fn on_detach(&self, conn: &Conn<'_>, _: Detached) {
        self.tell(Seen::Detach(conn.id()));
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        self.tell(Seen::Close(conn.id(), closed));
        (self.close)(conn, closed);
    }

    fn on_stopping(&self, _: &Handle) {
        self.tell(Seen::Stopping);
    }

    fn on_stop(&self, _: &Handle) {
        self.tell(Seen::Stop);
    }
}

/// The next callback that is not the start.
pub(crate) fn next(seen: &Receiver<Seen>) -> Seen {
    match seen.recv_timeout(PATIENCE).expect("a callback is missing") {
        Seen::Start => next(seen),
        other => other,
    }
}

/// The id of the connection that opens next; nothing else comes before.
pub(crate) fn opened(seen: &Receiver<Seen>) -> ConnId {
    match next(seen) {
        Seen::Open(id) => id,
        other => panic!("{other:?} instead of on_open"),
    }
}

/// How the connection that closes next ended; nothing else comes before.
pub(crate) fn closed(seen: &Receiver<Seen>) -> (ConnId, Closed) {
    match next(seen) {
        Seen::Close(id, closed) => (id, closed),
        other => panic!("{other:?} instead of on_close"),
    }
}

/// Nothing but the start comes for a while: a wait that can only miss a failure, never make one.
pub(crate) fn nothing(seen: &Receiver<Seen>) {
    match seen.recv_timeout(Duration::from_millis(150)) {
        Ok(Seen::Start) => nothing(seen),
        found => assert_eq!(found, Err(RecvTimeoutError::Timeout)),
    }
}

/// The address in a URL.
pub(crate) fn address(url: &str) -> SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}

/// A unique path for a socket, which nobody has: no other test of this process, either.
pub(crate) fn socket_path(name: &str) -> String {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    let (process, number) = (std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(format!("reactor-test-{process}-{number}-{name}"));
    let _ = fs::remove_file(&path);
    path.to_str().unwrap().to_owned()
}

/// Kibibytes of memory of this process that no file stands behind.
pub(crate) fn anonymous_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
