//! `reporter.toml`.
//!
//! Values that their type cannot refuse are checked once, in [`Config::settle`]: those with a documented fallback
//! are replaced by it and reported, the others stop the start.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use crate::outputs::http::config::{CompressionKind, IntakeConfig};
pub use crate::outputs::http::endpoint::{Endpoint, EndpointConfig, KeySource, Track};
pub use crate::spool::config::SpoolConfig;

/// The configuration of the reporter. At least one of `intake`, `file` and `stdout` must be there; with several,
/// every payload goes to each.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The socket on which payloads arrive. Default `/run/shrike/reporter.sock`.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub socket: PathBuf,
    /// The uids that may submit payloads: the analyzer's. Default: only the uid the reporter itself runs as.
    #[serde(deserialize_with = "bootstrap::config::uids")]
    pub allowed_uids: Vec<u32>,
    /// Never used: recognised only to say what took its place.
    pub queue_max_bytes: Option<serde::de::IgnoredAny>,
    /// How long an output may be down before nothing waits for it any more: it then loses what its queue cannot
    /// hold, and what no other output has. Longer: fewer losses in an outage, but everything else stands still once
    /// the queue of the dead output is full. Default 1m.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub leave_after: Duration,
    /// How long a stopping reporter goes on sending what it has. Default 10s; must be under the time the service
    /// manager gives it.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub drain_timeout: Duration,
    /// The host name in every payload. Default: that of the machine.
    #[serde(deserialize_with = "bootstrap::config::maybe_name")]
    pub hostname: Option<String>,
    /// Keep on disk what outputs over the network have not delivered yet. Default: only in memory.
    pub spool: Option<SpoolConfig>,
    /// Send to a logs intake.
    pub intake: Option<IntakeConfig>,
    /// Write to a file.
    pub file: Option<FileConfig>,
    /// Write to standard output.
    pub stdout: Option<StdoutConfig>,
    /// Let the metrics of all services be read.
    pub metrics: Option<MetricsConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: "/run/shrike/reporter.sock".into(),
            allowed_uids: Vec::new(),
            queue_max_bytes: None,
            leave_after: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
            hostname: None,
            spool: None,
            intake: None,
            file: None,
            stdout: None,
            metrics: None,
        }
    }
}

/// A file with one JSON document per line, mode 0600.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file; its directory must exist. Rotated files are beside it, `.1` is the newest.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub path: PathBuf,
    /// Size at which the file is rotated; one line may make it larger. Default 100 MiB.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// Rotated files that are kept. Default 5.
    #[serde(default = "default_max_files")]
    pub max_files: NonZeroU32,
    /// What a line holds.
    #[serde(default)]
    pub format: LineFormat,
    /// Whether payloads wait for it; when not, a full queue drops. Default true.
    #[serde(default = "default_reliable")]
    pub reliable: bool,
    /// Bytes of payloads that wait for it, 4 MiB to 4 GiB. Default 16 MiB.
    #[serde(default = "default_queue_bytes")]
    pub queue_bytes: u64,
}

impl FileConfig {
    /// The defaults with this file.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            max_bytes: default_max_bytes(),
            max_files: default_max_files(),
            format: LineFormat::default(),
            reliable: default_reliable(),
            queue_bytes: default_queue_bytes(),
        }
    }
}

pub(crate) fn default_reliable() -> bool {
    true
}

pub(crate) fn default_queue_bytes() -> u64 {
    16 << 20
}

fn default_max_bytes() -> u64 {
    100 << 20
}

fn default_max_files() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(4)
}

/// Standard output with one JSON document per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StdoutConfig {
    /// What a line holds.
    pub format: LineFormat,
    /// Whether payloads wait for it; when not, a full queue drops. Default true.
    pub reliable: bool,
    /// Bytes of payloads that wait for it, 4 MiB to 4 GiB. Default 16 MiB.
    pub queue_bytes: u64,
}

impl Default for StdoutConfig {
    fn default() -> Self {
        let (reliable, queue_bytes) = (default_reliable(), default_queue_bytes());
        Self { format: LineFormat::default(), reliable, queue_bytes }
    }
}

/// Where Prometheus reads metrics, at `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Address and port, `127.0.0.1:9464`.
    pub listen: SocketAddr,
    /// Whether others than this machine may read them: they say what runs here, and nobody has to show who he is. Default
    /// false, and then only an address of this machine alone is taken.
    #[serde(default)]
    pub public: bool,
}

impl MetricsConfig {
    /// Whether the address is one that may be meant.
    ///
    /// # Errors
    /// When others could read and nothing says that they may.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        if self.public || self.listen.ip().is_loopback() {
            return Ok(());
        }
        Err(InvalidConfig::PublicMetrics(self.listen))
    }
}

