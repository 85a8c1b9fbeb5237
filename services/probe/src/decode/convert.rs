//! Single values of a record as the domain has them.

use event::{
    Cgroup, Credentials, ExitStatus, File, Kind, Layer, Namespaces, PathState, ProcessKey, Task, Text,
};
use event_abi::{FileParts, event_header, file_flag, task_context};
use std::sync::Arc;
use zerocopy::FromBytes as _;

use super::DecodeError;

/// The kind of event that these bytes claim to be.
pub(super) fn kind_of(raw: &[u8]) -> Option<Kind> {
    let (header, _) = event_header::read_from_prefix(raw).ok()?;
    Kind::from_number(header.kind)
}

/// Text up to the first zero byte.
pub(super) fn text(bytes: &[u8]) -> Text {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().into()
}

/// The status of wait(2): signal in the lowest seven bits, core dump in the eighth, exit code above.
pub(super) fn exit_status(code: i32) -> ExitStatus {
    let [low, high, ..] = code.to_le_bytes();
    match (low & 0x7f, low & 0x80 != 0) {
        (0, _) => ExitStatus::Exited(high),
        (signal, false) => ExitStatus::Signaled(signal),
        (signal, true) => ExitStatus::CoreDumped(signal),
    }
}

/// The task, in a cgroup of which only the id is known here.
pub(super) fn task(context: &task_context, cgroup: Arc<Cgroup>) -> Task {
    Task {
        process: ProcessKey { start_ns: context.start_ns, tgid: context.tgid },
        tid: context.tid,
        ppid: context.ppid,
        comm: text(&context.comm),
        credentials: Credentials {
            uid: context.uid,
            gid: context.gid,
            euid: context.euid,
            egid: context.egid,
            fsuid: context.fsuid,
            fsgid: context.fsgid,
            cap_effective: context.cap_effective,
            cap_permitted: context.cap_permitted,
        },
        cgroup,
        namespaces: Namespaces {
            mount: context.mnt_ns,
            pid: context.pid_ns,
            network: context.net_ns,
            user: context.user_ns,
        },
    }
}

/// The file with its path; `path` is memory to build it in.
pub(super) fn file(parts: FileParts<'_>, kind: Kind, path: &mut Vec<u8>) -> Result<File, DecodeError> {
    let info = parts.info;
    let mut path_state =
        PathState::from_u8(info.path_state).ok_or(DecodeError::PathState(info.path_state, kind))?;
    let is_rooted = !parts.has(file_flag::FILE_NO_ROOT) && path_state != PathState::TruncatedParents;
    if path_state == PathState::Unreadable {
        path.clear();
    } else if path_state == PathState::NoPlace {
        path.clear();
        path.extend_from_slice(parts.path.strip_suffix(b"/").unwrap_or(parts.path));
    } else {
        event_abi::join(path, parts.path, parts.argument, is_rooted);
    }
    let filesystem = text(&info.filesystem);
    let name = filesystem.as_bytes();
    // This has no tree at all, so no directory is missing, whatever the kernel calls its objects.
    let is_treeless = name == b"pidfs" && parts.has(file_flag::FILE_NO_ROOT);
    let has_no_name = path.is_empty() && (path_state == PathState::NoPlace || is_treeless);
    if has_no_name {
        path.extend_from_slice(name.strip_suffix(b"fs").unwrap_or(name));
    }
    if has_no_name || name == b"nsfs" && path_state == PathState::NoPlace {
        // As /proc/<pid>/fd shows it: pipe:[4711], mnt:[4026531841].
        path_state = PathState::NoPlace;
        path.extend_from_slice(format!(":[{}]", info.inode).as_bytes());
    }
    Ok(File {
        path: path.as_slice().into(),
        path_state,
        inode: info.inode,
        generation: info.generation,
        mount_id: info.mount_id,
        device: event_abi::stat_device(info.device),
        mode: info.mode,
        nlink: info.nlink,
        uid: info.uid,
        gid: info.gid,
        filesystem,
        layer: layer(parts),
        access_ns: info.access_ns,
        modification_ns: info.modification_ns,
        change_ns: info.change_ns,
    })
}

fn layer(parts: FileParts<'_>) -> Layer {
    if parts.has(file_flag::FILE_UPPER) {
        Layer::Upper
    } else if parts.has(file_flag::FILE_LOWER) {
        Layer::Lower
    } else {
        Layer::None
    }
}
