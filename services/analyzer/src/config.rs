//! `analyzer.toml`: every setting with its effect, its default and what it costs to change.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use event::Kind;
use process_tree::Limits;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::context::scrub::{RefusedWord, Scrubber};

mod dump;

pub use dump::{ActivityDumpConfig, SilentConfig, StorageConfig};

/// Entries of a queue. What is larger is no bound.
const MAX_QUEUE: usize = 1 << 20;
/// The reporter takes no larger groups.
const MAX_GROUP_BYTES: usize = 16 << 20;

/// The whole configuration; every part may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the other parts are reached and who may reach this one.
    pub sockets: SocketsConfig,
    /// Bounds of the process tree.
    pub tree: TreeConfig,
    /// Container tags.
    pub tags: TagsConfig,
    /// What waits for the reporter.
    pub outbox: OutboxConfig,
    /// What the reporter gets.
    pub output: OutputConfig,
    /// What the probe observes for nobody.
    pub kinds: KindsConfig,
    /// What the system says of itself.
    pub internal_monitoring: MonitoringConfig,
    /// What is removed from command lines and environments.
    pub scrub: ScrubConfig,
    /// Names of users and groups.
    pub names: NamesConfig,
    /// What is recorded of workloads.
    pub activity_dump: ActivityDumpConfig,
    /// Bounds of the queues between the parts.
    pub queues: QueuesConfig,
}

/// `[sockets]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketsConfig {
    /// The probe's socket. Default `/run/shrike/probe.sock`.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub probe: PathBuf,
    /// The reporter's socket. Default `/run/shrike/reporter.sock`.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub reporter: PathBuf,
    /// The socket this service serves for subscribers and the command line. Default `/run/shrike/analyzer.sock`.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub api: PathBuf,
    /// User ids that may use `api`, besides root and the analyzer's own. Default none.
    #[serde(deserialize_with = "bootstrap::config::uids")]
    pub api_uids: Vec<u32>,
}

impl Default for SocketsConfig {
    fn default() -> Self {
        Self {
            probe: "/run/shrike/probe.sock".into(),
            reporter: "/run/shrike/reporter.sock".into(),
            api: "/run/shrike/analyzer.sock".into(),
            api_uids: Vec::new(),
        }
    }
}

/// `[tree]`: what the process tree may hold. At a limit the processes that were quiet for longest are forgotten;
/// their descendants keep their lineage.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TreeConfig {
    /// Processes, living and just ended. Default 65536.
    pub max_processes: NonZeroUsize,
    /// Memory of all runs with their strings. Default 128 MiB.
    pub max_bytes: NonZeroUsize,
    /// Ancestors kept per run; a longer lineage is cut to its nearest half and says so. Default 128.
    #[serde(deserialize_with = "bootstrap::config::at_most::<65_536, _>")]
    pub max_depth: NonZeroUsize,
    /// How long an ended process is kept for events that arrive late. Default 2s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub keep_ended: Duration,
    /// How many ended processes are kept at most. Default 8192.
    pub max_ended: NonZeroUsize,
}

impl Default for TreeConfig {
    fn default() -> Self {
        let Limits { max_processes, max_bytes, max_depth, keep_ended, max_ended } = Limits::default();
        Self { max_processes, max_bytes, max_depth, keep_ended, max_ended }
    }
}

impl From<TreeConfig> for Limits {
    fn from(config: TreeConfig) -> Self {
        let TreeConfig { max_processes, max_bytes, max_depth, keep_ended, max_ended } = config;
        Self { max_processes, max_bytes, max_depth, keep_ended, max_ended }
    }
}

/// `[internal_monitoring]`: what the system says of itself. That events were lost or not observed is always said.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MonitoringConfig {
    /// Report events with a path that is not whole, without a known process or with a hole in the lineage: the first of a
    /// workload, and one each 30 s. Default false.
    pub enabled: bool,
}

/// `[tags]`: where the tags of a container come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TagsConfig {
    /// Docker-compatible API sockets, asked in this order; one that does not exist is skipped. Default those of
    /// docker and podman.
    #[serde(deserialize_with = "bootstrap::config::all_absolute")]
    pub docker_sockets: Vec<PathBuf>,
    /// Sockets of containerd and CRI-O, asked after those; one that does not exist is skipped. Default those of both.
    #[serde(deserialize_with = "bootstrap::config::all_absolute")]
    pub runtime_sockets: Vec<PathBuf>,
    /// API version put into the request path, `1.41`. Default none: the daemon's own.
    #[serde(deserialize_with = "api_version")]
    pub docker_api_version: Option<String>,
    /// A TOML or JSON file with tags for containers, asked before the sockets and read again when it changes.
    #[serde(deserialize_with = "bootstrap::config::maybe_absolute")]
    pub static_file: Option<PathBuf>,
    /// How long the payloads of a container wait for its tags. After that they leave without, until the answer
    /// comes. Longer: fewer untagged payloads while a runtime is slow, later delivery. Default 500ms.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub wait: Duration,
    /// Containers whose tags are remembered. Default 4096.
    pub cache_entries: NonZeroUsize,
    /// How long an answer may take. Default 1s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub timeout: Duration,
    /// When a container that nobody knew is asked for again. Default 30s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub retry: Duration,
    /// Questions that may be under way at once. Default 8.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_QUEUE, _>")]
    pub max_in_flight: NonZeroUsize,
}

