//! `reporter.toml`.
//!
//! Values that their type cannot refuse are checked once, in [`Config::settle`]: those with a documented fallback
//! are replaced by it and reported, the others stop the start.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use crate::intake::config::{CompressionKind, IntakeConfig};

/// The configuration of the reporter. At least one of `intake`, `file` and `stdout` must be there; with several,
/// every payload goes to each.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The socket on which payloads arrive. Default `/run/shrike/reporter.sock`.
    pub socket: PathBuf,
    /// The uids that may submit payloads: the analyzer's. Default: only the uid the reporter itself runs as.
    pub allowed_uids: Vec<u32>,
    /// Bytes of accepted payloads that are not yet delivered everywhere. More survives longer outages of the
    /// intake; at the limit new payloads are refused, and the analyzer keeps or drops them. Default 64 MiB, at
    /// least 32 MiB, so that one request always fits.
    pub queue_max_bytes: u64,
    /// How long a stopping reporter goes on sending what it has. Default 10s; must be under the time the service
    /// manager gives it.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// The host name in every payload. Default: that of the machine.
    pub hostname: Option<String>,
    /// Send to a logs intake.
    pub intake: Option<IntakeConfig>,
    /// Write to a file.
    pub file: Option<FileConfig>,
    /// Write to standard output.
    pub stdout: Option<StdoutConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: "/run/shrike/reporter.sock".into(),
            allowed_uids: Vec::new(),
            queue_max_bytes: 64 << 20,
            drain_timeout: Duration::from_secs(10),
            hostname: None,
            intake: None,
            file: None,
            stdout: None,
        }
    }
}

/// A file with one JSON document per line, mode 0600.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file; its directory must exist. Rotated files are beside it, `.1` is the newest.
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
}

fn default_max_bytes() -> u64 {
    100 << 20
}

fn default_max_files() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(4)
}

/// Standard output with one JSON document per line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StdoutConfig {
    /// What a line holds.
    pub format: LineFormat,
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
    /// There is no destination in `[intake]`, or two.
    #[error("set one of intake.url and intake.site, not {0}")]
    UrlOrSite(&'static str),
    /// The address cannot be used.
    #[error("intake.{key}: {problem}")]
    Address {
        /// The key.
        key: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The key was put where configuration management, backups and error messages would copy it.
    #[error("intake.api_key is not read from the configuration: put the key in a file and set api_key_file")]
    InlineApiKey,
    /// There is no key, or two.
    #[error("set one of intake.api_key_file and intake.api_key_env, not {0}")]
    ApiKeySource(&'static str),
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
        let mut corrections = Vec::new();
        let least = 2 * crate::service::MAX_REQUEST_BYTES as u64;
        fall_back(
            &mut corrections,
            "queue_max_bytes",
            &mut self.queue_max_bytes,
            |bytes| (least..=u64::from(u32::MAX)).contains(bytes),
            Self::default().queue_max_bytes,
            "32 MiB to 4 GiB",
        );
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
mod tests {
    use super::*;

    fn parse(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_example_is_valid_and_needs_no_correction() {
        let mut config = parse(include_str!("../reporter.example.toml"));
        assert_eq!(config.settle().unwrap(), []);
        assert!(config.intake.is_some() && config.file.is_some() && config.stdout.is_some());
    }

    #[test]
    fn an_unknown_key_is_refused_in_every_section() {
        for text in
            ["sockett = 'x'", "[intake]\nurll = 'x'", "[file]\npath = 'x'\nmode = 1", "[stdout]\nx = 1"]
        {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_an_output_nothing_starts() {
        assert!(matches!(Config::default().settle(), Err(InvalidConfig::NoOutput)));
    }

    #[test]
    fn values_out_of_range_are_replaced_and_named() {
        let mut config = parse(
            "queue_max_bytes = 5\n[file]\npath = 'x'\nmax_bytes = 0\n[intake]\nbatch_wait = '11s'\n\
             batch_max_size = 1001\nbatch_max_content_size = 0\nsender_backoff_factor = 1.9\n\
             sender_backoff_base = '0s'\nsender_backoff_max = '0s'\nsender_recovery_interval = 0\n\
             compression_level = 10\nzstd_compression_level = 0\nbatch_max_concurrent_send = 1000\ntimeout = '0s'",
        );
        let keys: Vec<_> = config.settle().unwrap().into_iter().map(|correction| correction.key).collect();
        assert_eq!(keys.len(), 13, "{keys:?}");
        let expected = IntakeConfig::default();
        assert_eq!(config.intake.as_ref(), Some(&expected));
        assert_eq!(config.settle().unwrap(), []);
    }
}
