//! What a dump missed, as tags: every format has those, and every reader shows them.
//!
//! `dump_partial:…`, `dump_lost:…`, `dump_not_observed:…`, `dump_reduced:…`, as `docs/activity-dumps.md` says. Invariant: the
//! tags of a dump that missed nothing are none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use event::{Kind, LossCause, NotObserved, Unwanted, WorkloadLoss};

use crate::Target;

/// What the tags begin with.
pub const PREFIX: &str = "dump_";

/// Times that are kept one by one; what is beyond is joined to the last.
const MAX_TIMES: usize = 64;

/// Why a dump is not all that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Partial {
    /// It reached the size limit, and another one goes on.
    Overload,
    /// The analyzer was killed.
    Killed,
    /// The analyzer ended.
    Ending,
}

impl Partial {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Killed => "killed",
            Self::Ending => "ending",
        }
    }
}

/// Why an event that reached the recorder is not in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lacks {
    /// More came in a second than the dump takes.
    RateLimiter,
    /// The tree is as large as it may become.
    MaxDumpSize,
    /// The dump was paused.
    Paused,
    /// The path of the file is not known.
    NoPath,
    /// No tree could hold it.
    Refused(&'static str),
}

impl Lacks {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RateLimiter => "rate_limiter",
            Self::MaxDumpSize => "max_dump_size",
            Self::Paused => "paused",
            Self::NoPath => "no_path",
            Self::Refused(name) => name,
        }
    }
}

/// What a dump missed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missed {
    partial: Option<Partial>,
    lost: BTreeMap<(&'static str, Kind, LossCause), u64>,
    left: BTreeMap<(Kind, Lacks), u64>,
    times: BTreeSet<(u64, u64, String)>,
    reduced: Vec<String>,
}

impl Missed {
    /// It is not all that was asked for.
    pub fn set_partial(&mut self, why: Partial) {
        self.partial = Some(why);
    }

    /// An event reached the recorder and is not in the tree.
    pub fn leave(&mut self, kind: Kind, why: Lacks) {
        *self.left.entry((kind, why)).or_default() += 1;
    }

    /// Events were lost, if they could be those of this workload.
    pub fn lose(&mut self, target: &Target, loss: &WorkloadLoss) {
        let is_ours = match target {
            Target::Container(id) => *loss.workload == **id,
            Target::Cgroup(id) => loss.cgroup == *id,
        };
        let is_nobodys = loss.cgroup == 0 && loss.workload.is_empty();
        let what = match (is_ours, is_nobodys) {
            (true, _) => "lost",
            (false, true) => "lost_anywhere",
            (false, false) => return,
        };
        for (kind, n) in loss.counts.iter().filter(|(_, n)| **n > 0) {
            *self.lost.entry((what, kind, loss.cause)).or_default() += n;
        }
    }

    /// Nobody observed for a time. `wall` turns its ends into time since the epoch.
    pub fn not_observed(&mut self, gap: &NotObserved, wall: impl Fn(u64) -> u64) {
        self.time(wall(gap.from_ns), wall(gap.to_ns), &gap.reason);
    }

    /// Kinds among `traced` were not observed for a time, until `now_ns` at least.
    pub fn unwanted(
        &mut self,
        gap: &Unwanted,
        is_traced: impl Fn(Kind) -> bool,
        now_ns: u64,
        wall: impl Fn(u64) -> u64,
    ) {
        for kind in gap.kinds.iter().filter(|kind| is_traced(**kind)) {
            let reason = format!("{}_off", kind.name());
            let (from, to) = (wall(gap.from_ns), wall(gap.to_ns.unwrap_or(now_ns)));
            // It is told at both ends.
            self.times.retain(|(known, _, why)| *known != from || *why != reason);
            self.time(from, to, &reason);
        }
    }

    /// Nothing was observed from one moment to another, since the epoch.
    pub fn time(&mut self, from_ns: u64, to_ns: u64, reason: &str) {
        let reason: String = reason.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        if self.times.len() >= MAX_TIMES
            && let Some((first, last, why)) = self.times.pop_last()
        {
            self.times.insert((first.min(from_ns), last.max(to_ns), why));
            return;
        }
        self.times.insert((from_ns, to_ns.max(from_ns), reason));
    }

    /// Something was taken away from the dump before it began.
    pub fn reduce(&mut self, what: String) {
        self.reduced.push(what);
    }

