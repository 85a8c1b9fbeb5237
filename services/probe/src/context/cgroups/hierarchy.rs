//! Where the control group hierarchies are mounted, and a bounded walk through one.
//!
//! The number of a directory in a cgroup file system is the id that the kernel uses for that control group (on 64-bit
//! machines the kernfs id is the inode number). Every hierarchy numbers for itself, so ids of a version 1 hierarchy
//! carry [`V1_BIT`] and the number of their hierarchy; the BPF side builds them the same way.

use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Set in the ids of control groups of a version 1 hierarchy.
pub const V1_BIT: u64 = 1 << 63;

/// Where the number of the hierarchy stands in the id of a version 1 control group.
const V1_NUMBER_SHIFT: u32 = 48;

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The kernel's number of the hierarchy; 0 is the unified one (version 2).
    pub number: u32,
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Which directory of the hierarchy is mounted there, `/` for all of it.
    pub root: String,
}

impl Hierarchy {
    fn id(&self, inode: u64) -> u64 {
        if self.number == 0 { inode } else { inode | V1_BIT | (u64::from(self.number) << V1_NUMBER_SHIFT) }
    }

    /// Visits every control group, outer before inner, at most `limit` of them. Groups that vanish meanwhile are
    /// skipped. Returns whether it saw all.
    pub fn walk(&self, limit: usize, visit: &mut dyn FnMut(u64, String)) -> bool {
        self.walk_below(Path::new(""), limit, visit)
    }

    /// As [`Self::walk`], for the control group `below` (relative to the mount) and everything in it.
    pub fn walk_below(&self, below: &Path, limit: usize, visit: &mut dyn FnMut(u64, String)) -> bool {
        let top = self.mount.join(below);
        let Ok(meta) = fs::metadata(&top) else { return true };
        let mut waiting = vec![(top, meta.ino())];
        let mut seen = 0;
        while let Some((directory, inode)) = waiting.pop() {
            if seen == limit {
                return false;
            }
            seen += 1;
            visit(self.id(inode), self.path_of(&directory));
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push((entry.path(), entry.ino()));
                }
            }
        }
        true
    }

    /// The path inside the hierarchy of a directory below the mount.
    fn path_of(&self, directory: &Path) -> String {
        let below = directory.strip_prefix(&self.mount).unwrap_or(Path::new(""));
        let root = self.root.trim_end_matches('/');
        match below.to_string_lossy() {
            below if below.is_empty() && root.is_empty() => "/".to_owned(),
            below if below.is_empty() => root.to_owned(),
            below => format!("{root}/{below}"),
        }
    }

    /// The directory that shows this path of the hierarchy, if the mount does.
    #[must_use]
    pub fn directory(&self, path: &str) -> Option<PathBuf> {
        self.relative(path).map(|below| self.mount.join(below))
    }

    /// The directory relative to the mount that holds this path of the hierarchy, if the mount shows it.
    #[must_use]
    pub fn relative(&self, path: &str) -> Option<PathBuf> {
        let below = path.strip_prefix(self.root.trim_end_matches('/'))?;
        let is_whole_segment = below.is_empty() || below.starts_with('/');
        is_whole_segment.then(|| PathBuf::from(below.trim_matches('/')))
    }
}

/// The hierarchies of this machine: the unified one, and on older or hybrid set-ups those of version 1.
///
/// `mountinfo` is `/proc/self/mountinfo`, `own_cgroups` is `/proc/self/cgroup`, which lists the number and the
/// controllers of every hierarchy.
#[must_use]
pub fn find(mountinfo: &str, own_cgroups: &str) -> Vec<Hierarchy> {
    let mut all: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((place, kind)) = line.split_once(" - ") else { continue };
        let mut place = place.split(' ').skip(3);
        let (Some(root), Some(mount)) = (place.next(), place.next()) else { continue };
        let mut kind = kind.split(' ');
        let (file_system, options) = (kind.next(), kind.nth(1).unwrap_or_default());
        let number = match file_system {
            Some("cgroup2") => Some(0),
            Some("cgroup") => v1_number(own_cgroups, options),
            _ => None,
        };
        let Some(number) = number else { continue };
        let found = Hierarchy { number, mount: PathBuf::from(unescape(mount)), root: absolute_root(root) };
        match all.iter_mut().find(|known| known.number == number) {
            // A mount of the whole hierarchy shows more than a mount of a part of it.
            Some(known) if known.root != "/" && found.root == "/" => *known = found,
            Some(_) => {}
            None => all.push(found),
        }
    }
    all.sort_by_key(|hierarchy| hierarchy.number);
    all
}

