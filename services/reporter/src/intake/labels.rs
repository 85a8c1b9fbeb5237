//! The names that payloads are counted by: opaque, and a bounded number of them, because each makes counters.

use std::sync::{Mutex, PoisonError};

/// Names beyond this many are counted together.
const MAX_LABELS: usize = 64;

/// A name in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelId(pub(crate) usize);

impl LabelId {
    /// What all names beyond the limit share.
    pub(crate) const OTHER: Self = Self(0);
}

/// All names seen so far.
#[derive(Debug)]
pub(crate) struct Labels(Mutex<Vec<Box<str>>>);

impl Default for Labels {
    fn default() -> Self {
        Self(Mutex::new(vec!["other".into()]))
    }
}

impl Labels {
    /// The id of a name, which is added if there is room.
    pub(crate) fn id(&self, name: &str) -> LabelId {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.iter().position(|known| **known == *name) {
            return LabelId(known);
        }
        if names.len() > MAX_LABELS {
            return LabelId::OTHER;
        }
        names.push(name.into());
        LabelId(names.len() - 1)
    }

    /// The name of an id.
    pub(crate) fn name(&self, id: LabelId) -> Box<str> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(id.0).cloned().unwrap_or_else(|| "other".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let labels = Labels::default();
        let ids: Vec<_> = (0..100).map(|n| labels.id(&n.to_string())).collect();
        assert_eq!(labels.name(ids[63]).as_ref(), "63");
        assert!(ids[64..].iter().all(|id| *id == LabelId::OTHER));
        assert_eq!(labels.id("5"), ids[5]);
        assert_eq!(labels.name(LabelId::OTHER).as_ref(), "other");
    }
}
