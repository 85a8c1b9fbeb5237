//! The JSON lines form: one object per line, with names and units for people.
//!
//! These structs are the format (`docs/captures.md`); nothing of the domain is derived from or for it. What a
//! person leaves out is filled in by `defaults`.

pub(crate) mod defaults;
pub(crate) mod flags;
pub(crate) mod from_event;
pub(crate) mod scalar;
pub(crate) mod to_event;

use scalar::{Bits, Bytes, OctalMode, OpenFlags};
use serde::{Deserialize, Deserializer, Serialize};

/// The version of the JSON lines form that is written and read.
pub(crate) const JSONL_VERSION: u32 = 1;

/// What a line says. Read before the rest, to know which keys the line may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LineKind {
    Host,
    Process,
    Exec,
    Fork,
    Exit,
    Open,
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

/// A process that runs already, or an event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskLine {
    pub(crate) kind: LineKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<u64>,
    pub(crate) pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ppid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comm: Option<Bytes>,
    /// Left out: from `ppid`. `null`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) parent: Option<Option<KeyPart>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exec_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exec: Option<ExecPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<ExitPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) open: Option<OpenPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<CredentialsPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespaces: Option<NamespacesPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cgroup: Option<CgroupPart>,
}

/// Identity of another process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyPart {
    pub(crate) pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_ns: Option<u64>,
}

/// A program image.
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
    pub(crate) script: Option<ScriptPart>,
}

/// The script of a program image.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptPart {
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

/// An opened file, or the attempt.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenPart {
    pub(crate) path: Bytes,
    #[serde(default)]
    pub(crate) flags: OpenFlags,
    #[serde(default, skip_serializing_if = "OctalMode::is_zero")]
    pub(crate) mode: OctalMode<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retval: Option<i32>,
    #[serde(default, skip_serializing_if = "FilePart::is_empty")]
    pub(crate) file: FilePart,
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
    fn is_empty(&self) -> bool {
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

/// A key that is there, even when its value is `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}
