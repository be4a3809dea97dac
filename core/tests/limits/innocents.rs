//! One peer whose unfinished input exceeds the byte budget is closed for it alone: half frames that others carry on
//! another loop stay (D5).

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex};

use crate::common::hooks::Hooks;
use crate::common::{eventually, loops, next, read_exactly, serve, tcp};
use reactor_core::{Action, CloseReason, Framing, Server};

const PEERS: usize = 20;

/// Echoes lines. Who goes on loop 0 holds it up until the test goes on.
fn hooks(opened: Sender<usize>, closing: Sender<CloseReason>, go_on: Arc<AtomicBool>) -> Hooks {
    let (opened, closing) = (Mutex::new(opened), Mutex::new(closing));
    Hooks::new()
        .open(move |conn| {
            conn.set_framing(Some(Framing::line())).unwrap();
            opened.lock().unwrap().send(conn.info().unwrap().on_loop).unwrap();
            Action::None
        })
        .data(|conn, line| conn.write(line).map_or(Action::Close, |_| Action::None))
        .close(move |conn, closed| {
            let _ = closing.lock().unwrap().send(closed.reason);
            if conn.info().unwrap().on_loop == 0 {
                eventually("the test goes on", || go_on.load(Ordering::SeqCst));
            }
        })
}

/// Turns of a loop that are begun and done.
fn turns(server: &Server, on_loop: usize, count: usize) {
    let (ran, done) = channel();
    for _ in 0..count {
        let ran = ran.clone();
        server.handle().run_on(on_loop, move |_| ran.send(()).unwrap()).unwrap();
        next(&done);
    }
}

#[test]
fn half_frames_on_another_loop_survive() {
    let (opened, on_loop) = channel();
    let (closing, closed) = channel();
    let go_on = Arc::new(AtomicBool::new(false));
    let mut config = loops(2);
    config.byte_budget = 1 << 20;
    let (server, url) = serve(hooks(opened, closing, Arc::clone(&go_on)), &config);
    let mut peers: [Vec<TcpStream>; 2] = Default::default();
    for _ in 0..PEERS {
        let peer = tcp(&url);
        peers[next(&on_loop)].push(peer);
    }
    let [mut first, mut innocents] = peers;
    assert!(!first.is_empty() && !innocents.is_empty());
    innocents.iter_mut().for_each(|peer| peer.write_all(b"half").unwrap());
    eventually("they are read", || server.handle().metrics().bytes_read >= 4 * innocents.len() as u64);
    // A line without an end; its writing ends with the connection.
    let mut hog = first.pop().unwrap();
    let writing = std::thread::spawn(move || hog.write_all(&vec![b'a'; 4 << 20]));
    assert_eq!(next(&closed), CloseReason::Overflow);
    // Loop 0 is in on_close, and will not publish anything before it returns.
    turns(&server, 1, 50);
    let others = closed.try_iter().count();
    go_on.store(true, Ordering::SeqCst);
    assert_eq!(others, 0, "innocents were closed");
    let _ = writing.join().unwrap();
    for peer in &mut innocents {
        peer.write_all(b" whole\n").unwrap();
        assert_eq!(read_exactly(peer, 10), b"half whole");
    }
}
