//! The HTTP side: the intake's own path, and `/control` for tests in other processes.
//!
//! Connections are served by hyper directly, because some faults (close, garbage) are below what axum can do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt;

use crate::check::{MAX_BODY_BYTES, check};
use crate::fault::{Fault, Plan};
use crate::garble::Garbled;
use crate::store::{Request, Store};

/// What every handler needs.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) store: Store,
    pub(crate) api_key: Option<String>,
}

/// Marks a response that must not be sent: the connection ends in this way instead.
#[derive(Debug, Clone, Copy)]
enum Instead {
    Close,
    Garbage,
}

/// Serves until it is dropped; dropping ends every connection.
pub(crate) async fn serve(listener: TcpListener, intake: Arc<Intake>) {
    let router = router(intake);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_ended) = connections.join_next() => {}
            // An accept error concerns one connection (it is gone already), or descriptors are short and will
            // be free again when a connection ends.
            Ok((stream, _peer)) = listener.accept() => {
                connections.spawn(connection(stream, router.clone()));
            }
        }
    }
}

fn router(intake: Arc<Intake>) -> Router {
    Router::new()
        .route("/api/v2/{track}", post(receive))
        .route("/control/fail", put(fail))
        .route("/control/stats", get(stats))
        .route("/control/events", get(events))
        // Incompressible data grows a little when it is compressed.
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES + (64 << 10)))
        .with_state(intake)
}

async fn connection(stream: TcpStream, router: Router) {
    let garble = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Garbled { stream, garble: garble.clone() });
    let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| {
        let router = router.clone();
        let garble = garble.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            match response.extensions().get::<Instead>() {
                Some(Instead::Close) => return Err(std::io::Error::other("closed on demand")),
                Some(Instead::Garbage) => garble.store(true, Ordering::Relaxed),
                None => {}
            }
            Ok(response)
        }
    });
    // A connection that fails is the client's business, and often what a test asked for.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
}

async fn receive(
    State(intake): State<Arc<Intake>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, std::convert::Infallible> {
    let mut request =
        Request { path: uri.path().to_owned(), headers, wire_bytes: body.len(), entries: 0, status: 0 };
    let fault = intake.store.next_fault();
    let is_answered = fault != Fault::TakeAndClose;
    match fault {
        Fault::None | Fault::TakeAndClose => {}
        Fault::SlowMs(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Fault::Status { code, retry_after } => {
            request.status = code;
            record(&intake, request, None);
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, "on demand").into_response();
            if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            return Ok(response);
        }
        Fault::Hang => {
            record(&intake, request, None);
            return std::future::pending().await;
        }
        Fault::Close => {
            record(&intake, request, None);
            return Ok(instead(Instead::Close));
        }
        Fault::Garbage => {
            record(&intake, request, None);
            return Ok(instead(Instead::Garbage));
        }
    }
    let checked = check(&request.headers, &body, intake.api_key.as_deref(), now_ms());
    Ok(match checked {
        Ok(accepted) => {
            request.status = StatusCode::ACCEPTED.as_u16();
            record(&intake, request, Some(accepted));
            if !is_answered {
                return Ok(instead(Instead::Close));
            }
            (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], "{}").into_response()
        }
        Err(refusal) => {
            request.status = refusal.status.as_u16();
            record(&intake, request, None);
            (refusal.status, refusal.why).into_response()
        }
    })
}

#[expect(clippy::print_stderr, reason = "a test tool whose output file failed has nowhere else to say so")]
fn record(intake: &Intake, request: Request, accepted: Option<crate::check::Accepted>) {
    if let Err(error) = intake.store.record(request, accepted) {
        eprintln!("mock-intake: cannot write the output file: {error}");
    }
}

fn instead(what: Instead) -> Response {
    let mut response = StatusCode::ACCEPTED.into_response();
    response.extensions_mut().insert(what);
    response
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn fail(State(intake): State<Arc<Intake>>, body: Bytes) -> Response {
    match serde_json::from_slice::<Plan>(&body) {
        Ok(plan) => {
            intake.store.set_plan(plan);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("not a plan: {error}\n")).into_response(),
    }
}

async fn stats(State(intake): State<Arc<Intake>>) -> Response {
    let text = serde_json::to_string(&intake.store.stats()).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Streams the messages from the oldest kept on, one line each. `?wrapped` adds the tags, `?follow=false` ends
/// the stream at the newest instead of waiting for more.
async fn events(State(intake): State<Arc<Intake>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let has = |word: &str| query.split('&').any(|part| part == word);
    let (wrapped, follow) = (has("wrapped"), !has("follow=false"));
    let (lines, body) = tokio::sync::mpsc::channel::<Result<Bytes, std::convert::Infallible>>(4);
    tokio::spawn(async move {
        let mut changes = intake.store.changes();
        let mut next = 0;
        loop {
            let (page, after) = intake.store.page(next, 256);
            next = after;
            if page.is_empty() {
                if !follow {
                    return;
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = lines.closed() => return,
                }
                continue;
            }
            let mut text = String::new();
            for entry in page {
                text.push_str(&if wrapped { entry.wrapped_line() } else { entry.line() });
                text.push('\n');
            }
            if lines.send(Ok(Bytes::from(text))).await.is_err() {
                return;
            }
        }
    });
    let body = Body::from_stream(ReceiverStream::new(body));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
