//! What goes into a tree and comes out of it: plain values, named as in the files (spec 1.3 to 1.7).

use std::borrow::Cow;
use std::collections::BTreeMap;

/// How a node came to be known (spec 1.2). A node keeps the one it was made with; when two trees are joined, the
/// highest in the order snapshot, runtime, warm-up, drift, unknown stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Generation {
    /// Not said; nothing is inserted with it.
    #[default]
    Unknown = 0,
    /// By an event.
    Runtime = 1,
    /// It was there when the recording began.
    Snapshot = 2,
    /// Learned by a profile that was stable.
    ProfileDrift = 3,
    /// While the workload warmed up.
    WorkloadWarmup = 4,
}

impl Generation {
    /// Every one, in the order of the numbers.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Runtime, Self::Snapshot, Self::ProfileDrift, Self::WorkloadWarmup];

    /// The one with this number; one that nobody knows is [`Self::Unknown`].
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self::ALL.into_iter().find(|one| u64::from(*one as u8) == number).unwrap_or_default()
    }

    /// The name that metrics use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Runtime => "runtime",
            Self::Snapshot => "snapshot",
            Self::ProfileDrift => "profile_drift",
            Self::WorkloadWarmup => "workload_warmup",
        }
    }

    /// The one that stays when a node of each is joined (spec 2.12).
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let rank = |one| match one {
            Self::Unknown => 0,
            Self::ProfileDrift => 1,
            Self::WorkloadWarmup => 2,
            Self::Runtime => 3,
            Self::Snapshot => 4,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}

/// What is known of a file (`FileInfo`). The order is by content, to choose between two that must become one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FileInfo<'a> {
    /// Path as the workload sees it.
    pub path: Cow<'a, str>,
    /// Its last segment.
    pub basename: Cow<'a, str>,
    /// Inode number.
    pub inode: u64,
    /// Last change of the inode, nanoseconds since the epoch.
    pub ctime: u64,
    /// Last change of the content, nanoseconds since the epoch.
    pub mtime: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Name of the owner.
    pub user: Cow<'a, str>,
    /// Owning group.
    pub gid: u32,
    /// Name of the group.
    pub group: Cow<'a, str>,
    /// Mount id.
    pub mount_id: u32,
    /// Made or changed since the container started.
    pub in_upper_layer: bool,
    /// File system type.
    pub filesystem: Cow<'a, str>,
    /// Package that the file belongs to.
    pub package: Package<'a>,
    /// Hashes, each with its algorithm in front (`sha256:…`).
    pub hashes: Vec<Cow<'a, str>>,
    /// Why there are hashes, or none (`HashState`).
    pub hash_state: u32,
}

/// The package of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Package<'a> {
    /// Name.
    pub name: Cow<'a, str>,
    /// Version.
    pub version: Cow<'a, str>,
    /// Version of the source package.
    pub source_version: Cow<'a, str>,
    /// Epoch.
    pub epoch: Option<u32>,
    /// Release.
    pub release: Option<Cow<'a, str>>,
    /// Epoch of the source package.
    pub source_epoch: Option<u32>,
    /// Release of the source package.
    pub source_release: Option<Cow<'a, str>>,
}

/// How a file was opened (`OpenNode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Open {
    /// Result of the first open.
    pub retval: i64,
    /// Flags of all of them.
    pub flags: u32,
    /// Modes of all of them.
    pub mode: u32,
}

/// A program as a process ran it (`ProcessInfo`). The order is by content, as for [`FileInfo`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Process {
    /// When it was started, nanoseconds since the epoch.
    pub exec_time: u64,
    /// When its process was created.
    pub fork_time: u64,
    /// When it ended.
    pub exit_time: u64,
    /// The executable.
    pub file: FileInfo<'static>,
    /// First argument.
    pub argv0: String,
    /// The other arguments.
    pub args: Vec<String>,
    /// Whether some are missing.
    pub args_truncated: bool,
    /// Environment.
    pub envs: Vec<String>,
    /// Whether some of it is missing.
    pub envs_truncated: bool,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Process id of the parent.
    pub ppid: u32,
    /// Number of the process in the kernel's books, if somebody keeps any.
    pub cookie: u64,
    /// Whether the acting task was not the main thread.
    pub is_thread: bool,
    /// Whether it took the place of a program that was itself started by exec in the same task (spec 0.3).
    pub is_exec: bool,
    /// Container id.
    pub container_id: String,
    /// Terminal.
    pub tty: String,
    /// Name of the thread.
    pub comm: String,
    /// Users, groups, capabilities.
    pub credentials: Credentials,
}

/// Credentials of a process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Credentials {
    /// Real user.
    pub uid: u32,
    /// Real group.
    pub gid: u32,
    /// Name of the real user.
    pub user: String,
    /// Name of the real group.
    pub group: String,
    /// Effective user.
    pub effective_uid: u32,
    /// Effective group.
    pub effective_gid: u32,
    /// Name of the effective user.
    pub effective_user: String,
    /// Name of the effective group.
    pub effective_group: String,
    /// User for file access.
    pub fs_uid: u32,
    /// Group for file access.
    pub fs_gid: u32,
    /// Name of the user for file access.
    pub fs_user: String,
    /// Name of the group for file access.
    pub fs_group: String,
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
}

