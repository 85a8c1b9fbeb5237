//! One HTTP request to the intake, and what came of it.

use std::error::Error;
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, Url};

use super::answer::{Verdict, judge};
use super::config::{IntakeConfig, is_exposed};
use crate::config::InvalidConfig;
use crate::intake::group::now_ms;
use crate::metrics::RetryCause;

/// Bytes of an answer that are read so that the connection can be used again; nothing in them is used.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Why the intake cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The configuration does not say enough, or something impossible.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The HTTP client does not start.
    #[error(
        "cannot prepare HTTP for the intake: {0:?}; for https the machine needs root certificates \
         (package ca-certificates)"
    )]
    Http(#[source] reqwest::Error),
}

/// Posts bodies to one intake.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
}

/// What came of a request, with a text for the log.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

impl Client {
    pub(crate) fn new(config: &IntakeConfig) -> Result<Self, ClientError> {
        let url = config.endpoint()?;
        if is_exposed(&url) {
            let host = url.host_str().unwrap_or_default();
            tracing::warn!(host, "the API key and all payloads cross the network unencrypted: use https");
        }
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("the process already has a TLS provider");
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("shrike/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(config.read_api_key()?))
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            // What is repeated, and when, is decided in one place, which counts it.
            .retry(reqwest::retry::never())
            .no_proxy();
        match &config.proxy {
            Some(proxy) => {
                // The cause would repeat the address, which may hold a password.
                let proxy = reqwest::Proxy::all(proxy.expose()).map_err(|_cause| InvalidConfig::Address {
                    key: "proxy",
                    problem: "expected http://[user:password@]host:port".to_owned(),
                });
                builder = builder.proxy(proxy?);
            }
            // Without TLS there is no need for root certificates, which a small image may not have.
            None if url.scheme() == "http" => builder = builder.tls_certs_only([]),
            None => {}
        }
        Ok(Self { http: builder.build().map_err(ClientError::Http)?, url })
    }

    /// Posts one body. `id` is the same for every attempt, `message_ms` is when its last payload was accepted.
    pub(crate) async fn post(
        &self,
        body: Bytes,
        encoding: &'static str,
        id: &str,
        message_ms: i64,
    ) -> Outcome {
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_ENCODING, encoding)
            .header("shrike-batch-id", id)
            .header("dd-message-timestamp", message_ms)
            .header("dd-current-timestamp", now_ms())
            .body(body);
        match request.send().await {
            Ok(response) => {
                let status = response.status();
                let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let verdict = judge(status.as_u16(), retry_after, SystemTime::now());
                drain(response).await;
                Outcome { verdict, detail: status.to_string() }
            }
            Err(error) => {
                let cause = if error.is_timeout() { RetryCause::Timeout } else { RetryCause::Transport };
                Outcome { verdict: Verdict::Retry(cause, None), detail: causes(&error.without_url()) }
            }
        }
    }
}

/// The headers that are the same for every request.
fn headers(api_key: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("dd-api-key"), api_key);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let origin = HeaderValue::from_static("cloud-workload-security");
    headers.insert(HeaderName::from_static("dd-evp-origin"), origin);
    let version = HeaderValue::from_static(bootstrap::VERSION);
    headers.insert(HeaderName::from_static("dd-evp-origin-version"), version);
    headers
}

/// Reads the answer to its end or to the limit. The status has decided already, so an error here changes nothing.
async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_ANSWER_BYTES {
            return;
        }
    }
}

/// An error and what caused it, in one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
