//! Which kinds of events the probe is asked to observe: those that somebody takes.
//!
//! Whoever takes events says what it wants, each for itself, and all of it is wanted: the union. It is a state that is said
//! whole each time, so a connection that begins, on either side, only has to say the newest. Knows no connection.

use std::collections::BTreeSet;

use event::Kind;
use tokio::sync::watch;

/// Who can want something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// `kinds.always`: whether or not anybody takes them.
    Config,
    /// An output that takes every event wants every kind.
    Outputs,
    /// What the stages judge.
    Stages,
    /// What subscribers ask for.
    Subscribers,
    /// A recording is the whole stream.
    Recorders,
}

/// What each of them wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes([BTreeSet<Kind>; 5]);

impl Wishes {
    /// Every kind that one of them wants.
    #[must_use]
    pub fn union(&self) -> BTreeSet<Kind> {
        self.0.iter().flatten().copied().collect()
    }

    /// Puts a wish in the place of the one before; true when another union follows.
    fn set(&mut self, who: Who, kinds: BTreeSet<Kind>) -> bool {
        // Stages say it with every batch, and nearly always the same.
        if self.0.get(who as usize) == Some(&kinds) {
            return false;
        }
        let before = self.union();
        if let Some(wish) = self.0.get_mut(who as usize) {
            *wish = kinds;
        }
        self.union() != before
    }
}

/// The wishes, shared by all who have some. Whoever waits is woken when another union follows.
#[derive(Debug, Clone, Default)]
pub struct Wanted(watch::Sender<Wishes>);

impl Wanted {
    /// From now on this is what it wants.
    pub fn set(&self, who: Who, kinds: BTreeSet<Kind>) {
        self.0.send_if_modified(|wishes| wishes.set(who, kinds));
    }

    /// Sees each change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Wishes> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_wanted_as_long_as_one_wants_it_and_only_a_change_of_the_union_is_news() {
        let wanted = Wanted::default();
        let mut watch = wanted.watch();
        let mut news = |who, kinds: &[Kind]| {
            wanted.set(who, kinds.iter().copied().collect());
            let has_news = watch.has_changed().unwrap();
            has_news.then(|| watch.borrow_and_update().union().into_iter().collect::<Vec<_>>())
        };
        assert_eq!(news(Who::Config, &[Kind::Exec]), Some(vec![Kind::Exec]));
        assert_eq!(news(Who::Config, &[]), Some(vec![]));
        assert_eq!(news(Who::Subscribers, &[Kind::Open, Kind::Bind]), Some(vec![Kind::Open, Kind::Bind]));
        assert_eq!(news(Who::Stages, &[Kind::Open]), None);
        assert_eq!(news(Who::Subscribers, &[]), Some(vec![Kind::Open]));
        assert_eq!(news(Who::Recorders, &Kind::ALL).map(|kinds| kinds.len()), Some(Kind::COUNT));
        assert_eq!(news(Who::Outputs, &Kind::ALL), None);
        assert_eq!(news(Who::Recorders, &[]), None);
        assert_eq!(news(Who::Outputs, &[]), Some(vec![Kind::Open]));
        assert_eq!(news(Who::Stages, &[]), Some(vec![]));
    }
}
