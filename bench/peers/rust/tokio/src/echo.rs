//! Every byte goes back, as in the example `echo-tcp`.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one read takes at most; the example has 4 KiB. It is most of what an idle connection takes.
const BUFFER: usize = 16 << 10;

pub(crate) async fn session(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..len]).await?;
    }
}
