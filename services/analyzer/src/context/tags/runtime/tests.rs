use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Response;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::NamedService;
use tonic::transport::Server;

use super::*;

const ID: &str = "c0ffee";

type Answer = Result<http::Response<Body>, Infallible>;

/// What a daemon knows.
#[derive(Debug, Clone, Default)]
struct Known {
    containers: Vec<m::Container>,
    sandboxes: Vec<m::PodSandbox>,
    image: Option<m::Image>,
    /// Whether CRI answers every question with an error.
    is_cri_broken: bool,
    /// By namespace; none when the daemon is no containerd.
    own: Option<HashMap<String, m::ContainerdContainer>>,
}

/// Answers one method from a question.
async fn unary<Q, A>(
    request: http::Request<Body>,
    answer: impl Fn(Request<Q>) -> Result<A, Status> + Clone + Send + 'static,
) -> Answer
where
    Q: Message + Default + Send + 'static,
    A: Message + Default + Send + 'static,
{
    let service = tower::service_fn(move |request| std::future::ready(answer(request).map(Response::new)));
    Ok(tonic::server::Grpc::new(tonic_prost::ProstCodec::<A, Q>::default()).unary(service, request).await)
}

async fn serve(known: Known, request: http::Request<Body>) -> Answer {
    match request.uri().path() {
        LIST_CONTAINERS => {
            unary(request, move |asked: Request<m::ListContainersRequest>| {
                assert_eq!(asked.into_inner().filter.unwrap().id, ID);
                if known.is_cri_broken {
                    return Err(Status::internal("server is not initialized yet"));
                }
                Ok(m::ListContainersResponse { containers: known.containers.clone() })
            })
            .await
        }
        LIST_SANDBOXES => {
            unary(request, move |asked: Request<m::ListPodSandboxRequest>| {
                let id = asked.into_inner().filter.unwrap().id;
                let items = known.sandboxes.iter().filter(|sandbox| sandbox.id == id).cloned().collect();
                Ok(m::ListPodSandboxResponse { items })
            })
            .await
        }
        IMAGE_STATUS => {
            unary(request, move |_: Request<m::ImageStatusRequest>| {
                Ok(m::ImageStatusResponse { image: known.image.clone() })
            })
            .await
        }
        NAMESPACES if known.own.is_some() => {
            unary(request, move |_: Request<m::Nothing>| {
                let names = known.own.iter().flat_map(HashMap::keys);
                let namespaces = names.map(|name| m::Namespace { name: name.clone() }).collect();
                Ok(m::ListNamespacesResponse { namespaces })
            })
            .await
        }
        CONTAINER => {
            unary(request, move |asked: Request<m::GetContainerRequest>| {
                let namespace = asked.metadata().get("containerd-namespace").unwrap().to_str().unwrap();
                let found = known.own.as_ref().and_then(|own| own.get(namespace)).cloned();
                let found = found.filter(|container| container.id == asked.get_ref().id);
                found.map_or(Err(Status::not_found("no such container")), |container| {
                    Ok(m::GetContainerResponse { container: Some(container) })
                })
            })
            .await
        }
        _ => Ok(Status::unimplemented("not here").into_http()),
    }
}

macro_rules! services {
    ($($name:ident $path:literal)+) => { $(
        #[derive(Clone)]
        struct $name(Known);

        impl NamedService for $name {
            const NAME: &'static str = $path;
        }

        impl tower::Service<http::Request<Body>> for $name {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                Box::pin(serve(self.0.clone(), request))
            }
        }
    )+ };
}

services! {
    Runtime "runtime.v1.RuntimeService"
    Images "runtime.v1.ImageService"
    Namespaces "containerd.services.namespaces.v1.Namespaces"
    Containers "containerd.services.containers.v1.Containers"
}

/// Asks a daemon that knows this.
async fn ask(known: Known) -> Result<Option<Tags>, RuntimeError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runtime.sock");
    let incoming = UnixListenerStream::new(UnixListener::bind(&path).unwrap());
    let server = Server::builder()
        .add_service(Runtime(known.clone()))
        .add_service(Images(known.clone()))
        .add_service(Namespaces(known.clone()))
        .add_service(Containers(known))
        .serve_with_incoming(incoming);
    let server = tokio::spawn(server);
    let answer = RuntimeApi::new(path, Duration::from_secs(20)).container(ID).await;
    server.abort();
    answer
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn web(image: m::ImageSpec) -> m::Container {
    m::Container {
        id: "c0ffee00".to_owned(),
        pod_sandbox_id: "pod1".to_owned(),
        metadata: Some(m::ContainerMetadata { name: "web".to_owned() }),
        image: Some(image),
        image_ref: format!("sha256:{}", "a".repeat(64)),
        labels: labels(&[
            ("io.kubernetes.container.name", "web"),
            ("io.kubernetes.pod.name", "shop-1"),
            ("io.kubernetes.pod.namespace", "shop"),
        ]),
    }
}

