//! What is known of containers, and whom nobody knows.
//!
//! Bounded: the container that was looked up longest ago is forgotten first. The clock is a parameter.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::Tags;

/// The answer to a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Its tags.
    Known(Arc<Tags>),
    /// It was asked for and the answer is not there yet.
    Asked {
        /// Payloads wait for it until then, and not any more after that.
        until: Instant,
    },
    /// Not asked for yet: the caller must ask now. Whoever looks next gets [`Lookup::Asked`].
    MustAsk {
        /// Payloads wait for it until then.
        until: Instant,
    },
    /// Nobody knew it.
    Absent {
        /// True when that was long ago: the caller must ask again, without waiting for the answer.
        must_ask: bool,
    },
}

#[derive(Debug)]
enum State {
    Known(Arc<Tags>),
    Asked { until: Instant },
    Absent { retry_at: Instant },
}

/// The tags of containers, shared between who finds and who uses them.
#[derive(Debug, Clone)]
pub struct Directory {
    states: Arc<Mutex<LruCache<Arc<str>, State>>>,
    retry: Duration,
    wait: Duration,
}

impl Directory {
    /// An empty directory for this many containers, that lets an unknown one be asked for again after `retry`.
    /// Payloads wait for the first answer about a container for `wait`.
    #[must_use]
    pub fn new(max_entries: NonZeroUsize, retry: Duration, wait: Duration) -> Self {
        Self { states: Arc::new(Mutex::new(LruCache::new(max_entries))), retry, wait }
    }

    /// Looks a container up.
    #[must_use]
    pub fn look_up(&self, container: &Arc<str>, now: Instant) -> Lookup {
        self.with(|states, retry| match states.get_mut(container) {
            Some(State::Known(tags)) => Lookup::Known(Arc::clone(tags)),
            Some(State::Asked { until }) => Lookup::Asked { until: *until },
            Some(State::Absent { retry_at }) => {
                let must_ask = now >= *retry_at;
                if must_ask {
                    *retry_at = now + retry;
                }
                Lookup::Absent { must_ask }
            }
            None => {
                let until = now + self.wait;
                states.put(Arc::clone(container), State::Asked { until });
                Lookup::MustAsk { until }
            }
        })
    }

    /// The tags of a container if they are known, without asking.
    #[must_use]
    pub fn known(&self, container: &str) -> Option<Arc<Tags>> {
        self.with(|states, _| match states.peek(container) {
            Some(State::Known(tags)) => Some(Arc::clone(tags)),
            Some(State::Asked { .. } | State::Absent { .. }) | None => None,
        })
    }

    /// Keeps an answer; `None`: nobody knew.
    pub fn answer(&self, container: &Arc<str>, tags: Option<Arc<Tags>>, now: Instant) {
        self.with(|states, retry| {
            let state = tags.map_or(State::Absent { retry_at: now + retry }, State::Known);
            states.put(Arc::clone(container), state);
        });
    }

    /// Forgets that a container was asked for: the question got lost.
    pub fn forget(&self, container: &str) {
        self.with(|states, _| states.pop(container));
    }

    /// Forgets every answer: the sources have changed. Questions under way stay.
    pub fn forget_answers(&self) {
        self.with(|states, _| {
            let answered: Vec<Arc<str>> = states
                .iter()
                .filter(|(_, state)| !matches!(state, State::Asked { .. }))
                .map(|(container, _)| Arc::clone(container))
                .collect();
            for container in answered {
                states.pop(&container);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut LruCache<Arc<str>, State>, Duration) -> T) -> T {
        act(&mut self.states.lock().unwrap_or_else(PoisonError::into_inner), self.retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(500);

    fn directory(entries: usize) -> Directory {
        Directory::new(NonZeroUsize::new(entries).unwrap(), Duration::from_secs(30), WAIT)
    }

    #[test]
    fn only_the_first_look_up_must_ask() {
        let (directory, now, id) = (directory(2), Instant::now(), Arc::from("a"));
        let until = now + WAIT;
        assert_eq!(directory.look_up(&id, now), Lookup::MustAsk { until });
        assert_eq!(directory.look_up(&id, until), Lookup::Asked { until }, "the wait begins once");
        let tags = Arc::new(Tags::new("n", None, []));
        directory.answer(&id, Some(Arc::clone(&tags)), now);
        assert_eq!(directory.look_up(&id, now), Lookup::Known(tags));
    }

    #[test]
    fn an_unknown_container_is_asked_for_again_after_a_while_and_only_once() {
        let (directory, now, id) = (directory(2), Instant::now(), Arc::from("a"));
        directory.answer(&id, None, now);
        let later = now + Duration::from_secs(31);
        assert_eq!(directory.look_up(&id, now), Lookup::Absent { must_ask: false });
        assert_eq!(directory.look_up(&id, later), Lookup::Absent { must_ask: true });
        assert_eq!(directory.look_up(&id, later), Lookup::Absent { must_ask: false });
    }

    #[test]
    fn the_directory_forgets_what_was_looked_up_longest_ago() {
        let (directory, now) = (directory(2), Instant::now());
        let ids: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).into();
        for id in &ids {
            directory.answer(id, Some(Arc::default()), now);
        }
        assert_eq!(directory.known("a"), None);
        assert!(directory.known("c").is_some());
    }
}
