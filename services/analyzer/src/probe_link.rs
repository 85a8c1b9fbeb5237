//! The connection to the probe: receive, hand over, acknowledge, and come back when it breaks.
//!
//! A batch is acknowledged only after the pipeline and the outbox have it. While they are busy nothing is read, so
//! the probe keeps the events.

use std::path::PathBuf;
use std::time::Duration;

use actix::{MailboxError, Recipient};
use bootstrap::socket::{self, SocketError};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use wire::v1;
use wire::v1::from_analyzer::Message as ToProbe;
use wire::v1::from_probe::Message as FromProbe;
use wire::v1::probe_client::ProbeClient;

use crate::backoff::Backoff;
use crate::ingest::{Begin, Ingest, ProbeReport};
use crate::status::StatusBoard;

/// Largest message that is taken: far above what a probe puts into one batch.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// How long the probe may take to read the last acknowledgements.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody can be reached.
    #[error(transparent)]
    Connect(#[from] SocketError),
    /// The probe ended the stream with an error.
    #[error("the probe refused: {} ({:?})", .0.message(), .0.code())]
    Refused(Box<Status>),
    /// The probe does not do what the contract says.
    #[error("the probe did not begin with a hello: is something else serving its socket?")]
    NoHello,
    /// Probe and analyzer are of different versions.
    #[error(
        "the probe ({version}) speaks wire version {theirs}, this analyzer {ours}: install the same release of both"
    )]
    OtherVersion {
        /// Of the probe, for people.
        version: String,
        /// Its wire version.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// The probe ended the stream.
    #[error("the probe closed the connection")]
    Closed,
    /// The probe sent bytes that are no batch.
    #[error(transparent)]
    Batch(#[from] wire::WireError),
    /// Our own pipeline is gone.
    #[error("the pipeline has ended: {0}")]
    Pipeline(#[from] MailboxError),
}

/// Where what the probe sends goes.
pub struct Inlets {
    /// Streams that begin.
    pub begin: Recipient<Begin>,
    /// Batches.
    pub ingest: Recipient<Ingest>,
    /// What the probe says of itself.
    pub report: Recipient<ProbeReport>,
}

/// The link.
pub struct ProbeLink {
    /// The socket of the probe.
    pub socket: PathBuf,
    /// Where what it sends goes.
    pub inlets: Inlets,
    /// Where the state of the link is shown.
    pub board: StatusBoard,
}

impl ProbeLink {
    /// Keeps a stream open until `stop` changes.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::default();
        while !*stop.borrow_and_update() {
            match self.stream(&mut stop, &mut backoff).await {
                Ok(()) => return,
                Err(error) => self.board.probe_failed(&error),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// One connection; `Ok` when it ended because of `stop`.
    async fn stream(&self, stop: &mut watch::Receiver<bool>, backoff: &mut Backoff) -> Result<(), LinkError> {
        let mut client = ProbeClient::new(socket::connect(&self.socket).await?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (to_probe, requests) = mpsc::channel(16);
        let hello = v1::AnalyzerHello {
            wire_version: wire::WIRE_VERSION,
            version: bootstrap::VERSION.to_owned(),
            instance: 0,
        };
        // The channel is new and has room, so this fails only if the stream is gone, which the next call reports.
        drop(to_probe.send(v1::FromAnalyzer { message: Some(ToProbe::Hello(hello)) }).await);
        let opened = client.stream(ReceiverStream::new(requests)).await;
        let mut messages = opened.map_err(|status| LinkError::Refused(Box::new(status)))?.into_inner();
        self.greet(&mut messages).await?;
        backoff.reset();
        loop {
            let message = tokio::select! {
                biased;
                _ = stop.changed() => {
                    drop(to_probe);
                    say_goodbye(messages).await;
                    return Ok(());
                }
                message = next(&mut messages) => message?,
            };
            match message {
                FromProbe::Batch(bytes) => {
                    let batch = wire::batch::parse(bytes)?;
                    let seq = batch.seq;
                    self.inlets.ingest.send(Ingest(batch)).await?;
                    // The table that opens a stream has no number and is not acknowledged.
                    if seq > 0 {
                        let ack =
                            v1::FromAnalyzer { message: Some(ToProbe::Ack(v1::Ack { seq, ledger: None })) };
                        to_probe.send(ack).await.map_err(|_closed| LinkError::Closed)?;
                    }
                }
                FromProbe::Status(status) => {
                    self.board.probe_reported(status.clone());
                    self.inlets.report.send(ProbeReport(status)).await?;
                }
                FromProbe::Hello(hello) => self.begin(hello).await?,
            }
        }
    }

    async fn greet(&self, messages: &mut Streaming<v1::FromProbe>) -> Result<(), LinkError> {
        match next(messages).await? {
            FromProbe::Hello(hello) => self.begin(hello).await,
            FromProbe::Batch(_) | FromProbe::Status(_) => Err(LinkError::NoHello),
        }
    }

    async fn begin(&self, hello: v1::ProbeHello) -> Result<(), LinkError> {
        if hello.wire_version != wire::WIRE_VERSION {
            return Err(LinkError::OtherVersion {
                version: hello.version,
                theirs: hello.wire_version,
                ours: wire::WIRE_VERSION,
            });
        }
        tracing::info!(probe = %hello.version, socket = %self.socket.display(), "connected to the probe");
        self.board.probe_connected(hello.host.clone());
        self.inlets.begin.send(Begin(hello)).await?;
        Ok(())
    }
}

async fn next(messages: &mut Streaming<v1::FromProbe>) -> Result<FromProbe, LinkError> {
    loop {
        let message = messages.message().await.map_err(|status| LinkError::Refused(Box::new(status)))?;
        // A message of a kind we do not know comes from a newer probe of the same wire version; it is optional.
        if let Some(message) = message.ok_or(LinkError::Closed)?.message {
            return Ok(message);
        }
    }
}

/// Lets the probe read the last acknowledgements. What it still sends was not acknowledged and is sent again to
/// whoever comes next.
async fn say_goodbye(mut messages: Streaming<v1::FromProbe>) {
    let drained = async { while matches!(messages.message().await, Ok(Some(_))) {} };
    if tokio::time::timeout(GOODBYE, drained).await.is_err() {
        tracing::debug!("the probe did not close the stream in time");
    }
}
