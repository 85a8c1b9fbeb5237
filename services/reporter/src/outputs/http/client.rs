//! One HTTP request to the intake, and what came of it.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, Url};

use super::answer::{Verdict, judge};
use super::config::IntakeConfig;
use super::endpoint::{Endpoint, KeySource};
use super::names::Names;
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

/// How long an intake has to answer the question whether it can be reached.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Posts bodies to one intake.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
    key_source: KeySource,
    key: Mutex<HeaderValue>,
}

/// What came of a request, with a text for the log.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

impl Client {
    pub(crate) fn new(config: &IntakeConfig, endpoint: &Endpoint) -> Result<Self, ClientError> {
        let url = endpoint.url.clone();
        if endpoint.is_exposed() {
            let host = url.host_str().unwrap_or_default();
            tracing::warn!(host, "the API key and all payloads cross the network unencrypted: use https");
        }
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::debug!("the process already has a TLS provider");
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("shrike/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers())
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            // What is repeated, and when, is decided in one place, which counts it.
            .retry(reqwest::retry::never())
            .dns_resolver(Names)
            .no_proxy();
        match &config.proxy {
            Some(proxy) => {
                // The cause would repeat the address, which may hold a password.
                builder = builder.proxy(self::proxy(proxy.expose(), config.no_proxy.as_deref())?);
            }
            // Without TLS there is no need for root certificates, which a small image may not have.
            None if url.scheme() == "http" => builder = builder.tls_certs_only([]),
            None => {}
        }
        if let Some(path) = &config.ca_file {
            let unusable = |problem: String| InvalidConfig::CaFile { path: path.clone(), problem };
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(causes(&error)))?;
            if certificates.is_empty() {
                return Err(unusable("there is no certificate in it".to_owned()).into());
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let key = Mutex::new(endpoint.key.read()?);
        let http = builder.build().map_err(ClientError::Http)?;
        Ok(Self { http, url, key_source: endpoint.key.clone(), key })
    }

    /// Reads the API key again; true when it is another one now.
    pub(crate) fn renew_key(&self) -> bool {
        match self.key_source.read() {
            Ok(new) if new != *self.key() => {
                *self.key() = new;
                tracing::info!("the API key of the intake was replaced");
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(%error, "the intake refused the API key, and there is no other one");
                false
            }
        }
    }

    /// Asks whether the intake can be reached with this configuration and takes the key.
    pub(crate) async fn check(&self) -> Outcome {
        let request = self
            .http
            .post(self.url.clone())
            .timeout(CHECK_TIMEOUT)
            .header(API_KEY, self.key().clone())
            .header("dd-message-timestamp", 0)
            .header("dd-current-timestamp", now_ms())
            .body("{}");
        self.send(request).await
    }

    fn key(&self) -> MutexGuard<'_, HeaderValue> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
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
            .header(API_KEY, self.key().clone())
            .body(body);
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Outcome {
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

const API_KEY: HeaderName = HeaderName::from_static("dd-api-key");

/// The cause of a refusal would repeat the address, which may hold a password.
fn proxy(address: &str, exceptions: Option<&str>) -> Result<reqwest::Proxy, InvalidConfig> {
    let problem = || InvalidConfig::Address {
        key: "intake.proxy".to_owned(),
        problem: "expected http://[user:password@]host:port, https://…, socks5://… or socks5h://…".to_owned(),
    };
    let url = Url::parse(address).map_err(|_cause| problem())?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") || !url.has_host() {
        return Err(problem());
    }
    let proxy = reqwest::Proxy::all(address).map_err(|_cause| problem())?;
    Ok(proxy.no_proxy(exceptions.and_then(reqwest::NoProxy::from_string)))
}

/// The headers that are the same for every request.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
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
