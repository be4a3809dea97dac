use super::*;
use crate::base::error::{ErrorKind, Result};
use crate::listen::listener::tests::close;
use crate::listen::listener::Listener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process;
use std::sync::Barrier;

fn open(url: &str) -> Result<Listener> {
    Listener::open_with(url, &ListenOptions::default())
}

/// A directory of the test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("reactor-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn socket(&self) -> (PathBuf, String) {
        let path = self.0.join("s");
        let url = format!("unix://{}", path.display());
        (path, url)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_unix_path_is_removed_at_the_end() {
    let folder = Folder::new("removed");
    let (path, url) = folder.socket();
    let listener = open(&url).unwrap();
    assert!(path.exists());
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_called_what_it_is() {
    let folder = Folder::new("plain");
    let (path, url) = folder.socket();
    fs::write(&path, "a file").unwrap();
    let error = open(&url).unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::AddressInUse, Some(libc::EADDRINUSE)));
    assert!(error.message().contains("s\": the path is a file and no socket: "), "{}", error.message());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = open(&url).unwrap_err();
    assert!(error.message().contains("the path is a directory and no socket"), "{}", error.message());
    fs::remove_dir(&path).unwrap();
    let _alive = open(&url).unwrap();
    let error = open(&url).unwrap_err();
    assert!(!error.message().contains("the path is"), "{}", error.message());
}

#[test]
fn closing_removes_the_path_and_the_drop_not_its_successor() {
    let folder = Folder::new("closed");
    let (path, url) = folder.socket();
    let listener = open(&url).unwrap();
    close(&listener);
    assert!(!path.exists());
    let successor = open(&url).unwrap();
    drop(listener);
    assert!(UnixStream::connect(&path).is_ok());
    drop(successor);
    assert!(!path.exists());
}

/// A listener, and a copy of its socket as another process has it.
fn with_copy(url: &str, change: impl FnOnce(&mut Sharing)) -> (Listener, Socket) {
    let mut listener = open(url).unwrap();
    let copy = listener.socket.try_clone().unwrap();
    let mut sharing = Sharing::of_own(None);
    change(&mut sharing);
    let sharing = Arc::new(sharing);
    listener.path.as_mut().unwrap().sharing = Arc::clone(&sharing);
    listener.abandoned.as_mut().unwrap().sharing = Arc::clone(&sharing);
    listener.sharing = sharing;
    (listener, copy)
}

#[test]
fn the_last_of_those_who_accept_removes_the_path() {
    let folder = Folder::new("last");
    let (path, url) = folder.socket();
    for change in [Sharing::forked, Sharing::opened_elsewhere] {
        for (placed, closes) in [(false, false), (false, true), (true, false), (true, true)] {
            for is_last in [false, true] {
                let (listener, others) = with_copy(&url, change);
                let others = Some(others).filter(|_| !is_last);
                if placed {
                    listener.adopt();
                }
                if closes {
                    close(&listener);
                    assert_eq!(path.exists(), !is_last);
                }
                drop(listener);
                assert_eq!(UnixStream::connect(&path).is_ok(), !is_last, "another process has it");
                drop(others);
                assert_eq!(fs::remove_file(&path).is_ok(), !is_last);
            }
        }
    }
}

#[test]
fn a_copy_that_a_fork_left_behind_removes_nothing() {
    let folder = Folder::new("left");
    let (path, url) = folder.socket();
    let (listener, others) = with_copy(&url, Sharing::settled_elsewhere);
    close(&listener);
    drop((listener, others));
    assert!(path.exists());
}

#[test]
fn who_bound_a_path_and_forked_leaves_it_to_the_child_even_if_it_is_not_shared() {
    let folder = Folder::new("background");
    let (path, url) = folder.socket();
    let (parents, childs) = with_copy(&url, |sharing| {
        *sharing = Sharing::of_own(Some(false));
        sharing.forked();
    });
    drop(parents);
    assert!(UnixStream::connect(&path).is_ok());
    drop(childs);
    assert!(path.exists());
}

#[test]
fn a_path_that_is_no_longer_ours_is_left_alone() {
    let folder = Folder::new("replaced");
    let (path, url) = folder.socket();
    let listener = open(&url).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    drop(listener);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn a_dead_servers_path_is_taken_over_and_a_live_ones_is_not() {
    let folder = Folder::new("dead");
    let (path, url) = folder.socket();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let live = open(&url).unwrap();
    assert_eq!(open(&url).unwrap_err().kind(), ErrorKind::AddressInUse);
    assert!(UnixStream::connect(&path).is_ok());
    drop(live);
}

#[test]
fn a_live_server_with_a_full_backlog_is_not_taken_over() {
    let folder = Folder::new("busy");
    let (path, url) = folder.socket();
    let _live = open(&format!("{url}?backlog=1")).unwrap();
    let waiting: Vec<Socket> = std::iter::from_fn(|| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).unwrap();
        socket.connect(&SockAddr::unix(&path).unwrap()).ok().map(|()| socket)
    })
    .collect();
    assert!(!waiting.is_empty());
    assert_eq!(open(&url).unwrap_err().kind(), ErrorKind::AddressInUse);
}

#[test]
fn a_file_that_is_no_socket_is_refused_and_left_alone() {
    let folder = Folder::new("file");
    let (path, url) = folder.socket();
    fs::write(&path, "precious").unwrap();
    assert_eq!(open(&url).unwrap_err().kind(), ErrorKind::AddressInUse);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn of_many_that_take_a_dead_path_over_at_once_one_wins_and_lives() {
    let folder = Folder::new("race");
    let (path, url) = folder.socket();
    for _ in 0..100 {
        drop(UnixListener::bind(&path).unwrap());
        let barrier = Barrier::new(4);
        let start = || {
            barrier.wait();
            open(&url)
        };
        let opened: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|lost| lost.as_ref().unwrap_err().kind() == ErrorKind::AddressInUse));
        assert!(UnixStream::connect(&path).is_ok(), "the winner is reached by its path");
    }
}

#[test]
fn a_stranger_who_keeps_the_directory_locked_does_not_stop_us() {
    let folder = Folder::new("locked");
    let (path, url) = folder.socket();
    let stranger = File::open(&folder.0).unwrap();
    try_lock(stranger.as_fd()).unwrap();
    let _listener = open(&url).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn the_lock_is_given_back() {
    let folder = Folder::new("unlocked");
    let (_, url) = folder.socket();
    let _listener = open(&url).unwrap();
    assert!(open(&url).is_err());
    try_lock(File::open(&folder.0).unwrap().as_fd()).unwrap();
}

#[test]
fn the_mode_is_set_whatever_the_umask() {
    let folder = Folder::new("mode");
    let (path, url) = folder.socket();
    for mode in [0o777, 0o606, 0o600] {
        let options = ListenOptions { unix_mode: Some(mode), ..ListenOptions::default() };
        let _listener = Listener::open_with(&url, &options).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
    let _listener = open(&format!("{url}?mode=0751")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o751);
}

#[test]
fn a_directory_that_is_not_there_is_the_systems_error() {
    let error = open("unix:///nonexistent-reactor/s").unwrap_err();
    assert_eq!((error.kind(), error.errno()), (ErrorKind::System, Some(libc::ENOENT)));
}
