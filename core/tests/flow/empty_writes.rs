//! A write of nothing is accepted and makes no system call (D3, M1).

use std::io::Write;
use std::sync::mpsc::channel;
use std::sync::Mutex;

use crate::common::hooks::Hooks;
use crate::common::{loops, next, read_exactly, serve, tcp};
use reactor_core::Action;

#[test]
fn a_write_of_nothing_makes_no_system_call() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    // Counted on the loop's thread, so that it is what was done in the turns before.
    let hooks = Hooks::new().data(move |conn, data| {
        let writes = conn.server().loop_metrics(0).unwrap().writes;
        tell.lock().unwrap().send(writes).unwrap();
        let _ = conn.write(if data == b"nothing" { b"" } else { data }).unwrap();
        Action::None
    });
    let (_server, url) = serve(hooks, &loops(1));
    let mut stream = tcp(&url);
    for writes in 0..3 {
        stream.write_all(b"ping").unwrap();
        assert_eq!(next(&told), writes);
        assert_eq!(read_exactly(&mut stream, 4), b"ping");
    }
    for _ in 0..3 {
        stream.write_all(b"nothing").unwrap();
        assert_eq!(next(&told), 3);
    }
}
