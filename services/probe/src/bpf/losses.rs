//! What each cgroup lost in the kernel.

use std::cell::RefCell;

use aya::maps::{HashMap, Map, MapData};
use event::{LossCause, PerKind};
use event_abi::{cgroup_losses, event_kind};

use super::counters::{KERNEL_CAUSES, KernelCounters, per_kind};
use super::error::{LoadError, SensorError};

const WORDS: usize = size_of::<cgroup_losses>() / size_of::<u64>();

/// What one cgroup lost for one cause since the programs were loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupLoss {
    /// Its id; 0 stands for those the map has no room for.
    pub cgroup: u64,
    /// Why.
    pub cause: LossCause,
    /// How many.
    pub counts: PerKind<u64>,
}

/// The map is read only when something was lost since it was read the last time.
pub(super) struct Losses {
    map: HashMap<MapData, u64, [u64; WORDS]>,
    last: RefCell<Last>,
}

/// What was read.
#[derive(Default)]
struct Last {
    /// How much was lost in all.
    lost: u64,
    found: Vec<CgroupLoss>,
    /// What cgroups lost that were forgotten since; told once more.
    forgotten: Vec<CgroupLoss>,
    /// How much of `lost` the map no longer holds.
    removed: u64,
}

impl Losses {
    pub(super) fn new(map: Map) -> Result<Self, SensorError> {
        let mut map: HashMap<MapData, u64, [u64; WORDS]> = map.try_into().map_err(LoadError::Map)?;
        map.insert(0, [0; WORDS], 0).map_err(LoadError::Map)?;
        Ok(Self { map, last: RefCell::default() })
    }

    /// All of them, sorted. What is lost while this reads may be missing until the next loss.
    pub(super) fn read(&self, totals: &KernelCounters) -> Vec<CgroupLoss> {
        let lost = totals.lost.by_kind().total();
        let last = &mut *self.last.borrow_mut();
        if last.lost != lost {
            last.read(&self.map, lost);
        }
        let mut all = std::mem::take(&mut last.forgotten);
        all.extend(&last.found);
        all.sort_unstable_by_key(|loss| (loss.cgroup, loss.cause));
        all
    }

    /// Makes room: the cgroup is gone, so nothing more is lost there. What it lost is told with the next look, and not
    /// after that.
    ///
    /// Nothing is counted between the look and the removal: a task passes its last hook before it leaves its cgroup
    /// (`trace_sched_process_exit` before `cgroup_exit` in `do_exit`, kernel/exit.c of Linux 6.1 and 6.12), and a cgroup
    /// can be removed only when all have left.
    pub(super) fn forget(&mut self, cgroup: u64) {
        // Most cgroups never lost anything.
        let Ok(words) = self.map.get(&cgroup, 0) else { return };
        if cgroup == 0 || self.map.remove(&cgroup).is_err() {
            return;
        }
        let last = self.last.get_mut();
        last.found.retain(|loss| loss.cgroup != cgroup);
        for (cause, counts) in causes(&words) {
            last.removed += counts.total();
            last.forgotten.push(CgroupLoss { cgroup, cause, counts });
        }
    }
}

impl Last {
    fn read(&mut self, map: &HashMap<MapData, u64, [u64; WORDS]>, lost: u64) {
        let mut found: Vec<CgroupLoss> = Vec::new();
        for entry in map.iter() {
            match entry {
                Ok((cgroup, words)) => {
                    found.extend(causes(&words).map(|(cause, counts)| CgroupLoss { cgroup, cause, counts }));
                }
                // The rest is read again with the next look.
                Err(error) => {
                    tracing::debug!(%error, "the losses of the cgroups cannot be read");
                    return;
                }
            }
        }
        // A loss is counted for its cgroup a moment after it is counted at all, so what is not there yet is looked for
        // again.
        let seen = self.removed + found.iter().map(|loss| loss.counts.total()).sum::<u64>();
        self.lost = lost.min(seen);
        self.found = found;
    }
}

/// The causes for which something was lost.
fn causes(words: &[u64; WORDS]) -> impl Iterator<Item = (LossCause, PerKind<u64>)> {
    const KINDS: usize = event_kind::EVENT_KINDS.0 as usize;
    let by_cause = words.chunks_exact(KINDS).map(per_kind);
    let pairs: Vec<_> =
        KERNEL_CAUSES.into_iter().zip(by_cause).filter(|(_, counts)| counts.total() > 0).collect();
    pairs.into_iter()
}

#[cfg(test)]
impl Losses {
    /// Takes all the room.
    pub(super) fn fill(&mut self) {
        for cgroup in (1_u64..).map(|n| u64::MAX - n) {
            if self.map.insert(cgroup, [0; WORDS], 0).is_err() {
                return;
            }
        }
    }

    pub(super) fn has(&self, cgroup: u64) -> bool {
        self.map.get(&cgroup, 0).is_ok()
    }
}
