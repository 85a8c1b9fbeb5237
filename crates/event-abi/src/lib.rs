//! Kernel records: the Rust mirror of `ebpf/include/probe/events.h`, and their checked decoding.
//!
//! Bytes in, typed references out; nothing is copied and nothing is trusted. It knows neither the domain nor aya, so
//! that it can be fuzzed alone. Invariant: every slice handed out lies inside the record it came from.

#[expect(
    missing_docs,
    non_camel_case_types,
    clippy::identity_op,
    clippy::indexing_slicing,
    reason = "generated: the names and their documentation are those of events.h"
)]
mod generated;
mod path;
mod record;

pub use generated::*;
pub use path::join;
pub use record::{AbiError, FileParts, Reader, Record, decode};

/// Bit that marks the id of a cgroup of a v1 hierarchy.
pub const CGROUP_V1: u64 = 1 << 63;

/// The id that records carry for a cgroup of a v1 hierarchy: v1 hierarchies number their cgroups independently.
///
/// `hierarchy` is the first column of `/proc/self/cgroup`, `inode` that of the cgroup's directory.
#[must_use]
pub const fn v1_cgroup_id(hierarchy: u32, inode: u64) -> u64 {
    CGROUP_V1 | ((hierarchy as u64 & 0x7fff) << 48) | (inode & 0xffff_ffff_ffff)
}

/// The hierarchy a cgroup id belongs to: 0 for cgroup v2, else the first column of `/proc/self/cgroup`.
#[must_use]
pub const fn cgroup_hierarchy(id: u64) -> u32 {
    if id & CGROUP_V1 == 0 { 0 } else { (id >> 48) as u32 & 0x7fff }
}

/// The inode number of the cgroup's directory in its hierarchy.
#[must_use]
pub const fn cgroup_inode(id: u64) -> u64 {
    if id & CGROUP_V1 == 0 { id } else { id & 0xffff_ffff_ffff }
}

/// The number a process gets from `stat.st_dev` for the kernel's `dev_t`.
#[must_use]
pub const fn stat_device(kernel_device: u32) -> u64 {
    let (major, minor) = ((kernel_device >> 20) as u64, (kernel_device & 0xf_ffff) as u64);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v1_cgroup_id_gives_back_its_hierarchy_and_inode() {
        let id = v1_cgroup_id(8, 4711);
        assert_eq!((cgroup_hierarchy(id), cgroup_inode(id)), (8, 4711));
        assert_eq!((cgroup_hierarchy(4711), cgroup_inode(4711)), (0, 4711));
    }

    #[test]
    fn a_device_is_encoded_as_stat_reports_it() {
        assert_eq!(stat_device((8 << 20) | 1), 0x801);
        assert_eq!(stat_device((259 << 20) | 300), (259 << 8) | 44 | (256 << 12));
    }
}
