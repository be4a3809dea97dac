//! Messages of a length of four bytes and a body, with tokio-util's codec. `forward` writes what there is before it
//! waits for more, and so several answers at once where several messages came at once.

use std::io;

use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt};
use tokio::net::TcpStream;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

const MAX_BODY: usize = 4 << 20;

pub(crate) async fn session(mut stream: TcpStream) -> io::Result<()> {
    let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_BODY).new_codec();
    let (input, output) = stream.split();
    let messages = FramedRead::new(input, codec.clone());
    messages.map_ok(BytesMut::freeze).forward(FramedWrite::new(output, codec)).await
}
