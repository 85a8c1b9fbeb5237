//! What `probe.toml` may say.
//!
//! Types refuse what makes no sense, so the rest of the probe never checks a setting again.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use event::{Kind, ScopeRule};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Settings of the probe (`probe.toml`). Everything has a default; an unknown key is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The unix socket for the analyzer. Its directory must exist. Default `/run/shrike/probe.sock`.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub socket: PathBuf,
    /// The file that tells the next probe from when on this one had not settled everything. Default: `probe.state` in
    /// the directory of the socket.
    #[serde(deserialize_with = "bootstrap::config::maybe_absolute")]
    pub state_file: Option<PathBuf>,
    /// The only uid that may connect: that of the analyzer. Default: whoever starts the probe, also when `run_as` makes it
    /// somebody else, so that a probe that was started by hand can be asked by hand. Whoever is not named is refused, root too.
    #[serde(deserialize_with = "uid")]
    pub allow_uid: Option<u32>,
    /// The uid, and gid, that the probe becomes once its programs are attached and its socket is there; for that it starts as
    /// root. Default: it stays who it is. Where that user may not change the directory of the socket, the socket stays behind
    /// at the end: nobody listens there, and the next start replaces it (`shrike run` removes it).
    #[serde(deserialize_with = "uid")]
    pub run_as: Option<u32>,
    /// Which processes are watched: `containers` (default), `services` (containers and systemd services),
    /// `cgroup=/path`, or `host` (everything; costs what the machine does).
    #[serde(deserialize_with = "parsed")]
    pub scope: ScopeRule,
    /// Which kinds of events. Default all; without fork and exec the ancestors of a process are not known.
    pub kinds: Kinds,
    /// Memory between the kernel and the probe.
    pub rings: RingConfig,
    /// Memory between the probe and the analyzer.
    pub buffer: BufferConfig,
    /// How events travel together.
    pub batch: BatchConfig,
    /// What is kept for analyzers that connect later.
    pub table: TableConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/shrike/probe.sock"),
            state_file: None,
            allow_uid: None,
            run_as: None,
            scope: ScopeRule::default(),
            kinds: Kinds::default(),
            rings: RingConfig::default(),
            buffer: BufferConfig::default(),
            batch: BatchConfig::default(),
            table: TableConfig::default(),
        }
    }
}

impl Config {
    /// Who may connect, when `starter` starts the probe.
    #[must_use]
    pub fn peer(&self, starter: u32) -> u32 {
        self.allow_uid.unwrap_or(starter)
    }

    /// Where the state is kept.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.state_file.clone().unwrap_or_else(|| self.socket.with_file_name("probe.state"))
    }
}

/// Sizes of the kernel rings (`[rings]`), in bytes; powers of two.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RingConfig {
    /// Ring of process starts and ends. Larger: survives longer fork storms. Default 4 MiB.
    pub never_drop_bytes: RingBytes,
    /// Ring of arguments and environment. Larger: fewer execs are reported without them while many start with long
    /// ones. Default 2 MiB.
    pub strings_bytes: RingBytes,
    /// Ring of file events. Larger: survives longer bursts while the probe is not scheduled, but takes memory, and one
    /// drain of it delays what comes after. Default 4 MiB.
    pub bulk_bytes: RingBytes,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self {
            never_drop_bytes: RingBytes(4 << 20),
            strings_bytes: RingBytes(2 << 20),
            bulk_bytes: RingBytes(4 << 20),
        }
    }
}

/// The buffer for an absent or slow analyzer (`[buffer]`).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BufferConfig {
    /// Bytes of encoded batches that wait until everything they caused is at an output; over it events are dropped and
    /// counted, those of the workload that floods first. Larger: a longer absence of the analyzer or of an output
    /// costs nothing. Default 64 MiB; 0 is refused.
    pub bytes: NonZeroUsize,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self { bytes: non_zero(64 << 20) }
    }
}

/// When a batch is complete (`[batch]`): at whichever limit comes first.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Events in one batch. Larger: fewer bytes and less work per event when there are many. Default 4096; 0 is
    /// refused.
    pub events: NonZeroUsize,
    /// Time the first event of a batch may wait, in steps of the 18ms between two drains. Larger: fewer bytes per event,
    /// later detection. Default 18ms.
    #[serde(deserialize_with = "bootstrap::config::time")]
    pub age: Duration,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { events: non_zero(4096), age: Duration::from_nanos(crate::flow::drain::STEP_NS) }
    }
}

/// The table of living processes (`[table]`).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// Processes kept; one more is counted and not kept. Default 65536; 0 is refused.
    pub processes: NonZeroUsize,
    /// Bytes they may take; over it new entries are kept without arguments and environment. Default 64 MiB.
    pub bytes: NonZeroUsize,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self { processes: non_zero(65_536), bytes: non_zero(64 << 20) }
    }
}

fn non_zero(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).unwrap_or(NonZeroUsize::MIN)
}

/// Why a setting is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The kernel accepts only such sizes.
    #[error(
        "{0} bytes is not a size for a kernel ring: use a power of two from 65536 to 1073741824, like {1}"
    )]
    Ring(u64, u64),
    /// Nobody knows that kind.
    #[error("unknown event kind {0:?}: use some of {names}", names = Kind::names())]
    Kind(String),
    /// Then there is nothing to do.
    #[error("no event kind is chosen: leave `kinds` out for all of them")]
    NoKind,
}

