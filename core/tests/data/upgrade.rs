//! From framed input to raw and back, in the middle of what has come (D1, D2).

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;

use crate::common::hooks::Hooks;
use crate::common::{loops, next, serve, tcp};
use reactor_core::{Action, Conn, ErrorKind, Framing, Server};

/// What `handle` is given, piece by piece, of what a peer sends at once.
fn pieces(
    open: impl Fn(&Conn<'_>) + Send + Sync + 'static,
    handle: impl Fn(&Conn<'_>, &[u8]) + Send + Sync + 'static,
    input: &[u8],
) -> (Server, std::net::TcpStream, Receiver<Vec<u8>>) {
    let (sender, pieces) = channel();
    let sender = Mutex::new(sender);
    let hooks = Hooks::new()
        .open(move |conn| {
            open(conn);
            Action::None
        })
        .data(move |conn, data| {
            sender.lock().unwrap().send(data.to_vec()).unwrap();
            handle(conn, data);
            Action::None
        });
    let (server, url) = serve(hooks, &loops(1));
    let mut peer = tcp(&url);
    peer.write_all(input).unwrap();
    (server, peer, pieces)
}

fn frame_lines(conn: &Conn<'_>) {
    conn.set_framing(Some(Framing::line())).unwrap();
}

#[test]
fn a_frame_cannot_be_kept_after_its_framing_was_left_and_the_rest_comes_raw() {
    let leave = |conn: &Conn<'_>, data: &[u8]| {
        if data == b"upgrade" {
            conn.set_framing(None).unwrap();
            assert_eq!(conn.keep(7).unwrap_err().kind(), ErrorKind::WrongState);
        }
    };
    let (_server, _peer, pieces) = pieces(frame_lines, leave, b"upgrade\nraw\nbytes");
    assert_eq!(next(&pieces), b"upgrade");
    assert_eq!(next(&pieces), b"raw\nbytes");
}

#[test]
fn raw_input_may_be_kept_for_a_framing_that_was_set_before() {
    let first = AtomicBool::new(true);
    let enter = move |conn: &Conn<'_>, _: &[u8]| {
        if first.swap(false, Ordering::SeqCst) {
            frame_lines(conn);
            conn.keep(8).unwrap();
        }
    };
    let (_server, _peer, pieces) = pieces(|_| {}, enter, b"upgrade one\ntwo\n");
    assert_eq!(next(&pieces), b"upgrade one\ntwo\n");
    assert_eq!(next(&pieces), b"one");
    assert_eq!(next(&pieces), b"two");
}

#[test]
fn a_framing_function_may_end_its_framing() {
    let open = |conn: &Conn<'_>| {
        let (server, id) = (conn.server().clone(), conn.id());
        let measure = move |_: &[u8]| {
            server.set_framing(id, None)?;
            Ok(Some(2))
        };
        conn.set_framing(Some(Framing::custom(measure))).unwrap();
    };
    let (_server, _peer, pieces) = pieces(open, |_, _| {}, b"abcdefg");
    assert_eq!(next(&pieces), b"ab");
    assert_eq!(next(&pieces), b"cdefg");
}

#[test]
fn a_framing_function_that_pauses_holds_its_frame_back() {
    let (told, opened) = channel();
    let told = Mutex::new(told);
    let once = std::sync::Arc::new(AtomicBool::new(true));
    let open = move |conn: &Conn<'_>| {
        let (server, id, once) = (conn.server().clone(), conn.id(), std::sync::Arc::clone(&once));
        let told = told.lock().unwrap().clone();
        let measure = move |_: &[u8]| {
            if once.swap(false, Ordering::SeqCst) {
                server.pause(id)?;
                let _ = told.send(id);
            }
            Ok(Some(2))
        };
        conn.set_framing(Some(Framing::custom(measure))).unwrap();
    };
    let (server, _peer, pieces) = pieces(open, |_, _| {}, b"abcd");
    let id = next(&opened);
    // Run on the loop behind the turn that paused it.
    let (ran, done) = channel();
    server.handle().run_on_conn(id, move |_| ran.send(()).unwrap()).unwrap();
    next(&done);
    assert!(pieces.try_recv().is_err(), "delivered although it is paused");
    server.handle().resume(id).unwrap();
    assert_eq!(next(&pieces), b"ab");
    assert_eq!(next(&pieces), b"cd");
}
