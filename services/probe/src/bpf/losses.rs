//! What each cgroup lost in the kernel.

use std::cell::RefCell;

use aya::maps::{HashMap, Map, MapData};
use event::{Kind, LossCause, PerKind};
use event_abi::{cgroup_losses, event_kind, loss_cause};

use super::counters::KernelCounters;
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
    last: RefCell<(u64, Vec<CgroupLoss>)>,
}

impl Losses {
    pub(super) fn new(map: Map) -> Result<Self, SensorError> {
        let mut map: HashMap<MapData, u64, [u64; WORDS]> = map.try_into().map_err(LoadError::Map)?;
        map.insert(0, [0; WORDS], 0).map_err(LoadError::Map)?;
        Ok(Self { map, last: RefCell::default() })
    }

    /// All of them, sorted. What is lost while this reads may be missing until the next loss.
    pub(super) fn read(&self, totals: &KernelCounters) -> Vec<CgroupLoss> {
        let lost = totals.lost();
        let (known, last) = &mut *self.last.borrow_mut();
        if *known == lost {
            return last.clone();
        }
        let mut all: Vec<CgroupLoss> = Vec::new();
        for entry in self.map.iter() {
            match entry {
                Ok((cgroup, words)) => {
                    all.extend(causes(&words).map(|(cause, counts)| CgroupLoss { cgroup, cause, counts }))
                }
                // The rest is read again with the next look.
                Err(error) => {
                    tracing::debug!(%error, "the losses of the cgroups cannot be read");
                    return last.clone();
                }
            }
        }
        all.sort_unstable_by_key(|loss: &CgroupLoss| (loss.cgroup, loss.cause));
        // A loss is counted for its cgroup a moment after it is counted at all, so what is not there yet is looked for
        // again.
        let seen: u64 = all.iter().map(|loss| loss.counts.total()).sum();
        *known = if seen >= lost { lost } else { seen };
        *last = all;
        last.clone()
    }
}

/// The causes for which something was lost.
fn causes(words: &[u64; WORDS]) -> impl Iterator<Item = (LossCause, PerKind<u64>)> {
    const KINDS: usize = event_kind::EVENT_KINDS.0 as usize;
    let by_cause = words.chunks_exact(KINDS).map(|counts| {
        let mut per_kind = PerKind::default();
        for kind in Kind::ALL {
            *per_kind.get_mut(kind) = counts.get(kind as usize).copied().unwrap_or(0);
        }
        per_kind
    });
    let causes = (0..).map(|number| match loss_cause(number) {
        loss_cause::LOSS_KERNEL_BUSY => LossCause::KernelBusy,
        loss_cause::LOSS_RING_SHARE => LossCause::RingShare,
        _ => LossCause::RingFull,
    });
    let pairs: Vec<_> = causes.zip(by_cause).filter(|(_, counts)| counts.total() > 0).collect();
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
}