/// The size of a kernel ring: a power of two, at least 64 KiB (one page everywhere), at most 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct RingBytes(usize);

impl RingBytes {
    /// The number of bytes.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}

impl TryFrom<u64> for RingBytes {
    type Error = SettingError;

    fn try_from(bytes: u64) -> Result<Self, SettingError> {
        let limits = 1 << 16..=1 << 30;
        let near = bytes.clamp(*limits.start(), *limits.end()).next_power_of_two();
        match usize::try_from(bytes) {
            Ok(size) if bytes.is_power_of_two() && limits.contains(&bytes) => Ok(Self(size)),
            _ => Err(SettingError::Ring(bytes, near)),
        }
    }
}

/// The kinds of events to report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Kinds(Vec<Kind>);

impl Kinds {
    /// The kinds, without repetition.
    #[must_use]
    pub fn as_slice(&self) -> &[Kind] {
        &self.0
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self(Kind::ALL.to_vec())
    }
}

impl TryFrom<Vec<String>> for Kinds {
    type Error = SettingError;

    fn try_from(names: Vec<String>) -> Result<Self, SettingError> {
        let mut kinds = Vec::new();
        for name in names {
            let Some(kind) = Kind::from_name(&name) else { return Err(SettingError::Kind(name)) };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if kinds.is_empty() { Err(SettingError::NoKind) } else { Ok(Self(kinds)) }
    }
}

fn uid<'de, D: Deserializer<'de>>(uid: D) -> Result<Option<u32>, D::Error> {
    match u32::deserialize(uid)? {
        u32::MAX => Err(D::Error::custom(format!("{} is nobody's user id", u32::MAX))),
        uid => Ok(Some(uid)),
    }
}

/// A value that is written as text, read by its own parser.
fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(text: D) -> Result<T, D::Error> {
    String::deserialize(text)?.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod deployments;

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Cgroup, Text};

    fn load(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("probe.toml");
        std::fs::write(&path, text).unwrap();
        bootstrap::config::load(Some(&path)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let config = load("").unwrap();
        assert_eq!(config.socket, Config::default().socket);
        assert_eq!(config.scope, ScopeRule::Containers);
        assert_eq!(config.kinds.as_slice(), Kind::ALL);
        assert_eq!(config.batch.age, Duration::from_millis(18));
        // Who starts it, whoever it becomes.
        let becomes = load("run_as = 8").unwrap();
        assert_eq!((config.peer(0), becomes.peer(0), becomes.peer(9)), (0, 0, 9));
    }

    #[test]
    fn every_setting_can_be_set() {
        let config = load(
            "socket = '/tmp/p'\nallow_uid = 7\nscope = 'cgroup=/a/b/'\nkinds = ['open', 'open', 'exec']\n\
             [rings]\nnever_drop_bytes = 1048576\nbulk_bytes = 2097152\n[buffer]\nbytes = 5\n\
             [batch]\nevents = 3\nage = '1s'\n[table]\nprocesses = 9\nbytes = 8\n",
        )
        .unwrap();
        assert_eq!((config.allow_uid, config.peer(0)), (Some(7), 7));
        assert_eq!(config.scope, ScopeRule::Cgroup("/a/b".to_owned()));
        assert_eq!(config.kinds.as_slice(), [Kind::Open, Kind::Exec]);
        assert_eq!(config.rings.bulk_bytes.get(), 2 << 20);
        assert_eq!(config.batch.age, Duration::from_secs(1));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (text, expect) in [
            ("sockt = '/x'", "sockt"),
            ("scope = 'everything'", "containers, services"),
            ("scope = 'cgroup=a'", "absolute"),
            ("scope = 'cgroup=/a/../b'", "absolute"),
            ("kinds = ['exec', 'dns']", "dns"),
            ("kinds = []", "leave `kinds` out"),
            ("[rings]\nbulk_bytes = 1000000", "like 1048576"),
            ("[rings]\nbulk_bytes = 4096", "like 65536"),
            ("[buffer]\nbytes = 0", "nonzero"),
            ("[batch]\nage = 'soon'", "age"),
            ("[batch]\nage = '100000000000000s'", "age"),
            ("allow_uid = 4294967295", "allow_uid"),
            ("socket = ''", "socket"),
            ("state_file = 'probe.state'", "state_file"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }

    #[test]
    fn each_scope_includes_what_it_says() {
        let cgroup = |path: &str| Cgroup {
            path: Text::from(path),
            workload: crate::context::cgroups::workload(path),
            ..Cgroup::default()
        };
        let id = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
        let container = cgroup(&format!("/docker/{id}"));
        let service = cgroup("/system.slice/nginx.service");
        let other = cgroup("/user.slice");
        let check = |scope: &str, expect: [bool; 3]| {
            let scope: ScopeRule = scope.parse().unwrap();
            assert_eq!(
                [&container, &service, &other].map(|cgroup| scope.includes(cgroup)),
                expect,
                "{scope}"
            );
            assert!(scope.includes(&Cgroup::default()), "an unknown control group is never dropped");
        };
        check("containers", [true, false, false]);
        check("services", [true, true, false]);
        check("host", [true, true, true]);
        check("cgroup=/docker", [true, false, false]);
        check("cgroup=/dock", [false, false, false]);
        check("cgroup=/", [true, true, true]);
    }
}
