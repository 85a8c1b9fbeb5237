//! Control groups and what runs in them: from a kernel id to a [`Cgroup`].
//!
//! Filled once by walking the mounted hierarchies, then kept by the records of control groups made and removed, so
//! that an event needs one look-up and no file. Invariant: at most `limit` control groups are held, and looking for
//! an unknown one on disk happens at most once per `SCAN_PAUSE_NS`. All control groups of one container have the
//! same time of creation, in whichever hierarchy and however deep they are.

mod age;
mod hierarchy;
mod parse;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use event::{Cgroup, Text};
use foldhash::fast::RandomState;

use age::Ages;
pub use hierarchy::{Hierarchy, V1_BIT, find};
pub use parse::workload;

/// Pause between two scans for unknown control groups. Finding 10 000 directories costs some 20 ms.
const SCAN_PAUSE_NS: u64 = 1_000_000_000;

/// A removed control group is remembered this long, because events of its last processes may still be on the way.
const REMEMBER_NS: u64 = 5_000_000_000;

/// Every control group that is known.
#[derive(Debug)]
pub struct Workloads {
    hierarchies: Vec<Hierarchy>,
    known: HashMap<u64, Arc<Cgroup>, RandomState>,
    ages: Ages,
    /// Removed ones with the time to forget them, oldest first.
    removed: VecDeque<(u64, u64)>,
    limit: usize,
    wall_offset_ns: i64,
    next_scan_ns: u64,
    /// Control groups that were not remembered because `limit` was reached.
    pub refused: u64,
    /// Scans for control groups that no record had told of.
    pub scans: u64,
}

impl Workloads {
    /// Knows nothing yet. `wall_offset_ns` turns boot-time into the time since the epoch.
    #[must_use]
    pub fn new(hierarchies: Vec<Hierarchy>, limit: usize, wall_offset_ns: i64) -> Self {
        Self {
            hierarchies,
            known: HashMap::default(),
            ages: Ages::default(),
            removed: VecDeque::new(),
            limit,
            wall_offset_ns,
            next_scan_ns: 0,
            refused: 0,
            scans: 0,
        }
    }

    /// Number of control groups known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True when none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Walks the mounted hierarchies and returns the control groups that were not known before.
    ///
    /// Nobody saw them made, and the kernel does not keep when they were: a container of them is taken to be as old as
    /// its oldest process. `oldest` gives the start of that of each control group by the boot clock, by id; it is asked once,
    /// and only when there is a new container.
    pub fn scan(&mut self, oldest: impl FnOnce() -> HashMap<u64, u64>) -> Vec<Arc<Cgroup>> {
        let mut found = Vec::new();
        for hierarchy in &self.hierarchies {
            hierarchy.walk(self.limit, &mut |id, path| found.push((id, path)));
        }
        self.scans += 1;
        found.retain(|(id, _)| !self.known.contains_key(id));
        let is_new = |container: &Arc<str>| self.ages.get(container).is_none();
        let container = |path: &str| workload(path).container_id().filter(|id| is_new(id)).cloned();
        let new: Vec<_> = found.iter().filter_map(|(id, path)| Some((*id, container(path)?))).collect();
        let started = if new.is_empty() { HashMap::new() } else { oldest() };
        let mut created: HashMap<Arc<str>, i64> = HashMap::new();
        for (id, container) in new {
            let Some(started) = started.get(&id) else { continue };
            let started = self.wall_clock(*started);
            created.entry(container).and_modify(|known| *known = started.min(*known)).or_insert(started);
        }
        let created = |path: &str| {
            workload(path).container_id().and_then(|container| created.get(container)).copied().unwrap_or(0)
        };
        found.into_iter().filter_map(|(id, path)| self.remember(id, &path, created(&path))).collect()
    }

    /// A control group was made. `None` when it belongs to a hierarchy that is not used.
    pub fn made(&mut self, id: u64, hierarchy: u32, path: &Text, boot_ns: u64) -> Option<Arc<Cgroup>> {
        if !self.uses(hierarchy) {
            return None;
        }
        self.remember(id, &path.to_lossy(), self.wall_clock(boot_ns))
    }

