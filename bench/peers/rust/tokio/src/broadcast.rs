//! What anybody says goes to everybody, through tokio's broadcast channel. A connection that is further behind than
//! the channel holds ends, because it has missed something.

use std::future::Future;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::broadcast::{channel, Receiver, Sender};

/// Messages that wait for the slowest connection.
const CAPACITY: usize = 1024;
/// What one read takes at most, and the room at which a new buffer is taken instead.
const BUFFER: usize = 16 << 10;
const LEAST: usize = 1 << 10;

/// Makes the session of each connection.
pub(crate) fn sessions() -> impl FnMut(TcpStream) -> Session {
    let said = channel(CAPACITY).0;
    move |stream| Box::pin(session(stream, said.clone(), said.subscribe()))
}

type Session = std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

async fn session(mut stream: TcpStream, said: Sender<Bytes>, heard: Receiver<Bytes>) -> io::Result<()> {
    let (input, output) = stream.split();
    tokio::select! {
        result = listen(input, said) => result,
        result = tell(output, heard) => result,
    }
}

/// Passes on what the peer says.
async fn listen(mut input: ReadHalf<'_>, said: Sender<Bytes>) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(BUFFER);
    while input.read_buf(&mut buffer).await? > 0 {
        // It has at least one receiver: this connection's.
        let _ = said.send(buffer.split().freeze());
        buffer.reserve(LEAST);
    }
    Ok(())
}

/// Tells the peer what anybody says.
async fn tell(mut output: WriteHalf<'_>, mut heard: Receiver<Bytes>) -> io::Result<()> {
    while let Ok(message) = heard.recv().await {
        output.write_all(&message).await?;
    }
    Ok(())
}
