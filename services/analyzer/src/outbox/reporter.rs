//! The client of the reporter: payloads to its contract, one connection, what an error means.

use std::path::PathBuf;

use bootstrap::socket::{self, SocketError};
use tonic::transport::Channel;
use tonic::{Code, Status};
use wire::v1;
use wire::v1::reporter_client::ReporterClient;

use super::Payload;
use crate::config::OutboxConfig;

/// Why the reporter did not take payloads.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] SocketError),
    /// It answered with an error.
    #[error("the reporter refused: {} ({:?})", .0.message(), .0.code())]
    Refused(Box<Status>),
}

impl SubmitError {
    /// False when the same payloads would be refused again, whatever the state of the reporter.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(status) => !matches!(
                status.code(),
                Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented | Code::FailedPrecondition
            ),
        }
    }
}

/// What is the same for every payload.
#[derive(Debug, Clone)]
pub struct Reporter {
    socket: PathBuf,
    tags: Vec<String>,
    service: Option<String>,
    client: Option<ReporterClient<Channel>>,
}

impl Reporter {
    /// A client that connects when it is first used.
    #[must_use]
    pub fn new(socket: PathBuf, config: &OutboxConfig) -> Self {
        Self { socket, tags: config.tags.clone(), service: config.service.clone(), client: None }
    }

    /// Gives payloads into the care of the reporter.
    ///
    /// # Errors
    /// When it did not take them all.
    pub async fn submit(&mut self, payloads: Vec<Payload>) -> Result<(), SubmitError> {
        let payloads = payloads.into_iter().map(|payload| self.message(payload)).collect();
        let mut client = self.client().await?;
        let submitted = client.submit(v1::SubmitRequest { payloads }).await;
        submitted.map(drop).map_err(|status| self.failed(status))
    }

    /// What the reporter says of itself.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn status(&mut self) -> Result<v1::ServiceStatus, SubmitError> {
        let mut client = self.client().await?;
        let status = client.get_status(v1::StatusRequest {}).await;
        status.map(tonic::Response::into_inner).map_err(|status| self.failed(status))
    }

    async fn client(&mut self) -> Result<ReporterClient<Channel>, SubmitError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = ReporterClient::new(socket::connect(&self.socket).await?);
        self.client = Some(client.clone());
        Ok(client)
    }

    fn failed(&mut self, status: Status) -> SubmitError {
        // A new connection costs little, a broken one that is kept costs every payload.
        self.client = None;
        SubmitError::Refused(Box::new(status))
    }

    fn message(&self, payload: Payload) -> v1::Payload {
        let mut tags = self.tags.clone();
        if let Some(container) = &payload.container {
            tags.push(format!("container_id:{container}"));
        }
        let labels = payload.labels.as_deref();
        tags.extend(labels.into_iter().flat_map(|labels| labels.tags().iter().cloned()));
        let image = labels.and_then(|labels| labels.image.as_ref());
        let service = self.service.clone().or_else(|| image.map(|image| image.short.clone()));
        v1::Payload {
            content: payload.content,
            tags,
            service: service.unwrap_or_default(),
            time_ms: payload.time_ms,
        }
    }
}
