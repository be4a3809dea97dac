//! Unix paths: taking over a dead server's, never a live one's, and removing our own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::sharing::{Part, Sharing};
use super::{backlog, failed, unix_socket, ListeningOn};
use crate::address::ListenOptions;
use crate::base::error::{Error, Result};
use crate::sys::socket::{try_lock, unlock};

/// Binds a path and listens. Nobody who locks the directory as we do sees a state in between, where the
/// socket is bound and refuses connections as a dead server's does.
pub(super) fn listen(url: &str, path: &Path, options: &ListenOptions) -> Result<(Socket, OwnPath)> {
    let failed = |error| failed(url, &error);
    // A later change of the working directory must not change what is removed at the end.
    let whole = path::absolute(path).map_err(failed)?;
    let _lock = whole.parent().and_then(DirectoryLock::take);
    remove_if_dead(path).map_err(failed)?;
    let bound = SockAddr::unix(path).and_then(|address| unix_socket(&address));
    let socket = bound.map_err(|error| bind_failed(url, path, &error))?;
    let own = OwnPath::of(whole).map_err(failed)?;
    if let Some(mode) = options.unix_mode {
        let set = fs::set_permissions(path, Permissions::from_mode(mode));
        set.map_err(|error| Error::system(format_args!("{}: mode {mode:o}", ListeningOn(url)), &error))?;
    }
    socket.listen(backlog(options)).map_err(failed)?;
    Ok((socket, own))
}

/// The system calls an address that is in use what is a file of another kind.
fn bind_failed(url: &str, path: &Path, error: &io::Error) -> Error {
    let found = fs::symlink_metadata(path).map(|meta| meta.file_type());
    match found {
        Ok(kind) if error.raw_os_error() == Some(libc::EADDRINUSE) && !kind.is_socket() => {
            let what = if kind.is_dir() { "a directory" } else { "a file" };
            Error::system(format_args!("{}: the path is {what} and no socket", ListeningOn(url)), error)
        }
        _ => failed(url, error),
    }
}

/// Removes the socket of a server that is gone: one that refuses connections. Everything else is left alone,
/// and binding then says that the address is in use.
fn remove_if_dead(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    // Without blocking: a live server whose backlog is full answers EAGAIN.
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// A path we made, with the inode it had then.
#[derive(Debug)]
pub(super) struct OwnPath {
    path: PathBuf,
    inode: (u64, u64),
    /// It was removed, or was another's then: another may have the inode's number since.
    removed: AtomicBool,
}

impl OwnPath {
    fn of(path: PathBuf) -> io::Result<OwnPath> {
        Ok(OwnPath { inode: inode(&path)?, path, removed: AtomicBool::new(false) })
    }

    /// What removes it, before the socket is closed and behind that.
    pub(super) fn with(self, sharing: &Arc<Sharing>) -> (BoundPath, AbandonedPath) {
        let own = Arc::new(self);
        let abandoned = AbandonedPath { own: Arc::clone(&own), sharing: Arc::clone(sharing) };
        (BoundPath { own, sharing: Arc::clone(sharing) }, abandoned)
    }

    /// Removes the path if it is ours, once.
    fn remove(&self) {
        if self.removed.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.is_there() {
            // Somebody else may have removed it since: nothing to report then.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn is_there(&self) -> bool {
        inode(&self.path).is_ok_and(|inode| inode == self.inode)
    }

    /// Removes the path if no process has the socket any more.
    fn remove_if_abandoned(&self) {
        if self.removed.load(Ordering::Acquire) {
            return;
        }
        let _lock = self.path.parent().and_then(DirectoryLock::take);
        if self.is_there() && is_abandoned(&self.path) {
            self.remove();
        }
    }
}

/// Whether no socket is bound to a path. A socket of another type is told by an error whether there is one, without being
/// connected: nobody has to accept it.
fn is_abandoned(path: &Path) -> bool {
    let refused = |socket: Socket| match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        other => other.map(|()| false),
    };
    let probe = Socket::new(Domain::UNIX, Type::DGRAM.nonblocking().cloexec(), None);
    probe.and_then(refused).unwrap_or(false)
}

/// The path of a socket that is open: of one that is this process's alone, dropping it removes the path. While the socket is
/// open, nobody takes the path over as a dead server's, and the number of its inode is not used again.
#[derive(Debug)]
pub(super) struct BoundPath {
    own: Arc<OwnPath>,
    sharing: Arc<Sharing>,
}

impl BoundPath {
    /// Removes the path if the socket is this process's alone.
    pub(super) fn remove(&self) {
        if self.sharing.part() == Part::Whole {
            self.own.remove();
        }
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The path of a socket that this process has closed. If others may accept from it, the last one that has it removes the path.
#[derive(Debug)]
pub(super) struct AbandonedPath {
    own: Arc<OwnPath>,
    sharing: Arc<Sharing>,
}

impl AbandonedPath {
    /// Removes the path if other processes could accept and none has the socket any more.
    pub(super) fn remove(&self) {
        if self.sharing.part() == Part::Copy {
            self.own.remove_if_abandoned();
        }
    }
}

impl Drop for AbandonedPath {
    fn drop(&mut self) {
        self.remove();
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// The lock of a directory, held while a path in it changes hands.
struct DirectoryLock(File);

impl DirectoryLock {
    /// How long others of our kind may keep us waiting. Whoever may read the directory may lock it, and never
    /// let go: then we go on without.
    const PATIENCE: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(5);

    /// `None` where the directory cannot be locked.
    fn take(directory: &Path) -> Option<DirectoryLock> {
        let directory = File::open(directory).ok()?;
        let give_up = Instant::now() + Self::PATIENCE;
        loop {
            match try_lock(directory.as_fd()) {
                Ok(()) => return Some(DirectoryLock(directory)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < give_up => {
                    thread::sleep(Self::PAUSE);
                }
                Err(_) => return None,
            }
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing alone would leave it locked while a child, forked meanwhile, has the descriptor.
        unlock(self.0.as_fd());
    }
}

#[cfg(test)]
mod tests;
