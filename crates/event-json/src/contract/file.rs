//! The file objects of the contract.

use event::{Layer, Open, PathState};
use serde::Serialize;

use super::{Ids, is_default};
use crate::constants::OpenFlags;
use crate::text::{Lossy, Time};

/// A file: an executable, or what an event happened to.
#[derive(Serialize)]
pub(crate) struct File<'a> {
    #[serde(skip_serializing_if = "Lossy::is_empty")]
    path: Lossy<'a>,
    #[serde(skip_serializing_if = "Lossy::is_empty")]
    name: Lossy<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_resolution_error: Option<&'static str>,
    #[serde(skip_serializing_if = "is_default")]
    inode: u64,
    #[serde(skip_serializing_if = "is_default")]
    mode: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_upper_layer: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    mount_id: u32,
    #[serde(skip_serializing_if = "Lossy::is_empty")]
    filesystem: Lossy<'a>,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<OpenFlags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modification_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<Destination>,
    #[serde(skip_serializing_if = "is_default")]
    device: u64,
}

/// The file as the call asked for it to be. The contract wants ids in every file, and no call gives them here.
#[derive(Serialize)]
struct Destination {
    #[serde(skip_serializing_if = "is_default")]
    mode: u32,
    uid: u32,
    gid: u32,
}

impl<'a> File<'a> {
    /// A file that is part of a process.
    pub(crate) fn of_process(file: &'a event::File, ids: Ids<'a>) -> Self {
        // Without an inode there is no owner: the zeros of a failed open are not root.
        let has_owner = file.inode != 0;
        Self {
            path: Lossy(file.path.as_bytes()),
            name: Lossy(file.name()),
            path_resolution_error: path_error(file.path_state),
            inode: file.inode,
            mode: file.mode,
            in_upper_layer: match file.layer {
                Layer::None => None,
                Layer::Lower => Some(false),
                Layer::Upper => Some(true),
            },
            mount_id: file.mount_id,
            filesystem: Lossy(file.filesystem.as_bytes()),
            uid: file.uid,
            gid: file.gid,
            user: if has_owner { ids.user(file.uid) } else { None },
            group: if has_owner { ids.group(file.gid) } else { None },
            flags: None,
            access_time: Time::known(file.access_ns),
            modification_time: Time::known(file.modification_ns),
            change_time: Time::known(file.change_ns),
            destination: None,
            device: 0,
        }
    }

    /// A file that is part of an ancestor: which it was, and not all that its inode says.
    pub(crate) fn of_ancestor(file: &'a event::File, ids: Ids<'a>) -> Self {
        Self {
            mode: 0,
            mount_id: 0,
            filesystem: Lossy(&[]),
            user: None,
            group: None,
            access_time: None,
            modification_time: None,
            change_time: None,
            ..Self::of_process(file, ids)
        }
    }

    pub(super) fn without_name(self) -> Self {
        Self { name: Lossy(&[]), ..self }
    }

    /// The file an event is about.
    pub(super) fn of_event(file: &'a event::File, ids: Ids<'a>) -> Self {
        Self { device: file.device, ..Self::of_process(file, ids) }
    }

    /// The file that was opened, and how.
    pub(super) fn of_open(open: &'a Open, ids: Ids<'a>) -> Self {
        let creates = open.flags & libc::O_CREAT.cast_unsigned() != 0;
        Self {
            flags: Some(OpenFlags(open.flags)),
            destination: creates.then_some(Destination { mode: open.mode, uid: 0, gid: 0 }),
            ..Self::of_event(&open.file, ids)
        }
    }
}

/// Why a path is not the whole truth, for people.
pub(super) fn path_error(state: PathState) -> Option<&'static str> {
    match state {
        PathState::Resolved => None,
        PathState::TruncatedParents => Some("truncated parents: the leading directories are missing"),
        PathState::Argument => Some("argument of the call: no file is left that could tell"),
        PathState::Unreadable => Some("the path could not be read"),
        PathState::Detached => Some(
            "detached: from the root of its file system, which is mounted nowhere in the mount namespace",
        ),
        PathState::NoPlace => {
            Some("no place in any tree: what the kernel calls it, with what its maker chose")
        }
    }
}
