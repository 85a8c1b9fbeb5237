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
        let groups = self.groups(payloads);
        let last = groups.len() as u64;
        let mut client = self.client().await?;
        let settled = async {
            let mut marks = client.submit(tokio_stream::iter(groups)).await?.into_inner();
            let mut settled = 0;
            while let Some(mark) = marks.message().await? {
                settled = mark.number;
            }
            if settled == last {
                Ok(())
            } else {
                Err(Status::unavailable("the reporter ended before all was settled"))
            }
        };
        settled.await.map_err(|status| self.failed(status))
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

    /// Payloads that follow each other with the same tags are one group.
    fn groups(&self, payloads: Vec<Payload>) -> Vec<v1::PayloadGroup> {
        let mut groups: Vec<v1::PayloadGroup> = Vec::new();
        let mut content = Vec::new();
        for payload in payloads {
            let (tags, service) = self.tags(&payload);
            let is_same = groups.last().is_some_and(|group| group.tags == tags && group.service == service);
            if !is_same {
                close(&mut groups, &mut content);
                let number = groups.len() as u64 + 1;
                let labels = vec!["event".to_owned()];
                let class = v1::PayloadClass::Low.into();
                groups.push(v1::PayloadGroup { number, class, tags, service, labels, ..Default::default() });
            }
            let Some(group) = groups.last_mut() else { continue };
            content.extend_from_slice(&payload.content);
            content.push(b'\n');
            group.length.push(u32::try_from(payload.content.len() + 1).unwrap_or(u32::MAX));
            group.time_ms.push(payload.time_ms);
        }
        close(&mut groups, &mut content);
        groups
    }

    fn tags(&self, payload: &Payload) -> (Vec<String>, String) {
        let mut tags = self.tags.clone();
        if let Some(container) = &payload.container {
            tags.push(format!("container_id:{container}"));
        }
        let labels = payload.labels.as_deref();
        tags.extend(labels.into_iter().flat_map(|labels| labels.tags().iter().cloned()));
        let image = labels.and_then(|labels| labels.image.as_ref());
        let service = self.service.clone().or_else(|| image.map(|image| image.short.clone()));
        (tags, service.unwrap_or_default())
    }
}

/// Gives the last group its content.
fn close(groups: &mut [v1::PayloadGroup], content: &mut Vec<u8>) {
    if let Some(group) = groups.last_mut() {
        group.content = std::mem::take(content).into();
        group.label = vec![0; group.length.len()].into();
    }
}
