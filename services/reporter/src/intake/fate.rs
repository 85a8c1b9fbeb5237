//! Who has which payload of one group. Pure; the lock around it is the group's.
//!
//! Invariants: an output resolves a payload once; a group settles once, when every reliable output has resolved all
//! of it, has it in its spool or has left the mark; what no reliable output has then is lost, with one cause; an output
//! whose spool is about to take the group is waited for, whether it has left or not.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::metrics::DropCause;

/// A set of payloads of one group, by their place in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Places {
    /// None of them.
    #[default]
    None,
    /// All of them: the usual case costs no memory.
    All,
    /// A bit for each.
    Some(Vec<u64>),
}

impl Places {
    pub(crate) fn contains(&self, place: u32) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(words) => {
                words.get((place / 64) as usize).is_some_and(|word| word & (1 << (place % 64)) != 0)
            }
        }
    }

    /// Adds places of a group of `n`.
    pub(crate) fn insert(&mut self, range: Range<u32>, n: u32) {
        if range.start == 0 && range.end >= n {
            *self = Self::All;
        }
        if matches!(self, Self::None) {
            *self = Self::Some(vec![0; (n as usize).div_ceil(64)]);
        }
        let Self::Some(words) = self else { return };
        for place in range {
            if let Some(word) = words.get_mut((place / 64) as usize) {
                *word |= 1 << (place % 64);
            }
        }
    }
}

/// Whether the spool of an output has the group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kept {
    /// It has not, or there is none.
    #[default]
    No,
    /// It was asked to, and has not answered.
    Asked,
    /// It has, durably.
    Yes,
}

/// One output's part in a group.
#[derive(Debug, Clone, Default)]
struct Holder {
    is_reliable: bool,
    /// Delivered or given up.
    resolved: Places,
    /// Payloads that are not.
    open: u32,
    /// The group settled without this output: what nobody had then was counted as lost here.
    is_written_off: bool,
    kept: Kept,
    /// Number of its record in the spool.
    record: Option<u64>,
}

/// What a call of [`Fate::resolve`] changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The output has nothing more to do with this group.
    pub(crate) is_finished: bool,
    /// Places of the range that must not be counted again: unfit, resolved before, or written off.
    pub(crate) counted_before: Vec<u32>,
    /// How many of them were written off.
    pub(crate) written_off: u32,
    /// How many of the range the spool had, and the output need not deliver again.
    pub(crate) unspooled: u32,
}

/// How a group settled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// What no reliable output has.
    pub(crate) lost: Vec<(u32, DropCause)>,
    /// What each output that left the mark must count as lost for it.
    pub(crate) written_off: Vec<(usize, Vec<u32>)>,
}

/// The fate of the payloads of one group.
#[derive(Debug)]
pub(crate) struct Fate {
    n: u32,
    holders: Vec<Holder>,
    /// What at least one reliable output has.
    had: Places,
    /// Why a payload was given up first.
    given_up: BTreeMap<u32, DropCause>,
    is_settled: bool,
}

impl Fate {
    /// Of `n` payloads and an output for each of `reliable`; no output gets to see the unfit.
    pub(crate) fn new(n: u32, reliable: impl IntoIterator<Item = bool>, unfit: &[(u32, DropCause)]) -> Self {
        let mut resolved = Places::None;
        for (place, _) in unfit {
            resolved.insert(*place..place + 1, n);
        }
        let open = n.saturating_sub(u32::try_from(unfit.len()).unwrap_or(u32::MAX));
        let holder =
            |is_reliable| Holder { is_reliable, resolved: resolved.clone(), open, ..Holder::default() };
        Self {
            n,
            holders: reliable.into_iter().map(holder).collect(),
            had: Places::None,
            given_up: unfit.iter().copied().collect(),
            is_settled: false,
        }
    }

    /// Of a group that `output` has in its spool, in the record with this number, and that nobody waits for.
    pub(crate) fn spooled(n: u32, output: usize, record: u64, unfit: &[(u32, DropCause)]) -> Self {
        let mut fate = Self::new(n, std::iter::repeat_n(false, output + 1), unfit);
        for (index, holder) in fate.holders.iter_mut().enumerate() {
            if index == output {
                (holder.kept, holder.record) = (Kept::Yes, Some(record));
            } else {
                (holder.resolved, holder.open) = (Places::All, 0);
            }
        }
        fate.is_settled = true;
        fate
    }

    /// The spool of `output` is asked to take the group.
    pub(crate) fn ask_spool(&mut self, output: usize) {
        if let Some(holder) = self.holders.get_mut(output).filter(|holder| holder.kept == Kept::No) {
            holder.kept = Kept::Asked;
        }
    }