impl Default for TagsConfig {
    fn default() -> Self {
        Self {
            docker_sockets: vec!["/run/docker.sock".into(), "/run/podman/podman.sock".into()],
            runtime_sockets: vec!["/run/containerd/containerd.sock".into(), "/run/crio/crio.sock".into()],
            docker_api_version: None,
            static_file: None,
            wait: Duration::from_millis(500),
            cache_entries: count(4096),
            timeout: Duration::from_secs(1),
            retry: Duration::from_secs(30),
            max_in_flight: count(8),
        }
    }
}

/// `[outbox]`: payloads on their way to the reporter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboxConfig {
    /// Bytes of payloads held in all; when they are used up, no batch of the probe is taken, and the probe keeps
    /// what comes. Default 32 MiB.
    pub max_bytes: NonZeroUsize,
    /// Bytes of payloads that may wait for tags; over it the container that waits longest goes out untagged.
    /// Default 16 MiB.
    pub max_waiting_bytes: NonZeroUsize,
    /// Bytes of documents, written out, from which on a group is complete; a document can exceed it. The reporter
    /// takes groups of up to 16 MiB. Default 512 KiB.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_GROUP_BYTES, _>")]
    pub group_bytes: NonZeroUsize,
    /// Tags added to every payload, `key:value`. Default none.
    #[serde(deserialize_with = "bootstrap::config::tags")]
    pub tags: Vec<String>,
    /// `service` of every payload. Default: the short image name of the container.
    #[serde(deserialize_with = "bootstrap::config::maybe_name")]
    pub service: Option<String>,
    /// How long the end of the service may wait for the reporter to settle what is left. What is not settled then
    /// is sent again by the probe. Default 5s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub drain: Duration,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            max_bytes: count(32 << 20),
            max_waiting_bytes: count(16 << 20),
            group_bytes: count(512 << 10),
            tags: Vec::new(),
            service: None,
            drain: Duration::from_secs(5),
        }
    }
}

/// `[output]`: which events become payloads.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// `all`, or `matched`: only what a stage asks to be sent, and what the system says of itself. Nothing is
    /// rendered that nobody takes. Default all.
    pub events: OutputEvents,
}

/// `[kinds]`: what the probe observes. It observes what somebody takes: all kinds with `output.events = "all"`, else those that
/// rules judge, subscribers ask for and recordings hold. The process lifecycle is always observed, and never what
/// `kinds` in `probe.toml` leaves out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KindsConfig {
    /// Kinds that are observed even when nobody takes their events, so that `shrike status` counts them and a subscriber
    /// misses nothing at its start. Each costs the workloads its hooks. Default none.
    #[serde(deserialize_with = "kinds")]
    pub always: BTreeSet<Kind>,
}

fn api_version<'de, D: Deserializer<'de>>(version: D) -> Result<Option<String>, D::Error> {
    let version = String::deserialize(version)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if version.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Ok(Some(version));
    }
    Err(D::Error::custom(format!("{version:?} is not a version of the API like 1.41")))
}

fn kinds<'de, D: Deserializer<'de>>(names: D) -> Result<BTreeSet<Kind>, D::Error> {
    let kind = |name: String| {
        let unknown =
            || D::Error::custom(format!("unknown event kind {name:?}: use some of {}", Kind::names()));
        Kind::from_name(&name).ok_or_else(unknown)
    };
    Vec::<String>::deserialize(names)?.into_iter().map(kind).collect()
}

/// Which events become payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputEvents {
    /// Every one.
    #[default]
    All,
    /// Those that a stage asks for.
    Matched,
}

/// `[scrub]`: what never leaves the analyzer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubConfig {
    /// Words, besides the built-in ones, whose argument value is replaced; `*` matches any characters.
    pub words: Vec<String>,
    /// Environment variables whose values are kept. Default: the built-in list.
    #[serde(deserialize_with = "bootstrap::config::maybe_variables")]
    pub allowed_envs: Option<Vec<String>>,
}

impl ScrubConfig {
    /// The scrubber for these settings.
    ///
    /// # Errors
    /// When a word cannot be used: leaving it out would let through what it was meant to hide.
    pub fn scrubber(&self) -> Result<Scrubber, ScrubError> {
        let (scrubber, refused) = Scrubber::new(&self.words, self.allowed_envs.as_deref());
        match refused.into_iter().next() {
            Some(refused) => Err(ScrubError(refused)),
            None => Ok(scrubber),
        }
    }
}

/// A word to scrub that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("scrub.words in the configuration: {0}")]
pub struct ScrubError(RefusedWord);

