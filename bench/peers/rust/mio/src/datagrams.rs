//! Every datagram goes back to its sender, as in the example `udp_server`.

use std::io::ErrorKind;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use crate::Failure;

/// The longest datagram.
const BUFFER: usize = 65_535;

pub(crate) fn serve(address: SocketAddr) -> Result<(), Failure> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1);
    let mut socket = UdpSocket::bind(address)?;
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    println!("listening on udp://{}", socket.local_addr()?);
    let mut buffer = vec![0; BUFFER];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result?,
        }
        answer_all(&socket, &mut buffer);
    }
}

fn answer_all(socket: &UdpSocket, buffer: &mut [u8]) {
    loop {
        match socket.recv_from(buffer) {
            // What the system cannot take is lost, as datagrams may be.
            Ok((len, sender)) => drop(socket.send_to(&buffer[..len], sender)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // The error of an earlier datagram, which did not arrive.
            Err(_) => {}
        }
    }
}
