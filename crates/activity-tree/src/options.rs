//! How a tree behaves: what it records, what it takes for the same, and how large it may become.

use crate::refusal::EventType;

/// Settings of one tree. Merging gives the same bytes in any order only without `similar_paths` and `patterns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Bytes from which on nothing new is taken; 0 = no end.
    pub max_bytes: usize,
    /// Whether other arguments make another process (spec 2.4).
    pub differentiate_args: bool,
    /// How many labels of a name a look-up compares; 0 = the whole name, whatever the type (spec 2.8).
    pub dns_match_max_depth: usize,
    /// Whether a program is also known by a similar path (spec 2.4).
    pub similar_paths: bool,
    /// Whether names of siblings are folded into patterns (spec 2.12).
    pub patterns: Option<Patterns>,
    /// What is recorded.
    pub traced: Traced,
}

/// When siblings are folded into a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patterns {
    /// Children that a directory may have before it is looked at while the tree grows.
    pub max_children: usize,
    /// Names of one signature that make a pattern then.
    pub min_cluster: usize,
    /// Names of one signature that make a pattern when the tree is finished.
    pub min_cluster_at_end: usize,
}

impl Default for Patterns {
    fn default() -> Self {
        Self { max_children: 15, min_cluster: 5, min_cluster_at_end: 3 }
    }
}

/// The event types that a tree records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traced(u16);

impl Default for Traced {
    fn default() -> Self {
        Self(u16::MAX)
    }
}

impl Traced {
    /// These, exec and exit, without which there are no processes.
    #[must_use]
    pub fn only(types: impl IntoIterator<Item = EventType>) -> Self {
        let always = [EventType::Exec, EventType::Exit];
        Self(types.into_iter().chain(always).fold(0, |mask, kind| mask | 1 << (kind as u8)))
    }

    /// Whether this is recorded.
    #[must_use]
    pub fn has(self, kind: EventType) -> bool {
        self.0 & 1 << (kind as u8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_is_always_recorded_and_the_rest_as_asked() {
        let traced = Traced::only([EventType::Open, EventType::Other]);
        let has = EventType::ALL.map(|kind| traced.has(kind));
        assert_eq!(has, [true, true, true, false, false, false, false, false, false, true]);
        assert!(EventType::ALL.into_iter().all(|kind| Traced::default().has(kind)));
    }
}
