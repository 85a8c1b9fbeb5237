//! Which cgroups are watched: the map that the programs ask, and the v1 hierarchies that carry containers.

use aya::maps::{Array, HashMap, Map, MapData, MapError};
use event::Kind;
use event_abi::{cgroup_decision, limits, scope_decision};
use zerocopy::IntoBytes as _;

use super::error::{LoadError, SensorError};

/// The v1 controllers whose cgroup stands for a task that is in the root of cgroup v2, in order of preference. The
/// order is that of `ebpf/scope.h`: bit n of the mask is the n-th name.
const V1_CONTROLLERS: [&str; 6] = ["pids", "memory", "cpu", "devices", "cpuset", "freezer"];

/// A cgroup v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Number in `/proc/cgroups` and `/proc/<pid>/cgroup`.
    pub id: u32,
    /// Its controller that Shrike looks at.
    pub controller: &'static str,
}

/// The v1 hierarchies that decide for tasks in the root of cgroup v2, the first with a cgroup other than its root
/// decides. Empty on a host with cgroup v2 only.
#[must_use]
pub fn v1_hierarchies() -> Vec<Hierarchy> {
    parse_hierarchies(&std::fs::read_to_string("/proc/cgroups").unwrap_or_default())
}

fn parse_hierarchies(table: &str) -> Vec<Hierarchy> {
    let id_of = |controller: &str| {
        let mut columns =
            table.lines().map(str::split_whitespace).find(|row| row.clone().next() == Some(controller))?;
        columns.nth(1)?.parse::<u32>().ok().filter(|id| *id != 0)
    };
    V1_CONTROLLERS
        .into_iter()
        .filter_map(|controller| Some(Hierarchy { id: id_of(controller)?, controller }))
        .collect()
}

/// The same as a mask for the programs.
pub(super) fn v1_mask() -> u32 {
    let hierarchies = v1_hierarchies();
    (0..)
        .zip(V1_CONTROLLERS)
        .filter(|(_, name)| hierarchies.iter().any(|hierarchy| hierarchy.controller == *name))
        .fold(0, |mask, (bit, _)| mask | (1 << bit))
}

/// Cgroups that are known, here and in the kernel.
pub const MAX_CGROUPS: usize = limits::MAX_CGROUPS.0 as usize;

const DECISION_BYTES: usize = size_of::<cgroup_decision>();

/// What is to be done about a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing of it is reported.
    Ignore,
    /// Everything is.
    Watch,
    /// Only these kinds are.
    WatchOnly(Kinds),
}

/// Some kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u64);

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |mask, kind| mask | bit(kind)))
    }
}

impl Kinds {
    /// As the programs see them: records that are not events have the place 0 and are never masked.
    fn mask(self) -> u64 {
        self.0 | 1
    }
}

fn bit(kind: Kind) -> u64 {
    1 << (kind as u32)
}

impl Decision {
    fn in_kernel(self) -> cgroup_decision {
        let (scope, kinds) = match self {
            Self::Ignore => (scope_decision::SCOPE_IGNORE, 0),
            Self::Watch => (scope_decision::SCOPE_WATCH, u64::MAX),
            Self::WatchOnly(kinds) => (scope_decision::SCOPE_WATCH, kinds.mask()),
        };
        cgroup_decision { kinds, scope: scope.0, pad: 0, reserved: [0; 2] }
    }

    /// What the cache says of it: nothing about a decision that is not the same for all kinds.
    fn in_cache(self, cgroup: u64) -> u64 {
        match self {
            Self::Ignore => entry(cgroup, false),
            Self::Watch => entry(cgroup, true),
            Self::WatchOnly(_) => 0,
        }
    }
}

/// The decisions, in the kernel.
pub(super) struct Decisions {
    /// Cgroup id to decision.
    map: HashMap<MapData, u64, [u8; DECISION_BYTES]>,
    /// The last decision per slot, so that most programs need not search the map.
    cache: Array<MapData, u64>,
    /// Decisions that the map refused.
    pub(super) refused: u64,
}

impl Decisions {
    pub(super) fn new(map: Map, cache: Map) -> Result<Self, SensorError> {
        Ok(Self {
            map: map.try_into().map_err(LoadError::Map)?,
            cache: cache.try_into().map_err(LoadError::Map)?,
            refused: 0,
        })
    }

    pub(super) fn decide(&mut self, cgroup: u64, decision: Decision) -> Result<(), SensorError> {
        let mut bytes = [0; DECISION_BYTES];
        bytes.copy_from_slice(decision.in_kernel().as_bytes());
        let written = self.map.insert(cgroup, bytes, 0).and_then(|()| match decision.in_cache(cgroup) {
            0 => self.forget_cached(cgroup),
            entry => self.cache.set(slot(cgroup), entry, 0),
        });
        written.map_err(|source| {
            self.refused += 1;
            SensorError::Scope { cgroup, source }
        })
    }

    pub(super) fn forget(&mut self, cgroup: u64) {
        // The kernel side forgets a removed cgroup by itself, so that "not there" is a good answer.
        drop(self.map.remove(&cgroup));
        drop(self.forget_cached(cgroup));
    }

    fn forget_cached(&mut self, cgroup: u64) -> Result<(), MapError> {
        let is_cached = |entry: u64| entry >> 1 == cgroup & (u64::MAX >> 1);
        if self.cache.get(&slot(cgroup), 0).is_ok_and(is_cached) {
            self.cache.set(slot(cgroup), 0, 0)?;
        }
        Ok(())
    }
}

/// Position in the cache; the same in `ebpf/scope.h`.
fn slot(cgroup: u64) -> u32 {
    let mask = u64::from(limits::SCOPE_CACHE_SLOTS.0) - 1;
    u32::try_from((cgroup ^ (cgroup >> 48)) & mask).unwrap_or(0)
}

/// Id and decision in one word, because the programs read it without a lock. The bit that falls out marks ids of v1
/// hierarchies, whose number is never 0 and therefore tells the same.
fn entry(cgroup: u64, watch: bool) -> u64 {
    (cgroup << 1) | u64::from(watch)
}

#[cfg(test)]
impl Decisions {
    /// Takes all the room, and says how much that was in all.
    pub(super) fn fill(&mut self) -> usize {
        for cgroup in (1_u64..).map(|n| u64::MAX - n) {
            if self.map.insert(cgroup, [0; DECISION_BYTES], 0).is_err() {
                break;
            }
        }
        self.map.keys().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_controllers_in_a_v1_hierarchy_count_in_order_of_preference() {
        let table = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\nmemory\t4\t2\t1\npids\t8\t1\t1\n\
                     io\t0\t9\t1\n";
        let found: Vec<_> = parse_hierarchies(table).into_iter().map(|h| (h.controller, h.id)).collect();
        assert_eq!(found, [("pids", 8), ("memory", 4), ("cpuset", 3)]);
    }

    #[test]
    fn entries_of_different_cgroups_differ() {
        let v1 = event_abi::v1_cgroup_id(8, 77);
        assert_ne!(entry(77, true), entry(v1, true));
        assert_ne!(entry(77, true), entry(77, false));
    }

    #[test]
    fn records_that_are_not_events_are_never_masked() {
        let decision = Decision::WatchOnly([Kind::Exit].into_iter().collect()).in_kernel();
        let is_reported = |number: u32| decision.kinds >> number & 1 == 1;
        assert!(is_reported(0), "their place in the mask");
        let seen: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| is_reported(*kind as u32)).collect();
        assert_eq!(seen, [Kind::Exit]);
    }
}