/// A question to a name server (`DNSInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question<'a> {
    /// Name that was asked for.
    pub name: Cow<'a, str>,
    /// Type of the record.
    pub qtype: u16,
    /// Class of the record.
    pub class: u16,
    /// Bytes of the packet.
    pub size: u16,
    /// Questions in the packet.
    pub count: u16,
}

/// An address a socket was bound to (`BindNode`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bind<'a> {
    /// Address family, `AF_INET` or `AF_INET6`.
    pub family: Cow<'a, str>,
    /// Address.
    pub ip: Cow<'a, str>,
    /// Port.
    pub port: u16,
    /// Protocol, `IPPROTO_*`.
    pub protocol: u16,
}

/// A request to the metadata service of a cloud, or its answer (`IMDSEvent`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Imds {
    /// `request` or `response`.
    pub kind: String,
    /// `aws`, `gcp`, …
    pub cloud_provider: String,
    /// Path that was asked for.
    pub url: String,
    /// Host header.
    pub host: String,
    /// User agent header.
    pub user_agent: String,
    /// Server header.
    pub server: String,
    /// What only AWS says.
    pub aws: Option<AwsImds>,
}

/// What an answer of AWS says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct AwsImds {
    /// By version 2 of the protocol.
    pub is_imds_v2: bool,
    /// Credentials that were handed out.
    pub credentials: Option<AwsCredentials>,
}

/// Credentials that were handed out, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct AwsCredentials {
    /// `Success` or not.
    pub code: String,
    /// Type.
    pub kind: String,
    /// Id of the key.
    pub access_key_id: String,
    /// When they were made.
    pub last_updated: String,
    /// Until when they are good.
    pub expiration_raw: String,
}

/// A network device of a workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Device<'a> {
    /// Network namespace.
    pub netns: u32,
    /// Number of the interface.
    pub ifindex: u32,
    /// Name of the interface.
    pub ifname: Cow<'a, str>,
}

/// Packets between two ends (`FlowNode`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Flow<'a> {
    /// Address and port of the source.
    pub source: (Cow<'a, str>, u16),
    /// Address and port of the destination.
    pub destination: (Cow<'a, str>, u16),
    /// Protocol of the network layer.
    pub l3_protocol: u16,
    /// Protocol of the transport layer.
    pub l4_protocol: u16,
    /// What came in.
    pub ingress: Traffic,
    /// What went out.
    pub egress: Traffic,
}

/// How much was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

/// A rule that an event matched (`MatchedRule`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MatchedRule {
    /// Its id.
    pub rule_id: String,
    /// Its version.
    pub rule_version: String,
    /// The policy it is from.
    pub policy_name: String,
    /// Version of the policy.
    pub policy_version: String,
    /// Its tags.
    pub rule_tags: BTreeMap<String, String>,
}

/// When something was seen in one version of an image, nanoseconds since the epoch; 0 = not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// The first time.
    pub first: u64,
    /// The last time.
    pub last: u64,
}

impl Times {
    /// Both at once.
    #[must_use]
    pub const fn at(ns: u64) -> Self {
        Self { first: ns, last: ns }
    }

    /// The span that covers both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let first = match (self.first, other.first) {
            (0, known) | (known, 0) => known,
            (one, another) => one.min(another),
        };
        Self { first, last: self.last.max(other.last) }
    }

    /// With an end that is not before the beginning.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { last: self.last.max(self.first), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_that_says_most_stays() {
        use Generation::{ProfileDrift, Runtime, Snapshot, Unknown, WorkloadWarmup};
        let order = [Unknown, ProfileDrift, WorkloadWarmup, Runtime, Snapshot];
        for (low, one) in order.into_iter().enumerate() {
            for (high, other) in order.into_iter().enumerate() {
                assert_eq!(one.join(other), order[low.max(high)]);
            }
        }
        let names = Generation::ALL.map(Generation::name);
        assert_eq!(names, ["unknown", "runtime", "snapshot", "profile_drift", "workload_warmup"]);
        assert_eq!([3, 9].map(Generation::from_number), [ProfileDrift, Unknown]);
    }

    #[test]
    fn a_time_that_is_not_known_does_not_count_as_the_earliest() {
        let check = |a: (u64, u64), b: (u64, u64), expect: (u64, u64)| {
            let [a, b] = [a, b].map(|(first, last)| Times { first, last });
            assert_eq!(a.join(b), Times { first: expect.0, last: expect.1 });
            assert_eq!(b.join(a), a.join(b));
        };
        check((5, 9), (3, 4), (3, 9));
        check((0, 0), (3, 4), (3, 4));
        check((0, 7), (3, 4), (3, 7));
        assert_eq!(Times { first: 9, last: 1 }.settled(), Times::at(9));
    }
}
