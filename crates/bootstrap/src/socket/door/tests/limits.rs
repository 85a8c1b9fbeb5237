//! What a server with our limits does to a connection that is past the door.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;

use super::super::*;
use super::{LIMITS, PREFACE, Place, own_uid, place};

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_HEADERS: u8 = 4;

/// Never answers.
#[derive(Clone)]
struct Hanging;

impl NamedService for Hanging {
    const NAME: &'static str = "x.Hanging";
}

impl tower::Service<Request<Body>> for Hanging {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pending<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::pending()
    }
}

/// A connection to it whose HTTP/2 has begun.
async fn begun() -> (Place, UnixStream) {
    let (place, door) = place(own_uid());
    tokio::spawn(server(LIMITS).add_service(Hanging).serve_with_incoming(door));
    let mut client = place.connect().await;
    client.write_all(PREFACE).await.unwrap();
    client.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    (place, client)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a call that has a body to come.
fn call() -> Vec<u8> {
    let mut block = Vec::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/x.Hanging/Call"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The next frame of this kind, if the connection does not end before.
async fn next(client: &mut UnixStream, wanted: u8) -> Option<Vec<u8>> {
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.ok()?;
        let [first, second, third, kind, ..] = head;
        let length = usize::try_from(u32::from_be_bytes([0, first, second, third])).unwrap();
        let mut payload = vec![0; length];
        client.read_exact(&mut payload).await.ok()?;
        if kind == wanted {
            return Some(payload);
        }
    }
}

#[tokio::test]
async fn a_connection_is_told_how_many_calls_and_how_long_headers_it_may_have() {
    let (_place, mut client) = begun().await;
    let settings = next(&mut client, SETTINGS).await.unwrap();
    let (settings, _) = settings.as_chunks::<6>();
    let settings: BTreeMap<u16, u32> = settings
        .iter()
        .map(|[a, b, c, d, e, f]| (u16::from_be_bytes([*a, *b]), u32::from_be_bytes([*c, *d, *e, *f])))
        .collect();
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113, 6.5.2).
    let limits = [settings.get(&3), settings.get(&6)];
    assert_eq!(limits, [Some(&LIMITS.streams_per_connection), Some(&HEADER_BYTES)]);
}

#[tokio::test]
async fn a_connection_that_takes_back_its_calls_without_end_is_ended() {
    let (_place, mut client) = begun().await;
    let mut burst = Vec::new();
    for n in 0..u32::try_from(RESETS).unwrap() * 8 {
        burst.extend(frame(HEADERS, END_HEADERS, 2 * n + 1, &call()));
        burst.extend(frame(RESET, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    // It may hang up before it has read everything.
    client.write_all(&burst).await.ok();
    let farewell = tokio::time::timeout(Duration::from_secs(20), next(&mut client, GO_AWAY)).await.unwrap();
    // ENHANCE_YOUR_CALM.
    assert_eq!(farewell.unwrap().get(4..8), Some(&11_u32.to_be_bytes()[..]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_answered_in_time_is_ended() {
    let (_place, mut client) = begun().await;
    let begun = tokio::time::Instant::now();
    client.write_all(&frame(HEADERS, END_HEADERS, 1, &call())).await.unwrap();
    let answer = tokio::time::timeout(ANSWER_WITHIN * 2, next(&mut client, HEADERS)).await;
    assert!(answer.is_ok_and(|headers| headers.is_some()), "no answer within {:?}", begun.elapsed());
    assert!(begun.elapsed() >= ANSWER_WITHIN, "{:?}", begun.elapsed());
}
