//! The `[intake]` section, and what follows from it: the address and the key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use crate::config::{Correction, InvalidConfig, Secret, default_queue_bytes, default_reliable, fall_back};

/// Host name before the site.
const HOST_PREFIX: &str = "runtime-security-http-intake.logs.";
/// Path of the track that takes runtime security events.
const PATH: &str = "/api/v2/secruntime";

/// A logs intake over HTTP. The keys are those that operators of the original know, where there is one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// Base URL of the intake, `https://host[:port]`; the path of the track is added.
    pub url: Option<String>,
    /// Instead of `url`: the site, `datadoghq.com`, `datadoghq.eu`, …
    pub site: Option<String>,
    /// File that holds the API key and nothing else.
    #[serde(deserialize_with = "bootstrap::config::maybe_absolute")]
    pub api_key_file: Option<PathBuf>,
    /// Name of the environment variable that holds the API key.
    #[serde(deserialize_with = "bootstrap::config::maybe_variable")]
    pub api_key_env: Option<String>,
    /// Never used: recognised only to be refused without printing it.
    pub api_key: Option<Secret>,
    /// Default gzip, which every intake takes; zstd is about five times cheaper.
    pub compression_kind: CompressionKind,
    /// Level of gzip, 0 to 9. Default 6.
    pub compression_level: u32,
    /// Level of zstd, 1 to 19. Default 1.
    pub zstd_compression_level: i32,
    /// How long the first payload of a batch waits for others, 1s to 10s. Default 5s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub batch_wait: Duration,
    /// Payloads in one batch, up to the 1000 that the intake takes, which is the default.
    pub batch_max_size: usize,
    /// Uncompressed bytes of one batch, up to the 5 000 000 that the intake takes, which is the default.
    pub batch_max_content_size: usize,
    /// Requests in flight. Over 1 gives more throughput over a long distance, and batches may arrive out of
    /// order. Default 0, which means 1; at most 64.
    pub batch_max_concurrent_send: usize,
    /// Time for one request, from connecting to the end of the answer. Default 10s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub timeout: Duration,
    /// HTTP proxy, `http://[user:password@]host:port`. Default none; the environment is not looked at.
    pub proxy: Option<Secret>,
    /// The random wait before an attempt starts at the upper bound divided by this, at least 2. Default 2.
    pub sender_backoff_factor: f64,
    /// Upper bound of the wait after one error is twice this. Default 1s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub sender_backoff_base: Duration,
    /// Longest wait. Default 2m.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub sender_backoff_max: Duration,
    /// Errors forgotten with each success. Default 2.
    pub sender_recovery_interval: u32,
    /// Forget all errors with the first success. Default false.
    pub sender_recovery_reset: bool,
    /// Whether payloads wait for it; when not, a full queue drops. Default true.
    pub reliable: bool,
    /// Bytes of payloads that wait for it, 4 MiB to 4 GiB; a batch holds at most a quarter. Default 16 MiB.
    pub queue_bytes: u64,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            url: None,
            site: None,
            api_key_file: None,
            api_key_env: None,
            api_key: None,
            compression_kind: CompressionKind::Gzip,
            compression_level: 6,
            zstd_compression_level: 1,
            batch_wait: Duration::from_secs(5),
            batch_max_size: 1000,
            batch_max_content_size: 5_000_000,
            batch_max_concurrent_send: 0,
            timeout: Duration::from_secs(10),
            proxy: None,
            sender_backoff_factor: 2.0,
            sender_backoff_base: Duration::from_secs(1),
            sender_backoff_max: Duration::from_secs(120),
            sender_recovery_interval: 2,
            sender_recovery_reset: false,
            reliable: default_reliable(),
            queue_bytes: default_queue_bytes(),
        }
    }
}

/// How bodies are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionKind {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// As they are.
    None,
}

