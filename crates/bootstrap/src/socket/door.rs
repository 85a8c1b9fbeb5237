//! The accepting side of a socket: who comes in is decided when the connection is accepted, before a byte is read.
//!
//! Invariants: a peer with another uid costs one refusal and no memory that stays; a peer with an allowed uid holds at
//! most so many connections, with so many streams in each; one that says nothing is let go. No refusal and no failure to
//! accept ends the service or fills its log.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::transport::Server;
use tonic::transport::server::Connected;

use super::authority::AuthorityRepair;
use super::farewell::{Reason, farewell};
use super::{Peer, PeerUids};
use crate::counters::{Counter, Registry};
use crate::log_limit::LogLimit;

/// What a client must send first, by the standard; until it has, nothing else watches over it.
const PREFACE_BYTES: usize = 24;
/// Time for that.
const PREFACE_WITHIN: Duration = Duration::from_secs(5);
/// Time from the headers of a call to its first answer: a call that never sends its request ends.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Silence after which a connection is asked for a sign of life, and the time for that sign.
const ASK_AFTER: Duration = Duration::from_secs(20);
const SIGN_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of the headers of one call. Ours have some hundred.
const HEADER_BYTES: u32 = 16 << 10;
/// Resets of streams, by the client or because of it, that are remembered before its connection ends.
const RESETS: usize = 64;
/// Pause after a failure to accept that will not go away at once, such as no free descriptor.
const PAUSE: Duration = Duration::from_millis(100);
/// Refused peers that are given the time to read why, and that time.
const LINGERING: usize = 8;
const LINGER: Duration = Duration::from_millis(250);
/// Descriptors that the connections of all peers leave to the service.
const OWN_DESCRIPTORS: u64 = 40;

/// How much of a service one peer can take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections of one uid at a time; at least one, and fewer where descriptors are scarce.
    pub connections_per_uid: usize,
    /// Calls that one connection has open at a time.
    pub streams_per_connection: u32,
}

/// A server with these limits on each connection; windows are left to the service.
#[must_use]
pub fn server(limits: Limits) -> Server {
    Server::builder()
        .max_concurrent_streams(limits.streams_per_connection)
        .http2_max_header_list_size(HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(RESETS))
        .http2_max_local_error_reset_streams(Some(RESETS))
        .http2_keepalive_interval(Some(ASK_AFTER))
        .http2_keepalive_timeout(Some(SIGN_WITHIN))
        .timeout(ANSWER_WITHIN)
}

/// Accepts connections from the uids that may connect.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    shared: Arc<Shared>,
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Shared {
    allowed: PeerUids,
    per_uid: usize,
    connections: Mutex<HashMap<u32, usize>>,
    refused: Refused,
    lingering: Arc<Semaphore>,
    log_limit: LogLimit,
}

#[derive(Debug)]
struct Refused {
    uid: Counter,
    limit: Counter,
    silent: Counter,
    failed: Counter,
}

/// A connection of a peer that may connect.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    peer: Peer,
    shared: Arc<Shared>,
    received: usize,
    authority: AuthorityRepair,
    /// Runs until the client has sent what it must send first.
    preface: Option<Pin<Box<Sleep>>>,
}

impl Door {
    /// Guards `listener`. Refusals are counted in `registry` as `counter{why}`.
    #[must_use]
    pub fn new(
        listener: UnixListener,
        allowed: PeerUids,
        limits: Limits,
        registry: &Registry,
        counter: &'static str,
    ) -> Self {
        let refused = |why| registry.counter(counter, &[("why", why)]);
        let shared = Shared {
            per_uid: limits.connections_per_uid.min(affordable(allowed.0.len())),
            allowed,
            connections: Mutex::default(),
            refused: Refused {
                uid: refused("uid"),
                limit: refused("limit"),
                silent: refused("silent"),
                failed: refused("failed"),
            },
            lingering: Arc::new(Semaphore::new(LINGERING)),
            log_limit: LogLimit::default(),
        };
        Self { listener, shared: Arc::new(shared), pause: None }
    }

    fn admit(&self, stream: UnixStream) -> Option<Connection> {
        let peer = match Peer::of(&stream) {
            Ok(peer) => peer,
            Err(error) => {
                self.shared.failed_to_accept(&error);
                return None;
            }
        };
        let (shared, uid) = (&self.shared, peer.uid());
        let reason = if !shared.allowed.0.contains(&uid) {
            shared.refused.uid.inc();
            Reason::OtherUid(uid)
        } else if !shared.enter(uid) {
            shared.refused.limit.inc();
            Reason::TooMany { uid, limit: shared.per_uid }
        } else {
            let preface = Some(Box::pin(tokio::time::sleep(PREFACE_WITHIN)));
            let authority = AuthorityRepair::default();
            return Some(Connection {
                stream,
                peer,
                shared: Arc::clone(shared),
                received: 0,
                authority,
                preface,
            });
        };
        shared.log(&reason);
        if let Ok(place) = Arc::clone(&shared.lingering).try_acquire_owned() {
            farewell(&stream, &reason);
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                drop((stream, place));
            });
        }
        None
    }
}

/// How many connections each of so many uids can have before the service runs out of descriptors.
fn affordable(uids: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _hard)| soft);
    let share = descriptors.saturating_sub(OWN_DESCRIPTORS) / u64::try_from(uids.max(1)).unwrap_or(u64::MAX);
    usize::try_from(share).unwrap_or(usize::MAX).max(1)
}

impl Shared {
    fn enter(&self, uid: u32) -> bool {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let open = connections.entry(uid).or_default();
        let has_room = *open < self.per_uid;
        *open += usize::from(has_room);
        has_room
    }

    fn leave(&self, uid: u32) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = connections.get_mut(&uid) {
            *open = open.saturating_sub(1);
        }
    }

    fn log(&self, reason: &Reason) {
        // Root could do anything to us anyway: this is its supervisor, which looks whether we listen.
        if matches!(reason, Reason::OtherUid(0)) {
            tracing::debug!(%reason, "refused a connection");
        } else if let Some(suppressed) = self.log_limit.permit() {
            tracing::warn!(%reason, suppressed, "refused a connection");
        }
    }

    fn failed_to_accept(&self, error: &io::Error) {
        self.refused.failed.inc();
        if let Some(suppressed) = self.log_limit.permit() {
            tracing::warn!(%error, suppressed, "cannot accept a connection");
        }
    }
}

impl Stream for Door {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, _address)) => {
                    if let Some(connection) = self.admit(stream) {
                        return Poll::Ready(Some(Ok(connection)));
                    }
                }
                Err(error) => {
                    self.shared.failed_to_accept(&error);
                    self.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
                }
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.leave(self.peer.uid());
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let received = buf.filled().len().saturating_sub(before);
        self.received = self.received.saturating_add(received);
        if received > 0 {
            self.peer.heard();
            self.authority.repair(buf.filled_mut().get_mut(before..).unwrap_or_default());
        }
        if self.received >= PREFACE_BYTES {
            self.preface = None;
        }
        if read.is_pending()
            && let Some(preface) = &mut self.preface
        {
            ready!(preface.as_mut().poll(cx));
            self.shared.refused.silent.inc();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
