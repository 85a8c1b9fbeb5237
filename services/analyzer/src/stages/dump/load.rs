//! What a dump that reached its size goes on with: a lower rate, less time, fewer event types.

use std::time::Duration;

use activity_tree::{EventType, Traced};

/// What the load controller takes away, the first that is still there.
const REDUCTION_ORDER: [EventType; 5] =
    [EventType::Bind, EventType::Imds, EventType::Dns, EventType::Syscalls, EventType::Open];

/// What a dump may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// New behaviours in a second.
    pub rate: u32,
    /// How long it lasts.
    pub timeout: Duration,
    /// What is recorded.
    pub traced: Traced,
}

/// Something that was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// From so many in a second to so many.
    Rate(u32, u32),
    /// From so long to so long.
    Timeout(Duration, Duration),
    /// This is no longer recorded.
    EventType(EventType),
}

impl Reduction {
    /// As the tag of a dump says it.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Rate(from, to) => format!("rate:{from}:{to}"),
            Self::Timeout(from, to) => format!("timeout:{}s:{}s", from.as_secs(), to.as_secs()),
            Self::EventType(kind) => format!("event_types:{}", kind.name()),
        }
    }
}

/// The limits of the next part of a dump that was full after `used`, and what was taken away. `least` is the shortest time
/// that a dump should take to fill, and the least that the next part has.
#[must_use]
pub fn reduce(
    limits: Limits,
    used: Duration,
    full_after: Duration,
    least: Duration,
) -> (Limits, Vec<Reduction>) {
    let mut next = Limits { timeout: limits.timeout.saturating_sub(used), ..limits };
    let mut reductions = Vec::new();
    if full_after < least {
        next.rate = (limits.rate / 4 * 3 + limits.rate % 4 * 3 / 4).max(1);
        reductions.push(Reduction::Rate(limits.rate, next.rate));
    }
    if full_after < least / 2 && limits.timeout > least {
        let shorter = next.timeout * 3 / 4;
        let shorter = shorter.max(least);
        reductions.push(Reduction::Timeout(next.timeout, shorter));
        next.timeout = shorter;
    }
    if full_after < least / 4
        && let Some(last) = REDUCTION_ORDER.into_iter().find(|kind| limits.traced.has(*kind))
    {
        let others = EventType::ALL.into_iter().filter(|kind| *kind != last && limits.traced.has(*kind));
        next.traced = Traced::only(others);
        reductions.push(Reduction::EventType(last));
    }
    (next, reductions)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_secs(600);

    fn limits(timeout: u64) -> Limits {
        Limits {
            rate: 500,
            timeout: Duration::from_secs(timeout),
            traced: Traced::only([EventType::Open, EventType::Dns]),
        }
    }

    /// After how many seconds it was full, and what follows: rate, seconds, types.
    fn check(timeout: u64, full: u64, expect: (u32, u64), types: &[&str], said: &[&str]) {
        let (used, full) = (Duration::from_secs(full.max(60)), Duration::from_secs(full));
        let (next, reductions) = reduce(limits(timeout), used, full, LEAST);
        assert_eq!((next.rate, next.timeout.as_secs()), expect, "{timeout} {full:?}");
        let traced: Vec<&str> =
            EventType::ALL.into_iter().filter(|kind| next.traced.has(*kind)).map(EventType::name).collect();
        assert_eq!(traced, types);
        assert_eq!(reductions.iter().map(|one| one.text()).collect::<Vec<_>>(), said);
    }

    #[test]
    fn the_sooner_a_dump_is_full_the_more_is_taken_away() {
        let all = &["exec", "exit", "open", "dns"][..];
        check(900, 600, (500, 300), all, &[]);
        check(900, 599, (375, 301), all, &["rate:500:375"]);
        check(900, 299, (375, 600), all, &["rate:500:375", "timeout:601s:600s"]);
        check(2000, 299, (375, 1275), all, &["rate:500:375", "timeout:1701s:1275s"]);
        check(600, 299, (375, 301), all, &["rate:500:375"]);
        let fewer = &["exec", "exit", "open"][..];
        check(660, 10, (375, 600), fewer, &["rate:500:375", "timeout:600s:600s", "event_types:dns"]);
    }

    #[test]
    fn types_go_in_their_order_and_exec_never() {
        let mut limits = Limits { traced: Traced::only(EventType::ALL), ..limits(10_000) };
        let mut gone = Vec::new();
        for _ in 0..8 {
            let (next, reductions) = reduce(limits, Duration::ZERO, Duration::ZERO, LEAST);
            gone.extend(reductions.into_iter().filter_map(|one| match one {
                Reduction::EventType(kind) => Some(kind.name()),
                Reduction::Rate(..) | Reduction::Timeout(..) => None,
            }));
            limits = next;
        }
        assert_eq!(gone, ["bind", "imds", "dns", "syscalls", "open"]);
        assert!(limits.traced.has(EventType::Exec) && limits.rate >= 1 && limits.timeout >= LEAST);
    }

    #[test]
    fn a_rate_never_becomes_nothing() {
        let (next, _) = reduce(Limits { rate: 1, ..limits(900) }, Duration::ZERO, Duration::ZERO, LEAST);
        assert_eq!(next.rate, 1);
    }
}
