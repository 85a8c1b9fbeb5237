//! The JSON lines form: one object per line, with names and units for people.
//!
//! These structs are the format (`docs/captures.md`); nothing of the domain is derived from or for it. What a
//! person leaves out is filled in by `defaults`.

pub(crate) mod defaults;
pub(crate) mod from_event;
pub(crate) mod parts;
pub(crate) mod scalar;
pub(crate) mod task_line;
pub(crate) mod to_event;

use std::borrow::Cow;
use std::net::IpAddr;

use event::Kind;
use scalar::{Bits, Bytes, OctalMode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The version of the JSON lines form that is written and read.
pub(crate) const JSONL_VERSION: u32 = 1;

/// What a line says. Read before the rest, to know which keys the line may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    Host,
    Process,
    Event(Kind),
}

impl LineKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Process => "process",
            Self::Event(kind) => kind.name(),
        }
    }
}

impl Serialize for LineKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for LineKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        match &*name {
            "host" => Ok(Self::Host),
            "process" => Ok(Self::Process),
            name => Kind::from_name(name).map(Self::Event).ok_or_else(|| {
                let known = Kind::names();
                de::Error::custom(format_args!("unknown variant `{name}`, expected host, process, {known}"))
            }),
        }
    }
}

/// Only the kind of a line.
#[derive(Debug, Deserialize)]
pub(crate) struct AnyLine {
    pub(crate) kind: LineKind,
}

/// The first line: the host.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostLine {
    pub(crate) kind: LineKind,
    /// Version of this form.
    pub(crate) capture: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boot_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wall_offset_ns: Option<i64>,
}

/// Identity of another process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyPart {
    pub(crate) pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_ns: Option<u64>,
}

/// A program.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecPart {
    pub(crate) path: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<Vec<Bytes>>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) args_truncated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) envs: Vec<Bytes>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) envs_truncated: bool,
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    pub(crate) tty: Bytes,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) unlinked: bool,
    #[serde(default, skip_serializing_if = "FilePart::is_empty")]
    pub(crate) file: FilePart,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) script: Option<PathPart>,
}

/// A file with its path: the script of a program, or one of several files of an event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathPart {
    pub(crate) path: Bytes,
    #[serde(default, skip_serializing_if = "FilePart::is_empty")]
    pub(crate) file: FilePart,
}

/// How a process ended: a code or a signal.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitPart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<u8>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) core_dumped: bool,
}

/// What is known of a file besides its path.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path_state: Option<PathStateName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inode: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) generation: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mount_id: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<OctalMode<u16>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nlink: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filesystem: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) layer: Option<LayerName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_ns: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) modification_ns: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) change_ns: Option<i64>,
}

impl FilePart {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// [`event::PathState`] by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PathStateName {
    Resolved,
    TruncatedParents,
    Argument,
    Unreadable,
    NoPlace,
    Detached,
}

/// The address of a socket: one of `ip` (with `port`), `path`, `abstract` and `family`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressPart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) r#abstract: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<AddressStateName>,
}

/// [`event::AddressState`] by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AddressStateName {
    Kernel,
    Argument,
    Unreadable,
}

/// [`event::Layer`] by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LayerName {
    None,
    Lower,
    Upper,
}

/// Credentials. What is left out follows from what is there: `euid` is `uid`, `fsuid` is `euid`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialsPart {
    pub(crate) uid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) euid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) egid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fsuid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fsgid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cap_effective: Option<Bits>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cap_permitted: Option<Bits>,
}

/// Namespace inode numbers; 0 = not known.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamespacesPart {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) mount: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) pid: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) network: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) user: u32,
}

/// A control group and what runs in it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CgroupPart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    #[serde(default)]
    pub(crate) path: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<ContainerPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_ns: Option<i64>,
}

/// A container.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContainerPart {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<RuntimeName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod_uid: Option<String>,
}

/// [`event::Runtime`] by the name people know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RuntimeName {
    #[serde(rename = "unknown")]
    Unknown,
    #[serde(rename = "docker")]
    Docker,
    #[serde(rename = "containerd")]
    Containerd,
    #[serde(rename = "cri-o")]
    CriO,
    #[serde(rename = "podman")]
    Podman,
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero<N: Default + PartialEq>(value: &N) -> bool {
    *value == N::default()
}
