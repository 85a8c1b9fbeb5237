//! Serves the stream to the analyzer on the unix socket.
//!
//! Only the configured uid may connect, see [`Door`]. One analyzer at a time, see `Seat`: it
//! takes over from its own older connection, from a dead predecessor and from one that hangs, and from nobody else. Order in a stream: hello, status, the known processes, waiting batches, live batches; a status
//! comes every second in between.

pub mod about;
mod seat;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::log_limit::LogLimit;
use bootstrap::socket::{self, Door, Limits, Peer};
use event::{Host, Kind, KnownProcess};
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use wire::v1;
use wire::v1::from_analyzer::Message as Said;
use wire::v1::from_probe::Message as Saying;

use crate::backlog::handover::{Handover, Next, Session};
use crate::flow::control::Control;
use crate::metrics::Metrics;
use seat::Seat;

/// Most that one message may have; batches are made far smaller.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Messages from an analyzer are a hello, acknowledgements and lists of kinds.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Windows for HTTP/2. Small, because what is inside a connection cannot be overtaken: behind a slow analyzer an exec
/// must not wait for megabytes of opens. The analyzer's own setting is what counts for batches.
const WINDOW_BYTES: u32 = 256 << 10;

/// Messages that wait inside one connection, beside what HTTP/2 holds.
const CHANNEL_MESSAGES: usize = 1;

/// An analyzer has one connection with one stream, and one for each question how we are; while it reconnects, the old one
/// may still be there.
pub const LIMITS: Limits = Limits { connections_per_uid: 4, streams_per_connection: 2 };

/// Time for an analyzer to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Estimated bytes of known processes in one message.
const PROCESSES_BYTES: usize = 1 << 20;

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
#[error("the server on the socket stopped: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

/// The newest status, and whether it is the last one before the probe ends.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// The message.
    pub status: v1::ProbeStatus,
    /// True for the last: all that was left has been sent, the stream ends after it.
    pub is_last: bool,
}

/// What a server needs to know.
#[derive(Debug)]
pub struct ServerParts {
    /// What to say of this machine.
    pub host: Host,
    /// Another number for each start of a probe.
    pub session: u64,
    /// The batches.
    pub handover: Arc<Handover>,
    /// Takes what the analyzer wants.
    pub control: Arc<Control>,
    /// The kinds that it can have attached and detached.
    pub switchable: Vec<Kind>,
    /// The newest status.
    pub status: watch::Receiver<Published>,
    /// Counters.
    pub metrics: Metrics,
}

/// Serves until `stop` resolves; streams that are open then end by themselves after the last status.
///
/// # Errors
/// When the socket breaks.
pub async fn serve(door: Door, parts: ServerParts, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let service = v1::probe_server::ProbeServer::new(Server {
        shared: Arc::new(parts),
        seat: Arc::default(),
        log_limit: Arc::default(),
    })
    .max_decoding_message_size(MAX_REQUEST_BYTES)
    .max_encoding_message_size(MAX_MESSAGE_BYTES);
    socket::server(LIMITS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(service)
        .serve_with_incoming_shutdown(door, stop)
        .await?;
    Ok(())
}

struct Server {
    shared: Arc<ServerParts>,
    seat: Arc<Seat>,
    /// A peer that connects again and again says nothing new.
    log_limit: Arc<LogLimit>,
}

#[tonic::async_trait]
impl v1::probe_server::Probe for Server {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<v1::FromProbe, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<v1::FromAnalyzer>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.ok_or_else(|| Status::internal("the connection came through no door"))?;
        let seat = Arc::clone(&self.seat);
        let log_limit = Arc::clone(&self.log_limit);
        let (sender, receiver) = mpsc::channel(CHANNEL_MESSAGES);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let pid = peer.pid();
            let outcome = converse(&shared, &seat, peer, request.into_inner(), &sender).await;
            match (&outcome, log_limit.permit()) {
                (Ok(()), Some(suppressed)) => tracing::info!(pid, suppressed, "the analyzer disconnected"),
                (Err(status), Some(suppressed)) => {
                    let reason = status.message();
                    tracing::warn!(pid, reason, suppressed, "the connection of the analyzer ended");
                }
                (_, None) => {}
            }
            if let Err(status) = outcome {
                // Nobody may be left to read it.
                sender.send(Err(status)).await.ok();
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_status(&self, _: Request<v1::StatusRequest>) -> Result<Response<v1::ProbeStatus>, Status> {
        Ok(Response::new(self.shared.status.borrow().status.clone()))
    }
}

/// Everything that is said on one connection.
async fn converse(
    shared: &ServerParts,
    seat: &Seat,
    peer: Peer,
    mut incoming: Streaming<v1::FromAnalyzer>,
    sender: &mpsc::Sender<Result<v1::FromProbe, Status>>,
) -> Result<(), Status> {
    let hello = hello(&mut incoming).await.inspect_err(|_| shared.metrics.refused_protocol.inc())?;
    let _seated = seat.take(peer).map_err(|holder| {
        shared.metrics.refused_taken.inc();
        Status::already_exists(format!(
            "another analyzer, process {}, is connected and alive: end it first",
            holder.pid()
        ))
    })?;
    let (session, processes) = shared.handover.connect(hello.instance);
    // One that does not say what it wants must not live with what another one wanted.
    let wanted = hello.wanted.as_ref().map_or_else(wire::control::everything, Into::into);
    shared.control.begin(session, wanted);
    shared.metrics.sessions.inc();
    tracing::info!(version = hello.version, processes = processes.len(), "an analyzer connected");
    let _end = EndOfSession { handover: &shared.handover, session };
    tokio::select! {
        read = requests(shared, session, &mut incoming) => read,
        written = messages(shared, session, processes, sender) => written,
    }
}

/// Tells the handover that a session is over, however it ends.
struct EndOfSession<'a> {
    handover: &'a Handover,
    session: Session,
}

impl Drop for EndOfSession<'_> {
    fn drop(&mut self) {
        self.handover.disconnect(self.session);
    }
}

