//! The connection to the probe: receive, hand over, acknowledge, and come back when it breaks.
//!
//! While the pipeline is busy nothing is read, so the probe keeps the events; acknowledgements are sent all the same.
//! When the service ends, reading stops first, and the connection stays for the acknowledgements of what is settled
//! until then.

use std::path::PathBuf;
use std::time::Duration;

use bootstrap::log_limit::LogLimit;
use bootstrap::socket::{self, SocketError};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use wire::v1;
use wire::v1::from_analyzer::Message as ToProbe;
use wire::v1::from_probe::Message as FromProbe;
use wire::v1::probe_client::ProbeClient;

use crate::api::status::StatusBoard;
use crate::backoff::Backoff;
use crate::link::ingest::FromLink;
use crate::link::wanted::{Wanted, Wishes};
use crate::output::outbox::{Acks, Settled};

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
    /// Our own pipeline is gone.
    #[error("the pipeline has ended")]
    Pipeline,
}

/// How far the service has come with ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It runs.
    Running,
    /// No new batches are read.
    Draining,
    /// The connection ends when the last acknowledgement is sent.
    Ending,
}

/// The link.
pub struct ProbeLink {
    /// The socket of the probe.
    pub socket: PathBuf,
    /// Where what it sends goes.
    pub ingest: mpsc::Sender<FromLink>,
    /// Another number for each start of this service.
    pub instance: u64,
    /// What the probe is to observe.
    pub wanted: Wanted,
    /// Where the state of the link is shown.
    pub board: StatusBoard,
}

impl ProbeLink {
    /// Keeps a stream open until the phase is another than running; then the one that is open goes on until the end.
    pub async fn run(self, mut phase: watch::Receiver<Phase>) {
        let mut backoff = Backoff::default();
        while *phase.borrow_and_update() == Phase::Running {
            match self.stream(&mut phase, &mut backoff).await {
                Ok(()) => return,
                Err(error) => self.board.probe_failed(&error),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.pause()) => {}
                _ = phase.changed() => {}
            }
        }
    }

    /// One connection; `Ok` when it ended because the service ends.
    async fn stream(
        &self,
        phase: &mut watch::Receiver<Phase>,
        backoff: &mut Backoff,
    ) -> Result<(), LinkError> {
        let mut client = ProbeClient::new(socket::connect(&self.socket).await?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (to_probe, requests) = mpsc::channel(16);
        let mut wanted = self.wanted.watch();
        let hello = v1::AnalyzerHello {
            wire_version: wire::WIRE_VERSION,
            version: bootstrap::VERSION.to_owned(),
            instance: self.instance,
            wanted: Some(newest(&mut wanted)),
        };
        // The channel is new and has room, so this fails only if the stream is gone, which the next call reports.
        drop(to_probe.send(v1::FromAnalyzer { message: Some(ToProbe::Hello(hello)) }).await);
        let opened = client.stream(ReceiverStream::new(requests)).await;
        let mut messages = opened.map_err(|status| LinkError::Refused(Box::new(status)))?.into_inner();
        let acks = Acks::default();
        let takes_wishes = self.greet(&mut messages, &acks).await?;
        backoff.reset();
        tokio::select! {
            broken = self.read(&mut messages, &acks, phase.clone()) => return broken,
            broken = forward(&acks, &to_probe) => return broken,
            broken = ask(&mut wanted, &to_probe), if takes_wishes => return broken,
            () = reached(phase, Phase::Ending) => {}
        }
        if let Some(settled) = acks.take() {
            to_probe.send(message(&settled)).await.map_err(|_closed| LinkError::Closed)?;
        }
        drop(to_probe);
        say_goodbye(messages).await;
        Ok(())
    }

    /// Hands over what the probe sends, until the service drains; then it only waits.
    async fn read(
        &self,
        messages: &mut Streaming<v1::FromProbe>,
        acks: &Acks,
        mut phase: watch::Receiver<Phase>,
    ) -> Result<(), LinkError> {
        loop {
            let message = tokio::select! {
                biased;
                () = reached(&mut phase, Phase::Draining) => std::future::pending().await,
                message = next(messages) => message?,
            };
            match message {
                FromProbe::Batch(bytes) => self.hand_over(FromLink::Batch(bytes)).await?,
                FromProbe::Status(status) => {
                    self.board.probe_reported(status.clone());
                    self.hand_over(FromLink::Report(Box::new(status))).await?;
                }
                FromProbe::Hello(hello) => self.begin(hello, acks).await?,
            }
        }
    }

    async fn hand_over(&self, message: FromLink) -> Result<(), LinkError> {
        self.ingest.send(message).await.map_err(|_ended| LinkError::Pipeline)
    }

    /// Whether the probe takes what is wanted later on.
    async fn greet(&self, messages: &mut Streaming<v1::FromProbe>, acks: &Acks) -> Result<bool, LinkError> {
        match next(messages).await? {
            FromProbe::Hello(hello) => {
                let takes_wishes = !hello.switchable.is_empty();
                self.begin(hello, acks).await?;
                Ok(takes_wishes)
            }
            FromProbe::Batch(_) | FromProbe::Status(_) => Err(LinkError::NoHello),
        }
    }

    async fn begin(&self, hello: v1::ProbeHello, acks: &Acks) -> Result<(), LinkError> {
        if hello.wire_version != wire::WIRE_VERSION {
            return Err(LinkError::OtherVersion {
                version: hello.version,
                theirs: hello.wire_version,
                ours: wire::WIRE_VERSION,
            });
        }
        tracing::info!(probe = %hello.version, socket = %self.socket.display(), "connected to the probe");
        self.board.probe_connected(hello.host.clone());
        self.hand_over(FromLink::Begin(hello, acks.clone())).await
    }
}

/// Waits until the service has come so far.
async fn reached(phase: &mut watch::Receiver<Phase>, least: Phase) {
    // Without a supervisor the service has ended.
    drop(phase.wait_for(|phase| *phase >= least).await);
}

/// Sends acknowledgements as they come.
async fn forward(acks: &Acks, to_probe: &mpsc::Sender<v1::FromAnalyzer>) -> Result<(), LinkError> {
    loop {
        let place = to_probe.reserve().await.map_err(|_closed| LinkError::Closed)?;
        place.send(message(&acks.next().await));
    }
}

/// Says what is wanted whenever that is something else.
async fn ask(
    wanted: &mut watch::Receiver<Wishes>,
    to_probe: &mpsc::Sender<v1::FromAnalyzer>,
) -> Result<(), LinkError> {
    // Whoever may subscribe can make it change.
    let limit = LogLimit::default();
    loop {
        if wanted.changed().await.is_err() {
            // The service ends.
            return std::future::pending().await;
        }
        let place = to_probe.reserve().await.map_err(|_closed| LinkError::Closed)?;
        let newest = newest(wanted);
        if let Some(suppressed) = limit.permit() {
            tracing::info!(kinds = newest.kinds.join(" "), suppressed, "the probe is asked to observe these");
        }
        place.send(v1::FromAnalyzer { message: Some(ToProbe::Wanted(newest)) });
    }
}

fn newest(wanted: &mut watch::Receiver<Wishes>) -> v1::Wanted {
    (&wanted.borrow_and_update().union()).into()
}

fn message(settled: &Settled) -> v1::FromAnalyzer {
    let ack = v1::Ack { seq: settled.seq, ledger: Some((&settled.ledger).into()) };
    v1::FromAnalyzer { message: Some(ToProbe::Ack(ack)) }
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
