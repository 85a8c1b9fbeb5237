//! The HTTP side: one page, for few readers at a time.
//!
//! Whoever reaches the port can read the page, and can do nothing else: no request has a body, a connection is one request
//! and lasts for seconds, and there are few of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Exposition;
use bootstrap::log_limit::LogLimit;

/// Where the page is.
pub(crate) const PATH: &str = "/metrics";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// Connections at a time; another one waits.
const CONNECTIONS: usize = 4;
/// How long a connection may last, with its request and the answer.
const CONNECTION: Duration = Duration::from_secs(10);
/// Of the head of a request, which has nothing that could be long.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// After a connection could not be accepted: the process may be out of descriptors for a while.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves the page until it is dropped.
pub(crate) async fn serve(listener: TcpListener, exposition: Arc<Exposition>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let failures = LogLimit::default();
    while let Ok(slot) = slots.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                if let Some(suppressed) = failures.permit() {
                    tracing::warn!(%error, suppressed, "cannot take a reader of the metrics");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let exposition = exposition.clone();
        tokio::spawn(async move {
            let answered = tokio::time::timeout(CONNECTION, answer(stream, exposition)).await;
            match answered {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a reader of the metrics went"),
                Err(_elapsed) => tracing::debug!("a reader of the metrics took too long"),
            }
            drop(slot);
        });
    }
}

async fn answer(stream: TcpStream, exposition: Arc<Exposition>) -> hyper::Result<()> {
    let respond = |request: Request<hyper::body::Incoming>| {
        let exposition = exposition.clone();
        async move { Ok::<_, Infallible>(respond(&request, &exposition).await) }
    };
    hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service_fn(respond))
        .await
}

async fn respond<B>(request: &Request<B>, exposition: &Exposition) -> Response<Full<Bytes>> {
    let (status, text) = match (request.uri().path(), request.method()) {
        (PATH, &Method::GET | &Method::HEAD) => (StatusCode::OK, exposition.page().await),
        (PATH, _) => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        _ => (StatusCode::NOT_FOUND, format!("there is only {PATH}\n")),
    };
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
