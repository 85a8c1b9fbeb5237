//! The `[intake]` section.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::endpoint::{Endpoint, EndpointConfig, Track};
use crate::config::{Correction, InvalidConfig, Secret, default_queue_bytes, default_reliable, fall_back};

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
    /// Which product of the intake takes the events: `secruntime` (the default) or `logs`.
    pub track: Track,
    /// Certificates (PEM) that are trusted beside those of the machine: the CA of an intake or a proxy of one's own.
    #[serde(deserialize_with = "bootstrap::config::maybe_absolute")]
    pub ca_file: Option<PathBuf>,
    /// More intakes that get everything too, at most 7, each with a queue of its own. What is not said of one here is as
    /// above.
    pub additional_endpoints: Vec<EndpointConfig>,
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
    /// Proxy, `http://[user:password@]host:port` or `socks5h://…`, with which the proxy resolves names, or `socks5://…`.
    /// Default none; the environment is not looked at.
    pub proxy: Option<Secret>,
    /// Hosts, domains and networks for which it is not used, separated by commas.
    pub no_proxy: Option<String>,
    /// No effect: this output always uses HTTP. Only refused together with `force_use_tcp`.
    pub force_use_http: bool,
    /// No effect, which the start says in the log: events of this product go over HTTP.
    pub use_tcp: bool,
    /// The same.
    pub force_use_tcp: bool,
    /// No effect, which the start says in the log: `proxy` takes `socks5://…`.
    pub socks5_proxy_address: Option<Secret>,
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
            track: Track::default(),
            ca_file: None,
            additional_endpoints: Vec::new(),
            compression_kind: CompressionKind::Gzip,
            compression_level: 6,
            zstd_compression_level: 1,
            batch_wait: Duration::from_secs(5),
            batch_max_size: 1000,
            batch_max_content_size: 5_000_000,
            batch_max_concurrent_send: 0,
            timeout: Duration::from_secs(10),
            proxy: None,
            no_proxy: None,
            force_use_http: false,
            use_tcp: false,
            force_use_tcp: false,
            socks5_proxy_address: None,
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

    /// Whether payloads wait for one of its endpoints.
    pub(crate) fn is_reliable(&self) -> bool {
        self.reliable || self.additional_endpoints.iter().any(|one| one.is_reliable.unwrap_or(true))
    }

    /// The intakes that get everything, the main one first.
    ///
    /// # Errors
    /// When one of them cannot be meant.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, InvalidConfig> {
        if self.force_use_http && self.force_use_tcp {
            return Err(InvalidConfig::BothForced);
        }
        if self.api_key.is_some() {
            return Err(InvalidConfig::InlineApiKey("intake".to_owned()));
        }
        let main = EndpointConfig {
            url: self.url.clone(),
            site: self.site.clone(),
            api_key_file: self.api_key_file.clone(),
            api_key_env: self.api_key_env.clone(),
            api_key: None,
            is_reliable: Some(self.reliable),
            track: Some(self.track),
        };
        let mut endpoints = vec![Endpoint::new("intake", "intake", &main, &main)?];
        for (name, (number, config)) in ADDITIONAL_NAMES.iter().zip((1..).zip(&self.additional_endpoints)) {
            let place = format!("intake.additional_endpoints[{}]", number - 1);
            endpoints.push(Endpoint::new(name, &place, config, &main)?);
        }
        if self.additional_endpoints.len() > ADDITIONAL_NAMES.len() {
            let (given, most) = (self.additional_endpoints.len(), ADDITIONAL_NAMES.len());
            return Err(InvalidConfig::TooManyEndpoints { given, most });
        }
        Ok(endpoints)
    }

    /// Settings that are known from elsewhere and mean nothing here.
    #[must_use]
    pub fn without_effect(&self) -> Vec<&'static str> {
        let settings = [
            ("intake.use_tcp", self.use_tcp),
            ("intake.force_use_tcp", self.force_use_tcp),
            ("intake.socks5_proxy_address", self.socks5_proxy_address.is_some()),
        ];
        settings.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }
}

/// What the outputs of additional endpoints are called, in the log, in counters and in the spool.
const ADDITIONAL_NAMES: [&str; 7] =
    ["intake_1", "intake_2", "intake_3", "intake_4", "intake_5", "intake_6", "intake_7"];
