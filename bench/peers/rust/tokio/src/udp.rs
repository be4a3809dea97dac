//! Every datagram goes back to its sender, as in the example `echo-udp`.

use tokio::net::UdpSocket;

use crate::{address, Failure};

/// The longest datagram.
const BUFFER: usize = 65_535;

pub(crate) async fn serve(url: &str) -> Result<(), Failure> {
    let socket = UdpSocket::bind(address(url, "udp://")?).await?;
    println!("listening on udp://{}", socket.local_addr()?);
    let mut buffer = vec![0; BUFFER];
    loop {
        // An error here is that of an earlier datagram, which did not arrive.
        if let Ok((len, sender)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..len], sender).await;
        }
    }
}
