//! The client of the reporter, and what its errors mean.

use std::path::PathBuf;
use std::time::Duration;

use bootstrap::socket::{self, SocketError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use wire::v1;
use wire::v1::reporter_client::ReporterClient;

use super::queue::WrongMark;

/// Why groups are not with the reporter.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] SocketError),
    /// It answered with an error.
    #[error("the reporter refused: {} ({:?})", .0.message(), .0.code())]
    Refused(Box<Status>),
    /// It ended the stream.
    #[error("the reporter ended the stream")]
    Ended,
    /// It says what cannot be.
    #[error(transparent)]
    WrongMark(#[from] WrongMark),
    /// It has not settled anything for a long time.
    #[error("no progress for {} s: is it stopped?", .0.as_secs())]
    Stalled(Duration),
    /// It answers, and has not settled anything for a long time.
    #[error("no progress for {} s, although it answers: an output of it is slow or down", .0.as_secs())]
    OutputStalled(Duration),
}

/// Knows where the reporter is.
#[derive(Debug, Clone)]
pub struct Reporter {
    socket: PathBuf,
    /// For questions; streams have connections of their own.
    client: Option<ReporterClient<Channel>>,
}

impl Reporter {
    /// A client that connects when it is first used.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, client: None }
    }

    /// Opens a stream: groups go up, marks come down.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn submit(
        self,
        groups: mpsc::Receiver<v1::PayloadGroup>,
    ) -> Result<Streaming<v1::Settled>, SubmitError> {
        let mut client = ReporterClient::new(socket::connect(&self.socket).await?);
        let opened = client.submit(ReceiverStream::new(groups)).await;
        opened.map(tonic::Response::into_inner).map_err(|status| SubmitError::Refused(Box::new(status)))
    }

    /// Opens a stream on which it asks for metrics, and on which the answers go.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn hand_over(
        &self,
        answers: mpsc::Receiver<v1::HandedOver>,
    ) -> Result<Streaming<v1::HandOverRequest>, SubmitError> {
        let mut client = ReporterClient::new(socket::connect(&self.socket).await?);
        let opened = client.hand_over(ReceiverStream::new(answers)).await;
        opened.map(tonic::Response::into_inner).map_err(|status| SubmitError::Refused(Box::new(status)))
    }

    /// What the reporter says of itself. It is told whether everything here `stands` until it settles something.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn status(&mut self, stands: bool) -> Result<v1::ServiceStatus, SubmitError> {
        let mut client = match &self.client {
            Some(client) => client.clone(),
            None => ReporterClient::new(socket::connect(&self.socket).await?),
        };
        match client.get_status(v1::ReporterStatusRequest { stands }).await {
            Ok(status) => {
                self.client = Some(client);
                Ok(status.into_inner())
            }
            Err(status) => {
                // A new connection costs little; a broken one that is kept costs every answer.
                self.client = None;
                Err(SubmitError::Refused(Box::new(status)))
            }
        }
    }
}