impl IntakeConfig {
    pub(crate) fn settle(&mut self, corrections: &mut Vec<Correction>) {
        let usual = Self::default();
        let c = corrections;
        let second = Duration::from_secs(1);
        fall_back(
            c,
            "intake.batch_wait",
            &mut self.batch_wait,
            |wait| (second..=10 * second).contains(wait),
            usual.batch_wait,
            "1s to 10s",
        );
        fall_back(
            c,
            "intake.batch_max_size",
            &mut self.batch_max_size,
            |n| (1..=usual.batch_max_size).contains(n),
            usual.batch_max_size,
            "1 to 1000",
        );
        fall_back(
            c,
            "intake.batch_max_content_size",
            &mut self.batch_max_content_size,
            |n| (1..=usual.batch_max_content_size).contains(n),
            usual.batch_max_content_size,
            "1 to 5000000",
        );
        fall_back(
            c,
            "intake.batch_max_concurrent_send",
            &mut self.batch_max_concurrent_send,
            |n| *n <= 64,
            usual.batch_max_concurrent_send,
            "0 to 64",
        );
        fall_back(
            c,
            "intake.compression_level",
            &mut self.compression_level,
            |level| *level <= 9,
            usual.compression_level,
            "0 to 9",
        );
        fall_back(
            c,
            "intake.zstd_compression_level",
            &mut self.zstd_compression_level,
            |level| (1..=19).contains(level),
            usual.zstd_compression_level,
            "1 to 19",
        );
        fall_back(
            c,
            "intake.timeout",
            &mut self.timeout,
            |timeout| !timeout.is_zero(),
            usual.timeout,
            "over 0",
        );
        self.settle_backoff(c, &usual);
    }

    /// A batch that waits to be filled must not fill the queue alone.
    pub(crate) fn max_batch_bytes(&self) -> usize {
        usize::try_from(self.queue_bytes / 4).unwrap_or(usize::MAX)
    }

    fn settle_backoff(&mut self, c: &mut Vec<Correction>, usual: &Self) {
        fall_back(
            c,
            "intake.sender_backoff_factor",
            &mut self.sender_backoff_factor,
            |factor| factor.is_finite() && *factor >= 2.0,
            usual.sender_backoff_factor,
            "2 and more",
        );
        fall_back(
            c,
            "intake.sender_backoff_base",
            &mut self.sender_backoff_base,
            |base| !base.is_zero(),
            usual.sender_backoff_base,
            "over 0",
        );
        fall_back(
            c,
            "intake.sender_backoff_max",
            &mut self.sender_backoff_max,
            |max| !max.is_zero(),
            usual.sender_backoff_max,
            "over 0",
        );
        fall_back(
            c,
            "intake.sender_recovery_interval",
            &mut self.sender_recovery_interval,
            |n| *n > 0,
            usual.sender_recovery_interval,
            "over 0",
        );
    }

    /// The URL that batches are posted to.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn endpoint(&self) -> Result<Url, InvalidConfig> {
        match (&self.url, &self.site) {
            (Some(url), None) => parse("url", url),
            (None, Some(site)) => parse("site", &format!("https://{HOST_PREFIX}{}", site.trim())),
            (Some(_), Some(_)) => Err(InvalidConfig::UrlOrSite("both")),
            (None, None) => Err(InvalidConfig::UrlOrSite("neither")),
        }
    }

    /// Reads the API key, as a header value that is never printed.
    ///
    /// # Errors
    /// When there is none, or it cannot be a header.
    pub fn read_api_key(&self) -> Result<HeaderValue, InvalidConfig> {
        if self.api_key.is_some() {
            return Err(InvalidConfig::InlineApiKey);
        }
        match (&self.api_key_file, &self.api_key_env) {
            (Some(path), None) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| InvalidConfig::ApiKeyFile { path: path.clone(), source })?;
                api_key(&text, || path_text(path))
            }
            (None, Some(name)) => {
                let text = std::env::var(name).unwrap_or_default();
                api_key(&text, || format!("the environment variable {name}"))
            }
            (Some(_), Some(_)) => Err(InvalidConfig::ApiKeySource("both")),
            (None, None) => Err(InvalidConfig::ApiKeySource("neither")),
        }
    }
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

fn api_key(text: &str, place: impl FnOnce() -> String) -> Result<HeaderValue, InvalidConfig> {
    let text = text.trim();
    match HeaderValue::from_str(text) {
        Ok(mut key) if !text.is_empty() => {
            key.set_sensitive(true);
            Ok(key)
        }
        _ => Err(InvalidConfig::ApiKeyUnusable(place())),
    }
}

