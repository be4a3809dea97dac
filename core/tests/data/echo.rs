//! Everything that is sent comes back, whatever its size, the transport and the number of loops (D1, L5).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;

use crate::common;
use crate::common::{loops, read_exactly, serve, tcp, Echo, Random};
use reactor_core::Server;

#[test]
fn random_blocks_come_back_over_tcp_and_unix() {
    for count in [1, 2, 5] {
        let server = Server::new(Echo, &loops(count)).unwrap();
        let path = std::env::temp_dir().join(format!("reactor-echo-{}-{count}", std::process::id()));
        let urls = [
            server.listen("tcp://127.0.0.1:0").unwrap(),
            server.listen(&format!("unix://{}", path.display())).unwrap(),
        ];
        server.start().unwrap();
        thread::scope(|scope| {
            for client in 1..=8 {
                let url = &urls[client % 2];
                scope.spawn(move || exchange(url, client as u64));
            }
        });
        common::eventually("no connection is left", || server.handle().connections() == 0);
        assert_eq!(server.handle().queued_bytes(), 0);
        server.handle().stop();
        server.wait().unwrap();
        assert!(!path.exists());
    }
}

/// Both kinds of stream.
trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection to a `tcp` or `unix` URL.
fn connect(url: &str) -> Box<dyn Stream> {
    match url.split_once("://").unwrap() {
        ("unix", path) => {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
            Box::new(stream)
        }
        (_, address) => Box::new(tcp(address)),
    }
}

fn exchange(url: &str, seed: u64) {
    let mut random = Random(seed);
    let mut stream = connect(url);
    for _ in 0..8 {
        let len = random.below(400_000);
        let block = random.bytes(len);
        stream.write_all(&block).unwrap();
        assert!(read_exactly(&mut stream, len) == block, "client {seed}: another block came back");
    }
}

#[test]
fn a_client_that_ends_its_side_gets_the_whole_answer() {
    let (server, url) = serve(Echo, &loops(1));
    let block = Random(7).bytes(3 << 20);
    let mut stream = tcp(&url);
    let mut writer = stream.try_clone().unwrap();
    let sent = block.clone();
    let sending = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer == block);
    sending.join().unwrap();
    drop(server);
}