    /// A control group was removed; it is forgotten a little later.
    pub fn gone(&mut self, id: u64, hierarchy: u32, now_ns: u64) {
        if self.uses(hierarchy) && self.known.contains_key(&id) {
            self.removed.push_back((now_ns.saturating_add(REMEMBER_NS), id));
        }
    }

    /// Forgets the control groups whose time has come, and returns their ids.
    pub fn forget(&mut self, now_ns: u64) -> Vec<u64> {
        let mut forgotten = Vec::new();
        while let Some((when, id)) = self.removed.front().copied() {
            if when > now_ns {
                break;
            }
            self.removed.pop_front();
            if let Some(cgroup) = self.known.remove(&id) {
                self.ages.release(&cgroup);
            }
            forgotten.push(id);
        }
        forgotten
    }

    /// The control group with this id, if it is known.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Arc<Cgroup>> {
        self.known.get(&id)
    }

    /// True when the next look for unknown control groups on disk is allowed, and takes that permission.
    pub fn may_scan(&mut self, now_ns: u64) -> bool {
        let allowed = now_ns >= self.next_scan_ns;
        if allowed {
            self.next_scan_ns = now_ns.saturating_add(SCAN_PAUSE_NS);
        }
        allowed
    }

    /// The ids of the control group `path` and of all below it, itself first, in every hierarchy that has it.
    #[must_use]
    pub fn subtree(&self, path: &str) -> Vec<u64> {
        let mut ids = Vec::new();
        for hierarchy in &self.hierarchies {
            if let Some(below) = hierarchy.relative(path) {
                hierarchy.walk_below(&below, self.limit, &mut |id, _| ids.push(id));
            }
        }
        ids
    }

    /// Where control groups are looked for, for messages.
    pub fn mounts(&self) -> impl Iterator<Item = &Path> {
        self.hierarchies.iter().map(|hierarchy| hierarchy.mount.as_path())
    }

    /// Boot time as time since the epoch.
    fn wall_clock(&self, boot_ns: u64) -> i64 {
        i64::try_from(boot_ns).unwrap_or(i64::MAX).saturating_add(self.wall_offset_ns)
    }

    fn uses(&self, number: u32) -> bool {
        self.hierarchies.iter().any(|hierarchy| hierarchy.number == number)
    }

    fn remember(&mut self, id: u64, path: &str, created_ns: i64) -> Option<Arc<Cgroup>> {
        if self.known.len() >= self.limit && !self.known.contains_key(&id) {
            self.refused += 1;
            return None;
        }
        let mut cgroup = Cgroup { id, path: Text::from(path), workload: workload(path), created_ns };
        self.ages.hold(&mut cgroup);
        let cgroup = Arc::new(cgroup);
        if let Some(replaced) = self.known.insert(id, Arc::clone(&cgroup)) {
            self.ages.release(&replaced);
        }
        Some(cgroup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";

    fn unified(mount: &Path) -> Hierarchy {
        Hierarchy { number: 0, mount: mount.to_owned(), root: "/".to_owned() }
    }

    #[test]
    fn a_made_group_is_known_with_its_workload_and_time() {
        let mut workloads = Workloads::new(vec![unified(Path::new("/nowhere"))], 10, 1_000);
        let path = Text::from(format!("/docker/{ID}"));
        let cgroup = workloads.made(7, 0, &path, 5).unwrap();
        assert_eq!(cgroup.created_ns, 1_005);
        assert_eq!(cgroup.workload.container_id().map(|id| &**id), Some(ID));
        assert!(workloads.made(8, 3, &path, 5).is_none(), "hierarchy 3 is not used");
    }

    #[test]
    fn a_removed_group_is_still_known_for_a_while() {
        let mut workloads = Workloads::new(vec![unified(Path::new("/nowhere"))], 10, 0);
        workloads.made(7, 0, &Text::from("/a"), 0);
        workloads.gone(7, 0, 100);
        assert_eq!(workloads.forget(100 + REMEMBER_NS - 1), [] as [u64; 0]);
        assert!(workloads.get(7).is_some());
        assert_eq!(workloads.forget(100 + REMEMBER_NS), [7]);
        assert!(workloads.get(7).is_none());
    }

    #[test]
    fn the_limit_holds_and_what_it_refuses_is_counted() {
        let mut workloads = Workloads::new(vec![unified(Path::new("/nowhere"))], 1, 0);
        assert!(workloads.made(1, 0, &Text::from("/a"), 0).is_some());
        assert!(workloads.made(2, 0, &Text::from("/b"), 0).is_none());
        assert_eq!((workloads.len(), workloads.refused), (1, 1));
    }

    #[test]
    fn a_scan_finds_what_is_new_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("docker").join(ID)).unwrap();
        let mut workloads = Workloads::new(vec![unified(dir.path())], 100, 0);
        let found = workloads.scan(HashMap::new);
        assert_eq!(found.len(), 3);
        assert_eq!(workloads.scan(HashMap::new).len(), 0);
        assert_eq!(workloads.subtree("/docker").len(), 2);
        assert_eq!(workloads.subtree("/dock"), [] as [u64; 0]);
    }

    #[test]
    fn a_container_that_was_not_seen_made_is_as_old_as_its_oldest_process() {
        use std::os::unix::fs::MetadataExt;

        let dir = tempfile::tempdir().unwrap();
        let other = ID.replace('4', "5");
        let group = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::metadata(path).unwrap().ino()
        };
        let [own, below, service, without] = [
            format!("docker/{ID}"),
            format!("docker/{ID}/init.scope"),
            "system.slice/a.service".to_owned(),
            format!("docker/{other}"),
        ]
        .map(|path| group(&path));
        let mut workloads = Workloads::new(vec![unified(dir.path())], 100, 1_000);
        let created = |found: &[Arc<Cgroup>], id: &str| {
            let of =
                found.iter().filter(|cgroup| cgroup.workload.container_id().is_some_and(|own| **own == *id));
            of.map(|cgroup| cgroup.created_ns).collect::<Vec<_>>()
        };
        let found = workloads.scan(|| HashMap::from([(own, 900), (below, 700), (service, 100)]));
        assert_eq!(created(&found, ID), [1_700; 2]);
        assert_eq!(created(&found, &other), [0], "{without}: without a process nothing tells");
        assert!(
            found.iter().all(|cgroup| cgroup.workload.container_id().is_some() || cgroup.created_ns == 0)
        );

        // What the same containers make later has their time, and not its own.
        let made = |workloads: &mut Workloads, id: &str| {
            workloads.made(1 << 40, 0, &Text::from(format!("/docker/{id}/below")), 99).unwrap().created_ns
        };
        assert_eq!(made(&mut workloads, ID), 1_700);
        assert_eq!(made(&mut workloads, &other), 0);
        // Another one, while the first is known.
        let third = ID.replace('4', "6");
        let id = group(&format!("docker/{third}"));
        assert_eq!(created(&workloads.scan(|| HashMap::from([(id, 5)])), &third), [1_005]);
        workloads.scan(|| panic!("nothing is new"));
    }

    #[test]
    fn all_groups_of_a_container_have_one_time_until_the_last_is_forgotten() {
        let mut workloads = Workloads::new(vec![unified(Path::new("/nowhere"))], 10, 1_000);
        let path = Text::from(format!("/docker/{ID}"));
        let made = |workloads: &mut Workloads, id, at| workloads.made(id, 0, &path, at).unwrap().created_ns;
        assert_eq!(made(&mut workloads, 1, 5), 1_005);
        assert_eq!(made(&mut workloads, 2, 9), 1_005);
        workloads.gone(1, 0, 0);
        workloads.forget(REMEMBER_NS);
        assert_eq!(made(&mut workloads, 3, 20), 1_005);
        assert_eq!(made(&mut workloads, 3, 21), 1_005, "the same id again");
        for id in [2, 3] {
            workloads.gone(id, 0, 0);
        }
        workloads.forget(REMEMBER_NS);
        assert_eq!(made(&mut workloads, 4, 30), 1_030, "nothing of it was known any more");
    }

    #[test]
    fn scans_for_unknown_groups_are_rare() {
        let mut workloads = Workloads::new(Vec::new(), 1, 0);
        assert!(workloads.may_scan(10));
        assert!(!workloads.may_scan(11));
        assert!(workloads.may_scan(10 + SCAN_PAUSE_NS));
    }
}