    /// The spool is writing the record with this number; false when it need not, because the output has nothing left to
    /// do here.
    pub(crate) fn begin_record(&mut self, output: usize, record: u64) -> bool {
        if self.is_void_for(output) {
            return false;
        }
        if let Some(holder) = self.holders.get_mut(output) {
            holder.record = Some(record);
        }
        true
    }

    /// The spool could not take the group.
    pub(crate) fn refuse_record(&mut self, output: usize) {
        if let Some(holder) = self.holders.get_mut(output) {
            (holder.kept, holder.record) = (Kept::No, None);
        }
    }

    /// The spool has the group, durably; returns how many payloads the output has not resolved.
    pub(crate) fn keep(&mut self, output: usize) -> u32 {
        let Some(holder) = self.holders.get_mut(output) else { return 0 };
        holder.kept = Kept::Yes;
        if holder.is_reliable && !self.is_settled {
            if holder.resolved == Places::None {
                self.had = Places::All;
            }
            for place in (0..self.n).filter(|place| !holder.resolved.contains(*place)) {
                self.had.insert(place..place + 1, self.n);
            }
        }
        holder.open
    }

    /// Whether the spool of `output` has the group.
    pub(crate) fn is_kept(&self, output: usize) -> bool {
        self.holders.get(output).is_some_and(|holder| holder.kept == Kept::Yes)
    }

    /// The record of the group in the spool of `output`.
    pub(crate) fn record(&self, output: usize) -> Option<u64> {
        self.holders.get(output).and_then(|holder| holder.record)
    }

    /// `output` has these payloads, or gave them up.
    pub(crate) fn resolve(
        &mut self,
        output: usize,
        range: Range<u32>,
        outcome: Result<(), DropCause>,
    ) -> Resolved {
        let n = self.n;
        let Some(holder) = self.holders.get_mut(output) else { return Resolved::default() };
        let mut result = Resolved::default();
        let mut fresh = 0;
        if holder.resolved == Places::None && !holder.is_written_off {
            fresh = range.len();
        } else {
            for place in range.clone() {
                if holder.resolved.contains(place) {
                    result.counted_before.push(place);
                    continue;
                }
                fresh += 1;
                if holder.is_written_off && !self.had.contains(place) {
                    result.counted_before.push(place);
                    result.written_off += 1;
                }
            }
        }
        let fresh = u32::try_from(fresh).unwrap_or(u32::MAX);
        holder.open = holder.open.saturating_sub(fresh);
        result.unspooled = if holder.kept == Kept::Yes { fresh } else { 0 };
        result.is_finished = fresh > 0 && holder.open == 0;
        if holder.is_reliable && !self.is_settled {
            match outcome {
                Ok(()) if holder.resolved == Places::None => self.had.insert(range.clone(), n),
                Ok(()) => {
                    for place in range.clone().filter(|place| !holder.resolved.contains(*place)) {
                        self.had.insert(place..place + 1, n);
                    }
                }
                Err(cause) => {
                    for place in range.clone() {
                        self.given_up.entry(place).or_insert(cause);
                    }
                }
            }
        }
        holder.resolved.insert(range, n);
        result
    }

    /// Whether `output` has nothing more to do here, or only what was written off.
    pub(crate) fn is_void_for(&self, output: usize) -> bool {
        self.holders.get(output).is_none_or(|holder| {
            holder.open == 0
                || holder.is_written_off
                    && (0..self.n).all(|place| holder.resolved.contains(place) || !self.had.contains(place))
        })
    }

    /// Settles the group if all it waits for has happened; `has_left` says which outputs it does not wait for.
    pub(crate) fn settle(&mut self, has_left: impl Fn(usize) -> bool) -> Option<Settlement> {
        let holds = |(index, holder): (usize, &Holder)| {
            let is_waited_for = match holder.kept {
                Kept::No => !has_left(index),
                Kept::Asked => true,
                Kept::Yes => false,
            };
            holder.is_reliable && holder.open > 0 && is_waited_for
        };
        if self.is_settled || self.holders.iter().enumerate().any(holds) {
            return None;
        }
        self.is_settled = true;
        if self.had == Places::All {
            return Some(Settlement::default());
        }
        let lost: Vec<(u32, DropCause)> = (0..self.n)
            .filter(|place| !self.had.contains(*place))
            .map(|place| (place, self.given_up.get(&place).copied().unwrap_or(DropCause::OutputDown)))
            .collect();
        let mut written_off = Vec::new();
        for (index, holder) in self.holders.iter_mut().enumerate() {
            if !holder.is_reliable || holder.open == 0 || lost.is_empty() {
                continue;
            }
            holder.is_written_off = true;
            let places =
                lost.iter().map(|(place, _)| *place).filter(|place| !holder.resolved.contains(*place));
            written_off.push((index, places.collect()));
        }
        Some(Settlement { lost, written_off })
    }
}

#[cfg(test)]
#[path = "fate/tests.rs"]
mod tests;
