use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::*;

const ID: &str = "abcdef";

/// A daemon that answers every request with what `answer` makes of its path.
fn daemon(path: &Path, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let n = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..n]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            // A client that gives up early is part of some tests.
            drop(stream.write_all(&answer(&path)).await);
        }
    });
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn ask(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Result<Option<Tags>, DockerError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    daemon(&path, answer);
    DockerApi::new(path, Some("1.41"), Duration::from_millis(500)).container(ID).await
}

#[tokio::test]
async fn a_container_of_docker_is_tagged_with_name_image_and_pod() {
    let tags = ask(|path| {
        assert_eq!(path, "/v1.41/containers/abcdef/json");
        ok(r#"{"Id":"abcdef0123","Name":"/web","Image":"sha256:1","Config":{"Image":"reg:5000/a/web:2",
            "Labels":{"io.kubernetes.pod.namespace":"shop","other":"x"}}}"#)
    });
    let tags = tags.await.unwrap().unwrap();
    let expected = [
        "container_name:web",
        "image_name:reg:5000/a/web",
        "image_tag:2",
        "kube_namespace:shop",
        "short_image:web",
    ];
    assert_eq!(tags.list(), expected);
}

#[tokio::test]
async fn a_container_started_by_image_id_gets_the_name_of_the_image() {
    let id = format!("sha256:{}", "a".repeat(64));
    let tags = ask(move |path| {
        if path.contains("/images/") {
            ok(r#"{"RepoTags":["<none>:<none>","localhost/demo:1.0"]}"#)
        } else {
            ok(&format!(
                r#"{{"Id":"abcdef","Name":"x","Image":"{id}","Config":{{"Image":"{id}","Labels":null}}}}"#
            ))
        }
    });
    let image = tags.await.unwrap().unwrap().image.unwrap();
    assert_eq!((image.name.as_str(), image.tag.as_deref()), ("localhost/demo", Some("1.0")));
}

#[tokio::test]
async fn a_container_the_daemon_does_not_know_is_not_an_error() {
    let answer = ask(|_| b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec());
    assert!(answer.await.unwrap().is_none());
}

#[tokio::test]
async fn hostile_answers_are_errors() {
    let huge = format!(r#"{{"Id":"{}"}}"#, "a".repeat(2 << 20));
    assert!(matches!(ask(move |_| ok(&huge)).await, Err(DockerError::Body(_))));
    assert!(matches!(ask(|_| ok("{")).await, Err(DockerError::Json(_))));
    assert!(matches!(ask(|_| ok(r#"{"Id":7}"#)).await, Err(DockerError::Json(_))));
    assert!(matches!(ask(|_| b"nonsense\r\n\r\n".to_vec()).await, Err(DockerError::Http(_))));
    let other = ask(|_| ok(r#"{"Id":"ffff"}"#)).await;
    assert!(matches!(other, Err(DockerError::OtherContainer { .. })));
    let broken = ask(|_| b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    assert!(matches!(broken, Err(DockerError::Status(_))));
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_is_given_up() {
    let answer = ask(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()).await;
    assert!(matches!(answer, Err(DockerError::TimedOut(_) | DockerError::Body(_))));
}

#[tokio::test]
async fn a_socket_that_is_not_there_says_what_to_check() {
    let api = DockerApi::new("/nonexistent/docker.sock".into(), None, Duration::from_secs(1));
    let error = api.container(ID).await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/docker.sock") && error.contains("uid"), "{error}");
}