    /// What was taken away so far.
    #[must_use]
    pub fn reductions(&self) -> &[String] {
        &self.reduced
    }

    /// Events that happened and are not in the tree.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.lost.values().chain(self.left.values()).sum()
    }

    /// The tags.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        tags.extend(self.partial.map(|why| format!("{PREFIX}partial:{}", why.name())));
        for ((what, kind, cause), n) in &self.lost {
            tags.push(format!("{PREFIX}{what}:{}:{}:{n}", kind.name(), cause.name()));
        }
        for ((kind, why), n) in &self.left {
            tags.push(format!("{PREFIX}lost:{}:{}:{n}", kind.name(), why.name()));
        }
        for (from, to, reason) in &self.times {
            tags.push(format!("{PREFIX}not_observed:{}/{}:{reason}", Moment(*from), Moment(*to)));
        }
        tags.extend(self.reduced.iter().map(|what| format!("{PREFIX}reduced:{what}")));
        tags
    }
}

/// A moment since the epoch as a date.
pub(crate) struct Moment(pub(crate) u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(self.0.into()) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use event::PerKind;

    use super::*;

    fn loss(cgroup: u64, workload: &str, cause: LossCause) -> WorkloadLoss {
        WorkloadLoss { cgroup, workload: workload.into(), cause, counts: PerKind::from([(Kind::Open, 3)]) }
    }

    #[test]
    fn a_dump_that_missed_nothing_has_no_tags() {
        let mut missed = Missed::default();
        missed.lose(&Target::Container("web".into()), &loss(7, "db", LossCause::RingFull));
        missed.lose(&Target::Cgroup(8), &loss(7, "db", LossCause::RingFull));
        assert_eq!((missed.tags(), missed.events()), (Vec::new(), 0));
    }

    #[test]
    fn losses_are_those_of_the_own_workload_or_of_nobody_known() {
        let mut missed = Missed::default();
        let web = Target::Container("web".into());
        missed.lose(&web, &loss(7, "web", LossCause::RingShare));
        missed.lose(&web, &loss(9, "web", LossCause::RingShare));
        missed.lose(&web, &loss(0, "", LossCause::KernelBusy));
        missed.leave(Kind::Open, Lacks::RateLimiter);
        missed.leave(Kind::Open, Lacks::Refused("too_deep"));
        let expected = [
            "dump_lost:open:ring_share:6",
            "dump_lost_anywhere:open:kernel_busy:3",
            "dump_lost:open:rate_limiter:1",
            "dump_lost:open:too_deep:1",
        ];
        assert_eq!((missed.tags(), missed.events()), (expected.map(str::to_owned).to_vec(), 11));
    }

    #[test]
    fn times_are_dates_and_a_tag_has_no_comma_and_no_space() {
        let mut missed = Missed::default();
        let gap = NotObserved {
            from_ns: 1_000_000_000,
            to_ns: 2_500_000_000,
            reason: "probe killed, or so".into(),
        };
        missed.not_observed(&gap, |ns| ns);
        let off = Unwanted { kinds: [Kind::Open, Kind::Connect].into(), from_ns: 0, to_ns: None };
        missed.unwanted(&off, |kind| kind == Kind::Open, 4_000_000_000, |ns| ns);
        missed.unwanted(
            &Unwanted { to_ns: Some(5_000_000_000), ..off },
            |kind| kind == Kind::Open,
            9,
            |ns| ns,
        );
        missed.set_partial(Partial::Killed);
        missed.reduce("rate:500:375".to_owned());
        let expected = [
            "dump_partial:killed",
            "dump_not_observed:1970-01-01T00:00:00Z/1970-01-01T00:00:05Z:open_off",
            "dump_not_observed:1970-01-01T00:00:01Z/1970-01-01T00:00:02.5Z:probe_killed__or_so",
            "dump_reduced:rate:500:375",
        ];
        assert_eq!(missed.tags(), expected);
    }

    #[test]
    fn any_number_of_times_takes_bounded_room_and_hides_none() {
        let mut missed = Missed::default();
        (0..500_u64).for_each(|n| missed.time(n * 10, n * 10 + 1, "x"));
        assert_eq!(missed.times.len(), MAX_TIMES);
        assert_eq!(missed.times.last().map(|(_, to, _)| *to), Some(4991));
    }
}
