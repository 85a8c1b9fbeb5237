//! Asks containerd or CRI-O about a container, over the gRPC API on their sockets.
//!
//! Both serve the container runtime interface of Kubernetes (CRI, `runtime.v1`), which knows what a kubelet started, with
//! its pod. containerd also has an API of its own, which knows every container, whoever started it, by namespace. Daemons
//! are trusted to say what runs, not to be well: answers are bounded in size, time and content.

mod messages;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};

use super::image_name::ImageName;
use super::{Tags, pod_tags};
use messages as m;

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Namespaces of containerd that are looked into; one is usual, docker and Kubernetes on one machine have two.
const MAX_NAMESPACES: usize = 32;

const LIST_CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const LIST_SANDBOXES: &str = "/runtime.v1.RuntimeService/ListPodSandbox";
const IMAGE_STATUS: &str = "/runtime.v1.ImageService/ImageStatus";
const NAMESPACES: &str = "/containerd.services.namespaces.v1.Namespaces/List";
const CONTAINER: &str = "/containerd.services.containers.v1.Containers/Get";

/// Labels of pods that say what an application is, and the tags they become.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>
const APPLICATION_LABELS: [(&str, &str); 6] = [
    ("app.kubernetes.io/name", "kube_app_name"),
    ("app.kubernetes.io/instance", "kube_app_instance"),
    ("app.kubernetes.io/version", "kube_app_version"),
    ("app.kubernetes.io/component", "kube_app_component"),
    ("app.kubernetes.io/part-of", "kube_app_part_of"),
    ("app.kubernetes.io/managed-by", "kube_app_managed_by"),
];

/// The label by which nerdctl names a container.
const NERDCTL_NAME: &str = "nerdctl/name";
/// The namespaces of containerd in which docker and the kubelet have their containers.
const DOCKER_NAMESPACE: &str = "moby";
const KUBERNETES_NAMESPACE: &str = "k8s.io";

/// Why a daemon gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RuntimeError {
    #[error("cannot connect: is the daemon running, and may our uid use its socket?")]
    Connect(#[from] tonic::transport::Error),
    #[error("the daemon did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("the daemon answered {}: {}", .0.code(), .0.message())]
    Status(#[from] Status),
    #[error("asked for container {asked}, was answered about {answered}")]
    OtherContainer { asked: String, answered: String },
}

/// One daemon.
#[derive(Debug, Clone)]
pub(super) struct RuntimeApi {
    socket: PathBuf,
    timeout: Duration,
}

impl RuntimeApi {
    pub(super) fn new(socket: PathBuf, timeout: Duration) -> Self {
        Self { socket, timeout }
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What the daemon knows of a container; `None` when it does not know it.
    pub(super) async fn container(&self, id: &str) -> Result<Option<Tags>, RuntimeError> {
        tokio::time::timeout(self.timeout, self.ask(id))
            .await
            .unwrap_or(Err(RuntimeError::TimedOut(self.timeout)))
    }

    async fn ask(&self, id: &str) -> Result<Option<Tags>, RuntimeError> {
        let socket = self.socket.clone();
        // The URI is required by HTTP/2 and never used to find the peer.
        let channel = Endpoint::from_static("http://localhost")
            .connect_with_connector(tower::service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }))
            .await?;
        let daemon = Daemon(channel);
        let of_kubernetes = daemon.of_kubernetes(id).await;
        if let Ok(Some(tags)) = of_kubernetes {
            return Ok(Some(tags));
        }
        // Also when the first failed: CRI is a plugin of containerd, which may be there and not work.
        match daemon.of_containerd(id).await {
            Ok(Some(tags)) => Ok(Some(tags)),
            of_containerd => of_kubernetes.and(of_containerd),
        }
    }
}

/// A connection to one.
struct Daemon(Channel);

impl Daemon {
    async fn of_kubernetes(&self, id: &str) -> Result<Option<Tags>, RuntimeError> {
        let asked = m::ListContainersRequest { filter: Some(m::Filter { id: id.to_owned() }) };
        let Some(list) = self.call::<_, m::ListContainersResponse>(LIST_CONTAINERS, asked, None).await?
        else {
            return Ok(None);
        };
        let Some(container) = list.containers.into_iter().next() else { return self.of_sandbox(id).await };
        is_about(id, &container.id)?;
        let name = container.metadata.unwrap_or_default().name;
        let mut image = None;
        // What a person wrote into the pod comes before what it was resolved to, which is an id.
        if let Some(spec) = &container.image {
            image = ImageName::parse(&spec.user_specified_image).or_else(|| ImageName::parse(&spec.image));
        }
        if image.is_none() {
            image = ImageName::parse(&container.image_ref);
        }
        if image.is_none() {
            image = self.image(container.image.unwrap_or_default()).await?;
        }
        let pod = self.sandbox(&container.pod_sandbox_id).await?.unwrap_or_default();
        let extra = pod_tags(&container.labels).chain(application_tags(&pod));
        Ok(Some(Tags::new(&name, image, extra)))
    }