/// `[names]`: where the names of users and groups are looked up. They must be those of the host: in a container,
/// mount the host's files, or set an empty path, which leaves ids without names (but `root`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamesConfig {
    /// Default `/etc/passwd`.
    #[serde(deserialize_with = "bootstrap::config::absolute_or_empty")]
    pub passwd: PathBuf,
    /// Default `/etc/group`.
    #[serde(deserialize_with = "bootstrap::config::absolute_or_empty")]
    pub group: PathBuf,
}

impl Default for NamesConfig {
    fn default() -> Self {
        Self { passwd: "/etc/passwd".into(), group: "/etc/group".into() }
    }
}

/// `[queues]`: capacities between the parts; the supervisor applies them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueuesConfig {
    /// Batches between the probe link and the pipeline. More only hides a slow pipeline. Default 2.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_QUEUE, _>")]
    pub pipeline: NonZeroUsize,
    /// Groups between the pipeline and the outbox. Default 64.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_QUEUE, _>")]
    pub outbox: NonZeroUsize,
    /// Batches between the pipeline and the subscriptions; a full queue is a counted drop. Default 64.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_QUEUE, _>")]
    pub subscriptions: NonZeroUsize,
    /// Questions for container tags. Default 1024.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_QUEUE, _>")]
    pub tags: NonZeroUsize,
    /// Events waiting in one subscriber's stream. Default 8192.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_QUEUE, _>")]
    pub per_subscriber: NonZeroUsize,
    /// Batches waiting in one recorder's stream. Default 256.
    #[serde(deserialize_with = "bootstrap::config::at_most::<MAX_QUEUE, _>")]
    pub per_recorder: NonZeroUsize,
}

impl Default for QueuesConfig {
    fn default() -> Self {
        Self {
            pipeline: count(2),
            outbox: count(64),
            subscriptions: count(64),
            tags: count(1024),
            per_subscriber: count(8192),
            per_recorder: count(256),
        }
    }
}

/// Tags by name, as configuration writes them.
pub type TagTable = BTreeMap<String, String>;

fn count(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_and_a_zero_limit_are_refused() {
        let unknown = toml::from_str::<Config>("[tree]\nmax_procs = 1\n").unwrap_err().to_string();
        assert!(unknown.contains("max_procs"), "{unknown}");
        let zero = toml::from_str::<Config>("[tree]\nmax_processes = 0\n").unwrap_err().to_string();
        assert!(zero.contains("nonzero") || zero.contains("non-zero"), "{zero}");
        let kind = toml::from_str::<Config>("[kinds]\nalways = ['opne']\n").unwrap_err().to_string();
        assert!(kind.contains("opne") && kind.contains(&Kind::names()), "{kind}");
    }

    #[test]
    fn a_value_that_cannot_mean_anything_stops_the_start_with_its_key() {
        for (section, line) in [
            ("sockets", "probe = 'run/probe.sock'"),
            ("sockets", "api = ''"),
            ("sockets", "api_uids = [4294967295]"),
            ("tree", "max_depth = 9223372036854775807"),
            ("tree", "keep_ended = '100000000000000s'"),
            ("tags", "docker_sockets = ['docker.sock']"),
            ("tags", "docker_sockets = ['']"),
            ("tags", "runtime_sockets = ['containerd.sock']"),
            ("tags", "docker_api_version = 'v1.41'"),
            ("tags", "docker_api_version = '1'"),
            ("tags", "static_file = ''"),
            ("tags", "wait = '100000000000000s'"),
            ("tags", "max_in_flight = 9223372036854775807"),
            ("outbox", "group_bytes = 16777217"),
            ("outbox", "tags = ['a:b,c:d']"),
            ("outbox", "service = ''"),
            ("scrub", "allowed_envs = ['LANG=C']"),
            ("names", "passwd = 'etc/passwd'"),
            ("queues", "pipeline = 9223372036854775807"),
            ("queues", "per_subscriber = 1048577"),
        ] {
            let error = toml::from_str::<Config>(&format!("[{section}]\n{line}\n")).unwrap_err().to_string();
            let key = line.split_whitespace().next().unwrap();
            assert!(error.contains("line 2") && error.contains(key), "{section}.{line}: {error}");
        }
        let none: Config = toml::from_str("[names]\npasswd = ''\ngroup = ''\n").unwrap();
        assert_eq!(none.names.passwd, PathBuf::new());
    }

    #[test]
    fn a_part_can_be_set_alone() {
        let config: Config = toml::from_str(
            "[tags]\nwait = \"3s\"\n[output]\nevents = \"matched\"\n[kinds]\nalways = [\"bind\"]\n",
        )
        .unwrap();
        assert_eq!(config.kinds.always, [Kind::Bind].into());
        assert_eq!(config.tags.wait, Duration::from_secs(3));
        assert_eq!(config.output.events, OutputEvents::Matched);
        assert_eq!(config.tree.max_processes.get(), 65_536);
    }
}