/// What a line of a file or of standard output holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineFormat {
    /// The document as it was submitted: event JSON.
    #[default]
    Event,
    /// What the intake would get: the document as a string, with host, service, time and tags.
    Intake,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// Payloads would go nowhere.
    #[error(
        "no output is configured: add [intake], [file] or [stdout] to the configuration, or --intake-url"
    )]
    NoOutput,
    /// Nobody could say when a payload is settled.
    #[error("every output has reliable = false: payloads need one output that they wait for")]
    NoReliableOutput,
    /// Everybody who reaches the machine could read.
    #[error(
        "metrics.listen: {0} can be reached by others: give an address like 127.0.0.1:9464, or set metrics.public = true"
    )]
    PublicMetrics(SocketAddr),
    /// The key is from before each output had a queue.
    #[error(
        "queue_max_bytes is gone, each output has a queue of its own: set queue_bytes in [intake], [file] or [stdout]"
    )]
    QueueMaxBytes,
    /// There is no destination in `[intake]`, or two.
    #[error("set one of {0}.url and {0}.site, not {1}")]
    UrlOrSite(String, &'static str),
    /// The address cannot be used.
    #[error("{key}: {problem}")]
    Address {
        /// The key.
        key: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The key was put where configuration management, backups and error messages would copy it.
    #[error("{0}.api_key is not read from the configuration: put the key in a file and set api_key_file")]
    InlineApiKey(String),
    /// There is no key, or two.
    #[error("set one of {0}.api_key_file and {0}.api_key_env, not {1}")]
    ApiKeySource(String, &'static str),
    /// Two contradictions at once.
    #[error("intake.force_use_http and intake.force_use_tcp are both set: set one, or neither for HTTP")]
    BothForced,
    /// Each makes counters and files with a name of its own.
    #[error("intake.additional_endpoints has {given} entries: give at most {most}")]
    TooManyEndpoints {
        /// How many there are.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// The certificates cannot be used.
    #[error("intake.ca_file: cannot use {path}: {problem}; expected certificates in PEM")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The key file cannot be read.
    #[error("cannot read the API key from {path}: {source}")]
    ApiKeyFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// There is no key at its source.
    #[error("the API key from {0} is empty or not printable text: is it the right place?")]
    ApiKeyUnusable(String),
}

/// A value that was replaced by its documented fallback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The key, with its section.
    pub key: &'static str,
    /// What was configured.
    pub given: String,
    /// What applies instead, and the accepted range.
    pub used: String,
}

impl fmt::Display for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} is out of range, using {}", self.key, self.given, self.used)
    }
}

/// Replaces `value` by `fallback` unless `is_valid`, and says so.
pub(crate) fn fall_back<T: fmt::Debug + Clone>(
    corrections: &mut Vec<Correction>,
    key: &'static str,
    value: &mut T,
    is_valid: impl FnOnce(&T) -> bool,
    fallback: T,
    range: &str,
) {
    if !is_valid(value) {
        let given = format!("{value:?}");
        let used = format!("{fallback:?} (accepted: {range})");
        corrections.push(Correction { key, given, used });
        *value = fallback;
    }
}

impl Config {
    /// Checks what types cannot; out of range values with a fallback are replaced, and returned for the log.
    ///
    /// # Errors
    /// When there is nowhere to send payloads to.
    pub fn settle(&mut self) -> Result<Vec<Correction>, InvalidConfig> {
        if self.intake.is_none() && self.file.is_none() && self.stdout.is_none() {
            return Err(InvalidConfig::NoOutput);
        }
        if self.queue_max_bytes.is_some() {
            return Err(InvalidConfig::QueueMaxBytes);
        }
        if let Some(metrics) = &self.metrics {
            metrics.check()?;
        }
        let reliable = [
            self.intake.as_ref().map(IntakeConfig::is_reliable),
            self.file.as_ref().map(|file| file.reliable),
            self.stdout.map(|stdout| stdout.reliable),
        ];
        if !reliable.contains(&Some(true)) {
            return Err(InvalidConfig::NoReliableOutput);
        }
        let mut corrections = Vec::new();
        let queues = [
            self.intake.as_mut().map(|intake| ("intake.queue_bytes", &mut intake.queue_bytes)),
            self.file.as_mut().map(|file| ("file.queue_bytes", &mut file.queue_bytes)),
            self.stdout.as_mut().map(|stdout| ("stdout.queue_bytes", &mut stdout.queue_bytes)),
        ];
        for (key, bytes) in queues.into_iter().flatten() {
            let is_valid = |bytes: &u64| (4 << 20..=u64::from(u32::MAX)).contains(bytes);
            fall_back(&mut corrections, key, bytes, is_valid, default_queue_bytes(), "4 MiB to 4 GiB");
        }
        if let Some(file) = &mut self.file {
            let max_bytes = &mut file.max_bytes;
            fall_back(
                &mut corrections,
                "file.max_bytes",
                max_bytes,
                |n| *n > 0,
                default_max_bytes(),
                "over 0",
            );
        }
        if let Some(spool) = &mut self.spool {
            spool.settle(&mut corrections);
        }
        if let Some(intake) = &mut self.intake {
            intake.settle(&mut corrections);
        }
        Ok(corrections)
    }
}

/// Text that must not appear in logs, errors or debug output.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that uses it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
