//! Learning from recordings that ended: merged into what is known, whole or not at all.

use std::collections::BTreeMap;

use activity_tree::{Dump, EventType, Refusal, Times};

use crate::observation::{Loss, NO_TAG};
use crate::profile::Profile;
use crate::state::Kept;

/// Who wants a dump to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Nobody: it ended, and its image is still learning.
    Automatic,
    /// Somebody who looked at it.
    Person,
}

/// Why a dump was not learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// It is of another image, or says of none.
    #[error("the dump is of image {found:?}, the profile of {expected:?}")]
    Image {
        /// What the dump says.
        found: String,
        /// The image of the profile.
        expected: String,
    },
    /// One of its versions no longer learns.
    #[error("version {image_tag:?} is stable: only a person may add to it")]
    Stable {
        /// The version.
        image_tag: String,
    },
    /// The profile was given up.
    #[error("the profile is disabled")]
    Disabled,
    /// The tree would be too large.
    #[error("with the dump the profile takes {bytes} bytes, {max_bytes} at most")]
    Full {
        /// What it would take.
        bytes: usize,
        /// What it may.
        max_bytes: usize,
    },
    /// The trees cannot be joined.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Profile {
    /// Merges a dump of the image. Whether anything of it was new.
    ///
    /// # Errors
    /// See [`LearnError`]; nothing of it is learned then.
    pub fn learn_dump(&mut self, dump: &Dump, now_ns: u64, consent: Consent) -> Result<bool, LearnError> {
        let value = |name: &str| {
            let found = dump.tags.iter().filter_map(|tag| tag.split_once(':')).find(|(key, _)| *key == name);
            found.map(|(_, value)| value).unwrap_or_default()
        };
        let found = value("image_name");
        if found != self.image {
            return Err(LearnError::Image { found: found.to_owned(), expected: self.image.clone() });
        }
        if self.is_disabled {
            return Err(LearnError::Disabled);
        }
        let mut other = dump.tree.clone();
        other.name_untagged(match value("image_tag") {
            "" => NO_TAG,
            tag => tag,
        })?;
        let versions: BTreeMap<String, Times> =
            other.image_tags().into_iter().map(|(tag, times)| (tag.to_owned(), times)).collect();
        let is_stable = |tag: &&String| {
            self.versions
                .get(*tag)
                .is_some_and(|version| version.clocks.values().any(|clock| clock.kept() == Kept::Stable))
        };
        if consent == Consent::Automatic
            && let Some(tag) = versions.keys().find(is_stable)
        {
            return Err(LearnError::Stable { image_tag: tag.clone() });
        }
        let merged = self.tree.merge(&other)?;
        let (bytes, max_bytes) = (merged.bytes(), self.settings.max_bytes);
        if max_bytes != 0 && bytes > max_bytes {
            return Err(LearnError::Full { bytes, max_bytes });
        }
        let counts = |tree: &activity_tree::Tree| {
            let it = tree.stats();
            [
                it.processes,
                it.files,
                it.dns_names,
                it.binds,
                it.imds_events,
                it.syscalls,
                it.flows,
                it.capabilities,
            ]
        };
        let is_new = counts(&merged) != counts(&self.tree);
        self.tree = merged;
        self.settings.differentiate_args = self.tree.options().differentiate_args;
        let syscalls = other.syscalls();
        for (tag, times) in versions {
            self.learn_version(&tag, times, dump, &syscalls, (now_ns, is_new));
        }
        Ok(is_new)
    }

    fn learn_version(
        &mut self,
        tag: &str,
        times: Times,
        dump: &Dump,
        syscalls: &[u32],
        (now_ns, is_new): (u64, bool),
    ) {
        let (first_ns, last_ns) = (times.first.min(now_ns), times.last.min(now_ns));
        let is_fresh = !self.versions.contains_key(tag);
        let tags: Vec<String> = dump.tags.iter().filter(|tag| !tag.starts_with("dump_")).cloned().collect();
        let version = self.enter_version(tag, &tags, first_ns);
        version.first_seen_ns = version.first_seen_ns.min(first_ns);
        version.last_seen_ns = version.last_seen_ns.max(last_ns);
        version.syscalls.extend(syscalls);
        if is_fresh {
            // It is not known to run: its first event says so.
            version.set_idle();
        }
        if is_new {
            version.clocks.values_mut().for_each(|clock| clock.learned(last_ns));
        }
        let missed = |prefix: &str| {
            dump.tags.iter().filter_map(|tag| tag.strip_prefix(prefix)).map(str::to_owned).collect::<Vec<_>>()
        };
        for lost in missed("dump_lost:").into_iter().chain(missed("dump_lost_anywhere:")) {
            let known = EventType::ALL.into_iter().find(|known| lost.split(':').next() == Some(known.name()));
            let n = lost.rsplit(':').next().and_then(|n| n.parse().ok()).unwrap_or(1);
            // What is of no type that is known may be of any.
            let known = known.unwrap_or(EventType::Exec);
            version.lose(Loss { to_ns: last_ns, counts: &[(known, n)] });
        }
        if !missed("dump_partial:").is_empty() || !missed("dump_not_observed:").is_empty() {
            // How much of it is missing is not worth to be computed: none of it counts as observed.
            let span_ns = last_ns.saturating_sub(first_ns);
            version.ledger.unobserved_ns = version.ledger.unobserved_ns.saturating_add(span_ns);
            version.clocks.values_mut().for_each(|clock| clock.broken(last_ns));
        }
    }
}