    /// The container that holds the namespaces of a pod, and runs nothing of the user's.
    async fn of_sandbox(&self, id: &str) -> Result<Option<Tags>, RuntimeError> {
        let Some(sandbox) = self.sandbox(id).await? else { return Ok(None) };
        is_about(id, &sandbox.id)?;
        let extra = pod_tags(&sandbox.labels).chain(application_tags(&sandbox));
        Ok(Some(Tags::new("", None, extra)))
    }

    async fn sandbox(&self, id: &str) -> Result<Option<m::PodSandbox>, RuntimeError> {
        // An empty filter is one for all.
        if id.is_empty() {
            return Ok(None);
        }
        let asked = m::ListPodSandboxRequest { filter: Some(m::Filter { id: id.to_owned() }) };
        let list = self.call::<_, m::ListPodSandboxResponse>(LIST_SANDBOXES, asked, None).await?;
        Ok(list.and_then(|list| list.items.into_iter().next()))
    }

    /// The name of an image that is only known by its id.
    async fn image(&self, spec: m::ImageSpec) -> Result<Option<ImageName>, RuntimeError> {
        let asked = m::ImageStatusRequest { image: Some(spec) };
        let answer = self.call::<_, m::ImageStatusResponse>(IMAGE_STATUS, asked, None).await?;
        let image = answer.and_then(|answer| answer.image).unwrap_or_default();
        let mut names = image.repo_tags.iter().chain(&image.repo_digests);
        Ok(names.find_map(|name| ImageName::parse(name)))
    }

    async fn of_containerd(&self, id: &str) -> Result<Option<Tags>, RuntimeError> {
        let list = self.call::<_, m::ListNamespacesResponse>(NAMESPACES, m::Nothing {}, None).await?;
        // No containerd.
        let Some(list) = list else { return Ok(None) };
        // What docker runs it names itself; here it has neither name nor image.
        let namespaces = list.namespaces.iter().filter(|namespace| namespace.name != DOCKER_NAMESPACE);
        for namespace in namespaces.take(MAX_NAMESPACES) {
            let asked = m::GetContainerRequest { id: id.to_owned() };
            let answer =
                self.call::<_, m::GetContainerResponse>(CONTAINER, asked, Some(&namespace.name)).await?;
            let Some(container) = answer.and_then(|answer| answer.container) else { continue };
            is_about(id, &container.id)?;
            let labels = &container.labels;
            // Who uses containerd directly gives the container a name of their own as its id.
            let name = labels.get(NERDCTL_NAME).map_or(container.id.as_str(), String::as_str);
            let name = if name.len() == 64 { "" } else { name };
            // Elsewhere labels are also those of the image, whose maker could choose a pod.
            let is_of_kubernetes = namespace.name == KUBERNETES_NAMESPACE;
            let pod = is_of_kubernetes.then(|| pod_tags(labels)).into_iter().flatten();
            return Ok(Some(Tags::new(name, ImageName::parse(&container.image), pod)));
        }
        Ok(None)
    }

    /// Calls a method; `None` when the daemon does not have it, or not what it was asked for.
    async fn call<Q, A>(
        &self,
        method: &'static str,
        question: Q,
        namespace: Option<&str>,
    ) -> Result<Option<A>, RuntimeError>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut client = tonic::client::Grpc::new(self.0.clone()).max_decoding_message_size(MAX_ANSWER_BYTES);
        client.ready().await?;
        let mut request = Request::new(question);
        if let Some(namespace) = namespace {
            // Namespaces are letters, digits and some signs; another one is none of containerd's.
            let Ok(namespace) = AsciiMetadataValue::try_from(namespace) else { return Ok(None) };
            request.metadata_mut().insert("containerd-namespace", namespace);
        }
        let codec = tonic_prost::ProstCodec::<Q, A>::default();
        match client.unary(request, PathAndQuery::from_static(method), codec).await {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) if matches!(status.code(), Code::Unimplemented | Code::NotFound) => Ok(None),
            Err(status) => Err(status.into()),
        }
    }
}

/// Daemons take the beginning of an id for the whole.
fn is_about(asked: &str, answered: &str) -> Result<(), RuntimeError> {
    if answered.starts_with(asked) {
        return Ok(());
    }
    Err(RuntimeError::OtherContainer { asked: asked.to_owned(), answered: answered.to_owned() })
}

fn application_tags(pod: &m::PodSandbox) -> impl Iterator<Item = (String, String)> {
    APPLICATION_LABELS.into_iter().filter_map(|(label, tag)| {
        pod.labels.get(label).filter(|value| !value.is_empty()).map(|value| (tag.to_owned(), value.clone()))
    })
}