/// Waits for the hello.
async fn hello(incoming: &mut Streaming<v1::FromAnalyzer>) -> Result<v1::AnalyzerHello, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, incoming.message())
        .await
        .map_err(|_elapsed| Status::deadline_exceeded("no hello within 5 s"))??;
    match first.and_then(|first| first.message) {
        Some(Said::Hello(hello)) if hello.wire_version == wire::WIRE_VERSION => Ok(hello),
        Some(Said::Hello(hello)) => Err(Status::failed_precondition(format!(
            "the analyzer (version {}) speaks wire version {}, this probe (version {}) speaks {}: install the same \
             release of both",
            hello.version,
            hello.wire_version,
            bootstrap::VERSION,
            wire::WIRE_VERSION
        ))),
        Some(Said::Ack(_) | Said::Wanted(_)) | None => {
            Err(Status::invalid_argument("the first message must be a hello"))
        }
    }
}

async fn requests(
    shared: &ServerParts,
    session: Session,
    incoming: &mut Streaming<v1::FromAnalyzer>,
) -> Result<(), Status> {
    while let Some(said) = incoming.message().await? {
        match said.message {
            Some(Said::Ack(ack)) => acknowledged(shared, session, &ack).inspect_err(|_| {
                shared.metrics.refused_protocol.inc();
            })?,
            Some(Said::Wanted(wanted)) => {
                shared.metrics.wishes.inc();
                shared.control.want(session, (&wanted).into());
            }
            Some(Said::Hello(_)) | None => {
                shared.metrics.refused_protocol.inc();
                return Err(Status::invalid_argument("a hello is only at the beginning"));
            }
        }
    }
    Ok(())
}

fn acknowledged(shared: &ServerParts, session: Session, ack: &v1::Ack) -> Result<(), Status> {
    let ledger = ack.ledger.as_ref().map(wire::status::ledger).unwrap_or_default();
    let wrong = |error: &dyn std::error::Error| Status::invalid_argument(error.to_string());
    shared.handover.ack(session, ack.seq, &ledger).map_err(|error| wrong(&error))
}

async fn messages(
    shared: &ServerParts,
    session: Session,
    processes: Vec<KnownProcess>,
    sender: &mpsc::Sender<Result<v1::FromProbe, Status>>,
) -> Result<(), Status> {
    let send = |message| async move {
        let message = v1::FromProbe { message: Some(message) };
        sender.send(Ok(message)).await.map_err(|_closed| Status::cancelled("the analyzer is gone"))
    };
    let mut hello = wire::status::hello(&shared.host, bootstrap::VERSION);
    hello.session = shared.session;
    hello.switchable = wire::control::names(shared.switchable.iter().copied());
    send(Saying::Hello(hello)).await?;
    let mut news = shared.status.clone();
    let first = news.borrow_and_update().clone();
    send(Saying::Status(first.status)).await?;
    for batch in known_batches(&processes) {
        send(wire::batch::message(&batch)).await?;
    }
    drop(processes);
    let mut is_last = first.is_last;
    let mut has_news = false;
    while !is_last {
        let changed = shared.handover.changed();
        // Waiting for news takes them for seen, hence the flag.
        if std::mem::take(&mut has_news) || news.has_changed().unwrap_or(false) {
            let published = news.borrow_and_update().clone();
            is_last = published.is_last;
            send(Saying::Status(published.status)).await?;
            continue;
        }
        match shared.handover.next(session) {
            Next::Send(batch) => send(*batch).await?,
            Next::Replaced => return Err(Status::aborted("a newer connection of the analyzer took over")),
            Next::Wait => tokio::select! {
                () = changed => {}
                news = news.changed() => {
                    news.map_err(|_closed| Status::unavailable("the probe is ending"))?;
                    has_news = true;
                }
            },
        }
    }
    Ok(())
}

/// The known processes in messages that are small enough. They carry no number, so an analyzer need not
/// acknowledge them and never takes them for a batch that it has. There is always one, so that the analyzer knows
/// that it has all.
fn known_batches(processes: &[KnownProcess]) -> Vec<v1::Batch> {
    let mut batches = Vec::new();
    let mut rest = processes;
    loop {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|process| {
            let first = bytes == 0;
            bytes += size_of::<KnownProcess>()
                + process.exec.as_deref().map_or(0, crate::flow::batcher::exec_bytes);
            first || bytes <= PROCESSES_BYTES
        });
        let (now, later) = rest.split_at_checked(fits.count()).unwrap_or((rest, &[]));
        let batch = wire::batch::encode(0, now, &[]);
        debug_assert!(batch.encoded_len() < MAX_MESSAGE_BYTES, "the estimate is far below the limit");
        batches.push(batch);
        if later.is_empty() {
            return batches;
        }
        rest = later;
    }
}

#[cfg(test)]
mod tests;