/// The number of the hierarchy that is mounted with these options (`rw,cpu,cpuacct`, `rw,name=systemd`). Lines of
/// `own_cgroups` are `number:controllers:path`.
fn v1_number(own_cgroups: &str, options: &str) -> Option<u32> {
    own_cgroups.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, _) = rest.split_once(':')?;
        let is_this =
            controllers.split(',').any(|name| !name.is_empty() && options.split(',').any(|o| o == name));
        if is_this { number.parse().ok() } else { None }
    })
}

/// Inside a cgroup namespace the root of a mount made outside of it shows as `/..`; it is the whole hierarchy.
fn absolute_root(root: &str) -> String {
    let root = unescape(root);
    let below = root.trim_start_matches("/..");
    if below.is_empty() { "/".to_owned() } else { below.to_owned() }
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime shared:4 - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const OWN: &str = "9:name=systemd:/\n8:pids:/\n1:cpu,cpuacct:/a:b\n0::/\n";

    #[test]
    fn a_hybrid_machine_has_its_version_1_hierarchies_too() {
        let found = find(HYBRID, OWN);
        let expect = [
            (0, "/sys/fs/cgroup/unified"),
            (1, "/sys/fs/cgroup/cpu"),
            (8, "/sys/fs/cgroup/pids"),
            (9, "/sys/fs/cgroup/systemd"),
        ];
        let got: Vec<_> = found.iter().map(|h| (h.number, h.mount.to_str().unwrap())).collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn a_unified_machine_has_one_and_a_machine_without_has_none() {
        let line = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(find(line, "").len(), 1);
        assert_eq!(find("", ""), []);
        assert_eq!(find("rubbish\n1 2 3 - cgroup2\n - \n", ""), []);
    }

    #[test]
    fn a_mount_of_the_whole_hierarchy_is_preferred() {
        let text = "41 31 0:38 /docker/abc /part rw - cgroup2 cgroup2 rw\n42 31 0:38 / /all rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find(text, "").first().unwrap().mount, Path::new("/all"));
    }

    #[test]
    fn a_mount_from_outside_the_cgroup_namespace_is_the_whole_hierarchy() {
        let text = "41 31 0:38 /../.. /host/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find(text, "").first().unwrap().root, "/");
    }

    #[test]
    fn the_walk_gives_the_number_of_every_directory_and_its_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/cgroup.procs"), "").unwrap();
        let hierarchy = Hierarchy { number: 8, mount: dir.path().to_owned(), root: "/base".to_owned() };
        let mut seen = Vec::new();
        assert!(hierarchy.walk(10, &mut |id, path| seen.push((id, path))));
        let inode = fs::metadata(dir.path().join("a/b")).unwrap().ino();
        assert_eq!(seen.last(), Some(&(inode | V1_BIT | (8 << 48), "/base/a/b".to_owned())));
        let paths: Vec<&str> = seen.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(paths, ["/base", "/base/a", "/base/a/b"]);
    }

    #[test]
    fn the_walk_stops_at_its_limit_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let hierarchy = Hierarchy { number: 0, mount: dir.path().to_owned(), root: "/".to_owned() };
        let mut seen = 0;
        assert!(!hierarchy.walk(2, &mut |_, _| seen += 1));
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_path_is_found_below_the_mount_only_by_whole_names() {
        let hierarchy = Hierarchy { number: 0, mount: "/m".into(), root: "/base".to_owned() };
        assert_eq!(hierarchy.relative("/base/a"), Some("a".into()));
        assert_eq!(hierarchy.relative("/base"), Some("".into()));
        assert_eq!(hierarchy.relative("/basement"), None);
        assert_eq!(hierarchy.relative("/other"), None);
    }
}
