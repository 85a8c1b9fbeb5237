//! `[activity_dump]`: what is recorded of workloads, for how long, and what is kept of it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use activity_tree::{EventType, Traced};
use dump::Format;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `[activity_dump]`. Names and defaults are those of the field, see `docs/activity-dumps.md`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActivityDumpConfig {
    /// Record new containers without being asked. Costs up to `max_dump_size` of memory for each of
    /// `traced_cgroups_count`, and files. Requests work either way. Default false.
    pub enabled: bool,
    /// How often containers leave the wait list. Default 30s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub cleanup_period: Duration,
    /// How long a dump that ended waits for the tags of its container; then it is kept without. Default 60s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub tags_resolution_period: Duration,
    /// How often dumps that reached their size are finished and go on smaller. Default 60s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub load_controller_period: Duration,
    /// What a dump that goes on has at least, and what is too short a time to fill one. At least 10s. Default 10m.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub min_timeout: Duration,
    /// Memory of one dump in KiB, at least 100. Default 1750.
    pub max_dump_size: NonZeroUsize,
    /// Automatic dumps at once, and requests at once. Default 5.
    pub traced_cgroups_count: NonZeroUsize,
    /// What is recorded; exec always is. Default exec, open, dns and imds.
    #[serde(deserialize_with = "event_types")]
    pub traced_event_types: Vec<EventType>,
    /// How long a dump lasts if nobody says. Default 15m.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub dump_duration: Duration,
    /// New behaviours that a dump takes in a second; what it has already is always taken. Default 500.
    pub rate_limiter: NonZeroU32,
    /// How long after the beginning of its dump a container is not recorded again by itself. Default 75m.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub cgroup_wait_list_timeout: Duration,
    /// Whether programs with other arguments are other processes in automatic dumps. Default false.
    pub cgroup_differentiate_args: bool,
    /// Automatic dumps of one image and version. Default 25.
    pub max_dump_count_per_workload: NonZeroU32,
    /// Images that are never recorded by themselves, `name` or `name:tag`. Default none.
    pub workload_deny_list: Vec<String>,
    /// Workloads that have a profile and no tree.
    pub silent_workloads: SilentConfig,
    /// Where dumps are kept.
    pub local_storage: StorageConfig,
    /// How often a running dump is written, so that a killed analyzer costs no more of it. Default 5s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub checkpoint_period: Duration,
}

impl Default for ActivityDumpConfig {
    fn default() -> Self {
        let (secs, count) = (Duration::from_secs, |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN));
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            enabled: false,
            cleanup_period: secs(30),
            tags_resolution_period: secs(60),
            load_controller_period: secs(60),
            min_timeout: secs(600),
            max_dump_size: count(1750),
            traced_cgroups_count: count(5),
            traced_event_types: vec![EventType::Exec, EventType::Open, EventType::Dns, EventType::Imds],
            dump_duration: secs(900),
            rate_limiter: number(500),
            cgroup_wait_list_timeout: secs(4500),
            cgroup_differentiate_args: false,
            max_dump_count_per_workload: number(25),
            workload_deny_list: Vec::new(),
            silent_workloads: SilentConfig::default(),
            local_storage: StorageConfig::default(),
            checkpoint_period: secs(5),
        }
    }
}

impl ActivityDumpConfig {
    /// Memory of one dump.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_dump_size.get().max(100).saturating_mul(1024)
    }

    /// What a dump that goes on has at least.
    #[must_use]
    pub fn least_timeout(&self) -> Duration {
        self.min_timeout.max(Duration::from_secs(10))
    }

    /// What is recorded.
    #[must_use]
    pub fn traced(&self) -> Traced {
        Traced::only(self.traced_event_types.iter().copied())
    }
}

/// `[activity_dump.silent_workloads]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SilentConfig {
    /// How long after the end of a dump they are asked for. Default 10s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub delay: Duration,
    /// How often. Default 10s.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub ticker: Duration,
}

impl Default for SilentConfig {
    fn default() -> Self {
        Self { delay: Duration::from_secs(10), ticker: Duration::from_secs(10) }
    }
}

/// `[activity_dump.local_storage]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The directory, which is made if it is not there. Default `/var/lib/shrike/dumps`.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub output_directory: PathBuf,
    /// Formats of automatic dumps, and of requests that name none. Default profile.
    #[serde(deserialize_with = "formats")]
    pub formats: Vec<Format>,
    /// Whether files are packed. Default false.
    pub compression: bool,
    /// Dumps that are kept. Default 100.
    pub max_dumps_count: NonZeroUsize,
    /// Bytes of all files that are kept. Default 512 MiB.
    pub max_bytes: NonZeroUsize,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            output_directory: "/var/lib/shrike/dumps".into(),
            formats: vec![Format::Profile],
            compression: false,
            max_dumps_count: NonZeroUsize::new(100).unwrap_or(NonZeroUsize::MIN),
            max_bytes: NonZeroUsize::new(512 << 20).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

fn event_types<'de, D: Deserializer<'de>>(names: D) -> Result<Vec<EventType>, D::Error> {
    let known = || EventType::ALL.into_iter().filter(|one| *one != EventType::Other);
    let all = || known().map(EventType::name).collect::<Vec<_>>().join(", ");
    let one = |name: String| {
        let unknown = || D::Error::custom(format!("unknown event type {name:?}: use some of {}", all()));
        known().find(|one| one.name() == name).ok_or_else(unknown)
    };
    Vec::<String>::deserialize(names)?.into_iter().map(one).collect()
}

fn formats<'de, D: Deserializer<'de>>(names: D) -> Result<Vec<Format>, D::Error> {
    let one = |name: String| name.parse().map_err(D::Error::custom);
    Vec::<String>::deserialize(names)?.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_floors_and_names_are_those_of_the_field() {
        let config: ActivityDumpConfig = toml::from_str(
            "max_dump_size = 1\nmin_timeout = '1s'\ntraced_event_types = ['bind']\n[local_storage]\nformats = ['.json', 'dot']\n",
        )
        .unwrap();
        assert_eq!((config.max_bytes(), config.least_timeout()), (102_400, Duration::from_secs(10)));
        assert_eq!(config.local_storage.formats, [Format::Json, Format::Dot]);
        assert!(config.traced().has(EventType::Bind) && config.traced().has(EventType::Exec));
        assert!(!config.traced().has(EventType::Open));
        for (line, word) in
            [("traced_event_types = ['opne']", "open"), ("[local_storage]\nformats = ['yaml']", "html")]
        {
            let error = toml::from_str::<ActivityDumpConfig>(line).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
