//! The short way to serve, and the two signals that end it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use super::Server;
use crate::base::error::{Error, ErrorKind, Result};
use crate::contract::config::Config;
use crate::delivery::handler::Handler;
use crate::shared::server::lock;
use crate::sys::stop_signals::StopSignals;

/// Makes a server, listens at all of the URLs, and serves until it is told to stop: by SIGTERM or SIGINT (Ctrl-C), as
/// [`Server::stop_on_signals`] has it, or by [`Handle::stop`](crate::Handle::stop). It prints nothing, and
/// [`Config::stop_deadline`] is how long connections may go on after the first signal. What was done with the signals before is
/// done again when it returns. A signal that comes before the start ends it well, too.
///
/// ```no_run
/// use reactor_core::{serve, Action, Config, Conn, Handler};
///
/// struct Echo;
/// impl Handler for Echo {
///     fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
///         conn.write(data).map_or(Action::Close, |_| Action::None)
///     }
/// }
///
/// serve(Echo, &["tcp://:5000", "unix:///run/echo.sock"], &Config::default())?;
/// # Ok::<(), reactor_core::Error>(())
/// ```
///
/// # Errors
/// As [`Server::new`], [`Server::listen`], which quotes the URL that failed, and [`Server::run`]. Nothing is left behind then.
pub fn serve<U: AsRef<str>>(handler: impl Handler, urls: &[U], config: &Config) -> Result<()> {
    Server::new(handler, config)?.serve(urls)
}

/// How signals stop a server.
pub(super) struct Signals {
    /// One has come.
    came: Arc<AtomicBool>,
    told: StopSignals,
}

impl Server {
    /// From now on, until the server is dropped, SIGTERM and SIGINT (Ctrl-C) stop it: the first gracefully, within
    /// [`Config::stop_deadline`], and any further one at once. One that comes before the start stops it as well; the start
    /// is then refused. Only this and [`serve`](crate::serve) handle signals. With several servers a signal stops them all.
    ///
    /// What was done with the two signals before, ignoring them included, is done again once no server handles them; unless
    /// the program has changed it meanwhile. No other signal is touched. They are handled on whichever thread the system
    /// chooses: on the main thread as long as that does not block them. A child that is forked after the call does with them
    /// what was done before it: one that serves a copy of the server calls this itself.
    ///
    /// # Errors
    /// [`ErrorKind::System`] if the system refuses.
    pub fn stop_on_signals(&self) -> Result<()> {
        let mut signals = lock(&self.signals);
        // In a forked child it is the parent that is told.
        if signals.as_ref().is_some_and(|signals| signals.told.is_here()) {
            return Ok(());
        }
        let (came, handle) = (Arc::new(AtomicBool::new(false)), self.handle.clone());
        let seen = Arc::clone(&came);
        let told = StopSignals::watch(move || match seen.swap(true, Ordering::SeqCst) {
            false => handle.stop_gracefully(Duration::ZERO),
            true => handle.stop(),
        });
        let told = told.map_err(|error| Error::system("handle SIGINT and SIGTERM", &error))?;
        *signals = Some(Signals { came, told });
        Ok(())
    }

    /// Listens at all of the URLs, and runs, while signals stop it.
    ///
    /// # Errors
    /// As [`serve`](crate::serve).
    #[doc(hidden)]
    pub fn serve<U: AsRef<str>>(&self, urls: &[U]) -> Result<()> {
        Self::check_thread()?;
        self.stop_on_signals()?;
        let listening = urls.iter().try_for_each(|url| self.listen(url.as_ref()).map(drop));
        match listening.and_then(|()| self.run()) {
            // A signal came before the start.
            Err(error)
                if self.is_signalled()
                    && matches!(error.kind(), ErrorKind::Stopped | ErrorKind::WrongState) =>
            {
                Ok(())
            }
            served => served,
        }
    }

    /// Whether a signal has come.
    fn is_signalled(&self) -> bool {
        lock(&self.signals).as_ref().is_some_and(|signals| signals.came.load(Ordering::SeqCst))
    }
}