fn pod() -> m::PodSandbox {
    let labels = labels(&[
        ("app.kubernetes.io/name", "shop"),
        ("app.kubernetes.io/version", "3"),
        ("io.kubernetes.pod.name", "shop-1"),
        ("team", "a"),
    ]);
    m::PodSandbox { id: "pod1".to_owned(), labels }
}

fn by_id() -> m::ImageSpec {
    m::ImageSpec { image: format!("sha256:{}", "a".repeat(64)), ..m::ImageSpec::default() }
}

const TAGS: [&str; 9] = [
    "container_name:web",
    "image_name:registry.example/shop/web",
    "image_tag:3.1",
    "kube_app_name:shop",
    "kube_app_version:3",
    "kube_container_name:web",
    "kube_namespace:shop",
    "pod_name:shop-1",
    "short_image:web",
];

#[tokio::test]
async fn a_container_of_a_pod_has_its_image_and_the_labels_of_the_pod() {
    let image = m::ImageSpec { user_specified_image: "registry.example/shop/web:3.1".to_owned(), ..by_id() };
    let known = Known { containers: vec![web(image)], sandboxes: vec![pod()], ..Known::default() };
    assert_eq!(ask(known).await.unwrap().unwrap().list(), TAGS);
}

#[tokio::test]
async fn an_image_that_is_an_id_is_asked_for_its_name() {
    let image = m::Image {
        repo_tags: vec!["registry.example/shop/web:3.1".to_owned()],
        repo_digests: vec!["registry.example/shop/web@sha256:00".to_owned()],
    };
    let known = Known {
        containers: vec![web(by_id())],
        sandboxes: vec![pod()],
        image: Some(image),
        ..Known::default()
    };
    assert_eq!(ask(known).await.unwrap().unwrap().list(), TAGS);
}

#[tokio::test]
async fn the_sandbox_of_a_pod_is_known_as_the_pod() {
    let sandbox = m::PodSandbox { id: ID.to_owned(), ..pod() };
    let tags = ask(Known { sandboxes: vec![sandbox], ..Known::default() }).await.unwrap().unwrap();
    assert_eq!(tags.list(), ["kube_app_name:shop", "kube_app_version:3", "pod_name:shop-1"]);
}

#[tokio::test]
async fn what_no_kubelet_started_is_found_in_the_namespaces_of_containerd() {
    let container = m::ContainerdContainer {
        id: ID.to_owned(),
        labels: labels(&[("nerdctl/name", "db"), ("io.kubernetes.pod.name", "forged-by-the-image")]),
        image: "docker.io/library/redis:7".to_owned(),
    };
    let of_docker = m::ContainerdContainer { id: ID.to_owned(), ..m::ContainerdContainer::default() };
    let own = [("moby".to_owned(), of_docker.clone()), ("default".to_owned(), container)];
    let tags = ask(Known { own: Some(own.into()), ..Known::default() }).await.unwrap().unwrap();
    let expected =
        ["container_name:db", "image_name:docker.io/library/redis", "image_tag:7", "short_image:redis"];
    assert_eq!(tags.list(), expected);
    // Docker's containers have neither there, which is no answer.
    let own = [("moby".to_owned(), of_docker)];
    assert_eq!(ask(Known { own: Some(own.into()), ..Known::default() }).await.unwrap(), None);
}

#[tokio::test]
async fn a_container_is_found_in_containerd_also_when_its_api_for_kubernetes_fails() {
    let container = m::ContainerdContainer {
        id: ID.to_owned(),
        image: "docker.io/library/redis:7".to_owned(),
        ..m::ContainerdContainer::default()
    };
    let own = HashMap::from([("default".to_owned(), container)]);
    let broken = Known { is_cri_broken: true, own: Some(own), ..Known::default() };
    let tags = ask(broken.clone()).await.unwrap().unwrap();
    assert!(tags.list().contains(&"short_image:redis".to_owned()), "{tags:?}");
    // Who is not there may be known to the API that failed.
    let error = ask(Known { own: Some(HashMap::new()), ..broken }).await.unwrap_err();
    assert!(error.to_string().contains("not initialized"), "{error}");
}

#[tokio::test]
async fn a_container_that_nobody_knows_is_no_error_and_another_one_is() {
    assert_eq!(ask(Known::default()).await.unwrap(), None);
    assert_eq!(ask(Known { own: Some(HashMap::new()), ..Known::default() }).await.unwrap(), None);
    let other = m::Container { id: "bad".to_owned(), ..web(by_id()) };
    let error = ask(Known { containers: vec![other], ..Known::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), "asked for container c0ffee, was answered about bad");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_hangs_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runtime.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let error = RuntimeApi::new(path, Duration::from_secs(1)).container(ID).await.unwrap_err();
    assert_eq!(error.to_string(), "the daemon did not answer within 1s");
}
