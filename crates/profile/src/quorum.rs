//! What is new waits until enough instances did it, so that one that was taken over teaches nothing.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::identity::Identity;

/// What waits. Each entry holds no more instances than the quorum.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    waiting: LruCache<Identity, Vec<u64>>,
    needed: usize,
}

impl Pending {
    pub(crate) fn new(max_pending: usize, needed: usize) -> Self {
        let mut waiting = LruCache::unbounded();
        waiting.resize(NonZeroUsize::new(max_pending).unwrap_or(NonZeroUsize::MIN));
        Self { waiting, needed }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// An instance did something new.
    ///
    /// # Errors
    /// How many instances did it, while those are not enough.
    pub(crate) fn admit(&mut self, identity: Identity, instance: u64) -> Result<(), usize> {
        if self.needed <= 1 {
            return Ok(());
        }
        let seen = self.waiting.get_or_insert_mut(identity, Vec::new);
        if !seen.contains(&instance) {
            seen.push(instance);
        }
        let n = seen.len();
        if n < self.needed {
            return Err(n);
        }
        self.waiting.pop(&identity);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instance_is_never_more_than_one_however_often() {
        let mut pending = Pending::new(10, 3);
        let tries = [(7, Err(1)), (7, Err(1)), (8, Err(2)), (7, Err(2)), (9, Ok(()))];
        for (instance, expect) in tries {
            assert_eq!(pending.admit(1, instance), expect);
        }
        assert_eq!(pending.len(), 0);
        assert_eq!(pending.admit(2, 7), Err(1));
    }

    #[test]
    fn what_waits_is_bounded_and_without_a_quorum_nothing_waits() {
        let mut pending = Pending::new(2, 2);
        (0..5).for_each(|identity| assert_eq!(pending.admit(identity, 1), Err(1)));
        assert_eq!(pending.len(), 2);
        assert_eq!(pending.admit(0, 2), Err(1));
        assert_eq!(Pending::new(2, 1).admit(0, 1), Ok(()));
        assert_eq!(Pending::new(2, 0).admit(0, 1), Ok(()));
    }
}
