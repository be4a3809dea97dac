//! Between whom a connection is, told in its last callback too (L7).

use std::net::{TcpListener, UdpSocket};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Mutex;

use crate::common::hooks::Hooks;
use crate::common::net::socket_path;
use crate::common::{loops, next};
use reactor_core::{Action, Conn, ConnectOptions, Server};
use socket2::{Domain, SockAddr, Socket, Type};

/// Remote and local address, as text.
type Ends = (Result<String, String>, Result<String, String>);

fn ends(conn: &Conn<'_>) -> Ends {
    let text = |address: reactor_core::Result<reactor_core::Address>| {
        address.map(|address| address.to_string()).map_err(|error| error.to_string())
    };
    (text(conn.remote_address()), text(conn.local_address()))
}

/// Tells both addresses when a connection opens and in its last callback. Input `detach` detaches it.
fn telling() -> (Hooks, Receiver<Ends>) {
    let (tell, told) = channel();
    let (opened, detached, closed) = (Mutex::new(tell.clone()), Mutex::new(tell.clone()), Mutex::new(tell));
    let hooks = Hooks::new()
        .open(move |conn| {
            opened.lock().unwrap().send(ends(conn)).unwrap();
            Action::None
        })
        .data(|_, data| if data == b"detach" { Action::Detach } else { Action::Close })
        .detach(move |conn, _| detached.lock().unwrap().send(ends(conn)).unwrap())
        .close(move |conn, _| closed.lock().unwrap().send(ends(conn)).unwrap());
    (hooks, told)
}

fn both(remote: &str, local: &str) -> Ends {
    (Ok(remote.into()), Ok(local.into()))
}

/// A client at `own`, or at no address.
fn connect(own: Option<&SockAddr>, to: &SockAddr) -> Socket {
    let socket = Socket::new(to.domain(), Type::STREAM, None).unwrap();
    own.into_iter().for_each(|own| socket.bind(own).unwrap());
    socket.connect(to).unwrap();
    socket
}

#[test]
fn a_unix_peers_address_is_told_in_on_close_whatever_it_is() {
    let process = std::process::id();
    let (path, own_path) = (socket_path("ends"), socket_path("ends-peer"));
    let name = format!("reactor-ends-{process}");
    let to_path = SockAddr::unix(&path).unwrap();
    let to_name = SockAddr::unix(format!("\0{name}")).unwrap();
    for (to, local) in [(&to_path, path.clone()), (&to_name, format!("@{name}"))] {
        let own_name = format!("reactor-ends-peer-{process}");
        let _ = std::fs::remove_file(&own_path);
        for (own, remote) in [
            (None, String::new()),
            (Some(SockAddr::unix(&own_path).unwrap()), own_path.clone()),
            (Some(SockAddr::unix(format!("\0{own_name}")).unwrap()), format!("@{own_name}")),
        ] {
            let (hooks, told) = telling();
            let server = Server::new(hooks, &loops(1)).unwrap();
            server.listen(&format!("unix://{local}")).unwrap();
            server.start().unwrap();
            let client = connect(own.as_ref(), to);
            assert_eq!(next(&told), both(&remote, &local));
            drop(client);
            assert_eq!(next(&told), both(&remote, &local));
        }
    }
    std::fs::remove_file(own_path).unwrap();
}

#[test]
fn addresses_in_the_last_callback_are_those_of_the_first() {
    for ending in [&b"close"[..], b"detach", b"", b"reset"] {
        for url in ["tcp://127.0.0.1:0", "tcp://:0"] {
            let (hooks, told) = telling();
            let server = Server::new(hooks, &loops(2)).unwrap();
            let url = server.listen(url).unwrap();
            server.start().unwrap();
            let port: u16 = url.rsplit_once(':').unwrap().1.parse().unwrap();
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            client.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
            let remote = client.local_addr().unwrap().as_socket().unwrap().to_string();
            let expected = both(&remote, &format!("127.0.0.1:{port}"));
            assert_eq!(next(&told), expected);
            match ending {
                b"reset" => crate::common::peer::reset(client),
                b"" => drop(client),
                input => drop(client.send(input).unwrap()),
            }
            assert_eq!(next(&told), expected, "{url}");
        }
    }
}

#[test]
fn a_connection_that_could_not_be_made_tells_whom_it_tried() {
    let (hooks, told) = telling();
    let server = Server::new(hooks, &loops(1)).unwrap();
    server.start().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = socket_path("nobody");
    let tried =
        ["tcp://".to_owned() + &gone.to_string(), format!("unix://{path}"), "unix://@nobody-there".into()];
    for url in tried {
        let _ = server.handle().connect(&url, ConnectOptions::default()).unwrap();
        let (remote, local) = next(&told);
        assert_eq!(remote, Ok(url.split_once("://").unwrap().1.to_owned()));
        let local = local.unwrap();
        assert!(
            if url.starts_with("tcp") { local.starts_with("127.0.0.1:") } else { local.is_empty() },
            "{local}"
        );
    }
}

#[test]
fn outgoing_connections_tell_both_in_on_close() {
    let (hooks, told) = telling();
    let server = Server::new(hooks, &loops(1)).unwrap();
    server.start().unwrap();
    let (streams, datagrams) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (tcp, udp) = (streams.local_addr().unwrap(), datagrams.local_addr().unwrap());
    for (url, remote) in [(format!("tcp://{tcp}"), tcp), (format!("udp://{udp}"), udp)] {
        let id = server.handle().connect(&url, ConnectOptions::default()).unwrap();
        let (opened, local) = next(&told);
        assert_eq!(opened, Ok(remote.to_string()));
        server.handle().abort(id).unwrap();
        assert_eq!(next(&told), (opened, local));
    }
}
