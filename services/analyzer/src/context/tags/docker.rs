//! Asks a Docker-compatible API on a unix socket (Docker Engine, `podman system service`) about a container.
//!
//! The daemon is trusted to say what runs, not to be well: answers are bounded in size, time and content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::image_name::{self, ImageName};
use super::{Tags, pod_tags};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why a daemon gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum DockerError {
    #[error("cannot connect to {path}: {source}; is the daemon running, and may our uid use its socket?")]
    Connect { path: PathBuf, source: std::io::Error },
    #[error("the daemon did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("the connection to the daemon failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made: {0}; check tags.docker_api_version")]
    Request(#[from] hyper::http::Error),
    #[error("the daemon's answer is larger than {MAX_ANSWER_BYTES} bytes or broke off: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("the daemon answered {0}")]
    Status(StatusCode),
    #[error("the daemon's answer is not what the API promises: {0}")]
    Json(#[from] serde_json::Error),
    #[error("asked for container {asked}, was answered about {answered}")]
    OtherContainer { asked: String, answered: String },
}

/// One daemon.
#[derive(Debug, Clone)]
pub(super) struct DockerApi {
    socket: PathBuf,
    prefix: String,
    timeout: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    #[serde(default)]
    name: String,
    /// Id of the image; podman's own API has the name in `ImageName`.
    #[serde(default)]
    image: String,
    #[serde(default)]
    image_name: Option<String>,
    #[serde(default)]
    config: Option<ContainerConfig>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerConfig {
    image: String,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

impl DockerApi {
    pub(super) fn new(socket: PathBuf, version: Option<&str>, timeout: Duration) -> Self {
        let prefix =
            version.map_or_else(String::new, |version| format!("/v{}", version.trim_start_matches('v')));
        Self { socket, prefix, timeout }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What the daemon knows of a container; `None` when it does not know it.
    pub(super) async fn container(&self, id: &str) -> Result<Option<Tags>, DockerError> {
        tokio::time::timeout(self.timeout, self.ask(id))
            .await
            .unwrap_or(Err(DockerError::TimedOut(self.timeout)))
    }

    async fn ask(&self, id: &str) -> Result<Option<Tags>, DockerError> {
        let Some(found) = self.get::<Container>(&format!("/containers/{id}/json")).await? else {
            return Ok(None);
        };
        if !found.id.starts_with(id) {
            return Err(DockerError::OtherContainer { asked: id.to_owned(), answered: found.id });
        }
        let config = found.config.unwrap_or_default();
        let mut image = ImageName::parse(&config.image);
        if image.is_none() {
            image = found.image_name.as_deref().and_then(ImageName::parse);
        }
        if image.is_none() && image_name::is_id(&found.image) && !found.image.is_empty() {
            image = self.image(&found.image).await?;
        }
        let pod = config.labels.unwrap_or_default();
        Ok(Some(Tags::new(found.name.trim_start_matches('/'), image, pod_tags(&pod))))
    }

    /// The name of an image that was started by its id.
    async fn image(&self, id: &str) -> Result<Option<ImageName>, DockerError> {
        let Some(image) = self.get::<Image>(&format!("/images/{id}/json")).await? else { return Ok(None) };
        let names = image.repo_tags.into_iter().chain(image.repo_digests).flatten();
        Ok(names.filter(|name| !name.contains("<none>")).find_map(|name| ImageName::parse(&name)))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, DockerError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| DockerError::Connect { path: self.socket.clone(), source })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        // The set ends the task when this function is left, however that happens.
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let request = Request::get(format!("{}{path}", self.prefix))
            .header(hyper::header::HOST, "localhost")
            .header(hyper::header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(DockerError::Status(status)),
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(DockerError::Body)?;
        Ok(Some(serde_json::from_slice(&body.to_bytes())?))
    }
}

#[cfg(test)]
mod tests;
