//! The settled mark of one stream: every group up to it is settled.
//!
//! Groups settle out of order, because HIGH overtakes LOW; the mark moves in order. Invariant: a loss is told with
//! the first mark that covers its group, once, so that a sender that submits unsettled groups again counts it once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use wire::v1;

use crate::intake::group::Group;

/// The mark of one stream.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Groups that are settled without a gap.
    settled: u64,
    /// What the sender was told.
    told: u64,
    /// The groups after `settled`, in order.
    window: VecDeque<Slot>,
    /// Of groups up to `settled`, not told yet.
    lost: Vec<v1::GroupLoss>,
}

#[derive(Debug)]
enum Slot {
    Open(Weak<Group>),
    Settled(Vec<v1::GroupLoss>),
}

impl Mark {
    /// The number that the next group must have.
    pub(crate) fn next_number(&self) -> u64 {
        let state = self.state();
        state.settled + state.window.len() as u64 + 1
    }

    /// Adds the group with the next number.
    pub(crate) fn open(&self, group: &Arc<Group>) {
        self.state().window.push_back(Slot::Open(Arc::downgrade(group)));
    }

    /// The group with this number is settled.
    pub(crate) fn settle(&self, number: u64, lost: Vec<v1::GroupLoss>) {
        let mut state = self.state();
        let place = number.checked_sub(state.settled + 1).and_then(|place| usize::try_from(place).ok());
        if let Some(slot) = place.and_then(|place| state.window.get_mut(place)) {
            *slot = Slot::Settled(lost);
        }
        let before = state.settled;
        while let Some(Slot::Settled(lost)) = state.window.front_mut() {
            let mut lost = std::mem::take(lost);
            state.window.pop_front();
            state.settled += 1;
            state.lost.append(&mut lost);
        }
        if state.settled > before {
            drop(state);
            self.moved.notify_one();
        }
    }

    /// What the sender does not know yet, if the mark has moved.
    pub(crate) fn news(&self) -> Option<v1::Settled> {
        let mut state = self.state();
        if state.settled == state.told {
            return None;
        }
        state.told = state.settled;
        Some(v1::Settled { number: state.settled, lost: std::mem::take(&mut state.lost) })
    }

    /// Resolves after the mark has moved. May be cancelled.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// True when every group is settled and told.
    pub(crate) fn is_done(&self) -> bool {
        let state = self.state();
        state.window.is_empty() && state.told == state.settled
    }

    /// The groups that are not settled.
    pub(crate) fn unsettled(&self) -> Vec<Arc<Group>> {
        let open = |slot: &Slot| match slot {
            Slot::Open(group) => group.upgrade(),
            Slot::Settled(_) => None,
        };
        self.state().window.iter().filter_map(open).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
