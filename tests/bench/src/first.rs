//! The accounts in the status of the versions whose counts were a field for each kind: wire version 1.

use tonic::codegen::http::uri::PathAndQuery;
use wire::v1;

/// A status, as far as it says what became of events.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// Counters of the analyzer.
    #[prost(message, optional, tag = "1")]
    pub analyzer: Option<v1::ServiceStatus>,
    /// Counts of the probe.
    #[prost(message, optional, tag = "5")]
    pub probe: Option<Probe>,
    /// Counters of the reporter.
    #[prost(message, optional, tag = "8")]
    pub reporter: Option<v1::ServiceStatus>,
}

/// What the probe said.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Probe {
    /// Seen by the hooks.
    #[prost(message, optional, tag = "2")]
    pub generated: Option<Counts>,
    /// At an output; the first version called delivered what the analyzer had acknowledged.
    #[prost(message, optional, tag = "3")]
    pub delivered: Option<Counts>,
    /// Dropped on purpose.
    #[prost(message, optional, tag = "4")]
    pub suppressed: Option<Counts>,
    /// Lost, by cause.
    #[prost(message, repeated, tag = "5")]
    pub lost: Vec<Loss>,
    /// Judged, and taken by nobody.
    #[prost(message, optional, tag = "8")]
    pub no_taker: Option<Counts>,
    /// What waits; the first version did not tell it.
    #[prost(message, optional, tag = "10")]
    pub backlog: Option<v1::Backlog>,
}

/// What was lost for one cause.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Loss {
    /// How many.
    #[prost(message, optional, tag = "2")]
    pub counts: Option<Counts>,
}

/// Events of each kind.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Counts {
    /// Programs started.
    #[prost(uint64, tag = "1")]
    pub exec: u64,
    /// Tasks made.
    #[prost(uint64, tag = "2")]
    pub fork: u64,
    /// Processes that ended.
    #[prost(uint64, tag = "3")]
    pub exit: u64,
    /// Files opened.
    #[prost(uint64, tag = "4")]
    pub open: u64,
}

impl Counts {
    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.exec + self.fork + self.exit + self.open
    }
}

/// Asks an analyzer of such a version.
///
/// # Errors
/// When it does not answer.
pub async fn status(channel: tonic::transport::Channel) -> anyhow::Result<Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let path = PathAndQuery::from_static("/shrike.v1.Analyzer/GetStatus");
    let codec = tonic_prost::ProstCodec::<v1::StatusRequest, Status>::default();
    Ok(client.unary(tonic::Request::new(v1::StatusRequest {}), path, codec).await?.into_inner())
}
