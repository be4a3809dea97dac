//! One page, with hyper. Its `pipeline_flush`, by which answers to pipelined requests leave together, is off, as by
//! default: with it, what a client that does not read has been answered piles up in memory without limit.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(crate) fn session(stream: TcpStream) -> impl Future<Output = hyper::Result<()>> {
    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let known = request.method() == Method::GET && request.uri().path() == "/";
    let page = if known { "Hello, world!" } else { "Not found" };
    let mut response = Response::new(Full::new(Bytes::from_static(page.as_bytes())));
    *response.status_mut() = if known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