fn parse(key: &'static str, text: &str) -> Result<Url, InvalidConfig> {
    let problem = |problem: &str| InvalidConfig::Address { key, problem: problem.to_owned() };
    // The text is not part of the message: it may hold credentials.
    let mut url = Url::parse(text.trim())
        .map_err(|error| problem(&format!("{error}; expected https://host[:port]")))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(problem("expected https://host[:port]"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("credentials do not belong in the address, the API key is the credential"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(problem("remove what follows the path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(PATH) {
        url.set_path(&format!("{path}{PATH}"));
    }
    Ok(url)
}

/// True when the API key would cross a network that others can read.
pub(crate) fn is_exposed(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "http" && !is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: Option<&str>, site: Option<&str>) -> Result<String, String> {
        let config = IntakeConfig {
            url: url.map(str::to_owned),
            site: site.map(str::to_owned),
            ..IntakeConfig::default()
        };
        config.endpoint().map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn the_address_follows_from_the_url_or_the_site() {
        assert_eq!(
            endpoint(None, Some("datadoghq.eu")).unwrap(),
            "https://runtime-security-http-intake.logs.datadoghq.eu/api/v2/secruntime"
        );
        assert_eq!(
            endpoint(Some("http://127.0.0.1:9"), None).unwrap(),
            "http://127.0.0.1:9/api/v2/secruntime"
        );
        assert_eq!(endpoint(Some("https://gate/dd/"), None).unwrap(), "https://gate/dd/api/v2/secruntime");
        assert_eq!(
            endpoint(Some("https://h/api/v2/secruntime"), None).unwrap(),
            "https://h/api/v2/secruntime"
        );
    }

    #[test]
    fn an_address_that_cannot_be_meant_is_refused_without_its_credentials() {
        assert!(endpoint(None, None).unwrap_err().contains("neither"));
        assert!(endpoint(Some("https://h"), Some("s")).unwrap_err().contains("both"));
        for bad in
            ["h:443", "ftp://h", "https://", "https://h?x=1", "https://me:hunter2@h", "https://me:hunter2@"]
        {
            let error = endpoint(Some(bad), None).unwrap_err();
            assert!(error.starts_with("intake.url: ") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_api_key_is_read_from_its_file_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, " 0123456789abcdef\n").unwrap();
        let mut config = IntakeConfig { api_key_file: Some(path.clone()), ..IntakeConfig::default() };
        let key = config.read_api_key().unwrap();
        assert_eq!(key.as_bytes(), b"0123456789abcdef");
        assert!(!format!("{key:?}").contains("0123"));

        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(config.read_api_key(), Err(InvalidConfig::ApiKeyUnusable(_))));
        std::fs::write(&path, "two\nlines-of-secret").unwrap();
        assert!(!config.read_api_key().unwrap_err().to_string().contains("lines-of-secret"));
        config.api_key_file = Some(dir.path().join("absent"));
        assert!(matches!(config.read_api_key(), Err(InvalidConfig::ApiKeyFile { .. })));
        config.api_key_file = None;
        assert!(matches!(config.read_api_key(), Err(InvalidConfig::ApiKeySource("neither"))));
    }

    #[test]
    fn a_key_or_a_proxy_password_in_the_configuration_is_not_printed() {
        let config: IntakeConfig =
            toml::from_str("api_key = 'hunter2'\nproxy = 'http://me:hunter2@proxy:3128'").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = config.read_api_key().unwrap_err();
        assert!(matches!(error, InvalidConfig::InlineApiKey) && !error.to_string().contains("hunter2"));
    }

    #[test]
    fn plain_http_is_exposed_beyond_this_machine() {
        let exposed = |url: &str| is_exposed(&Url::parse(url).unwrap());
        assert!(exposed("http://intake.example"));
        assert!(!exposed("https://intake.example"));
        assert!(
            !exposed("http://127.0.0.1:80") && !exposed("http://[::1]:80") && !exposed("http://localhost")
        );
    }
}
