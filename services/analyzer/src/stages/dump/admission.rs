//! Which workloads are recorded without being asked: not twice in a while, not those that are denied, not more often than
//! is useful.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use dump::Target;
use lru::LruCache;

use crate::context::tags::Tags;

/// Workloads on the wait list.
const MAX_WAITING: usize = 8192;
/// Images whose dumps are counted.
const MAX_COUNTED: usize = 1024;

/// Why a workload is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// Its image is on the deny list.
    Denied,
    /// There are enough dumps of its image.
    Counted,
}

/// An image and its version, as tags name them.
pub(super) type Image = (String, String);

/// The image that tags name.
pub(super) fn image(tags: &Tags) -> Option<Image> {
    let image = tags.image.as_ref()?;
    Some((image.name.clone(), image.tag.clone().unwrap_or_default()))
}

/// The lists.
#[derive(Debug)]
pub(super) struct Admission {
    waiting: HashMap<Target, u64>,
    counts: LruCache<Image, u32>,
    max_count: u32,
    denied: Vec<String>,
}

impl Admission {
    pub(super) fn new(max_count: u32, denied: Vec<String>) -> Self {
        let counts = LruCache::new(NonZeroUsize::new(MAX_COUNTED).unwrap_or(NonZeroUsize::MIN));
        Self { waiting: HashMap::new(), counts, max_count, denied }
    }

    /// Whether a workload waits at this time.
    pub(super) fn waits(&self, target: &Target, now_ns: u64) -> bool {
        self.waiting.get(target).is_some_and(|until| *until > now_ns)
    }

    /// A dump of a workload begins: the next one comes after this time. When there is no room, who waits shortest
    /// makes place, which can only bring its dump forward.
    pub(super) fn wait(&mut self, target: Target, until_ns: u64) {
        if self.waiting.len() >= MAX_WAITING
            && let Some(first) =
                self.waiting.iter().min_by_key(|(_, until)| **until).map(|(target, _)| target.clone())
        {
            self.waiting.remove(&first);
        }
        self.waiting.insert(target, until_ns);
    }

    /// Forgets who has waited long enough.
    pub(super) fn clean(&mut self, now_ns: u64) {
        self.waiting.retain(|_, until| *until > now_ns);
    }

    /// Counts an automatic dump of an image, unless it is not to be.
    pub(super) fn count(&mut self, (name, tag): &Image) -> Result<(), Unwanted> {
        let whole = format!("{name}:{tag}");
        if self.denied.iter().any(|denied| denied == name || *denied == whole) {
            return Err(Unwanted::Denied);
        }
        let max_count = self.max_count;
        let count = self.counts.get_or_insert_mut((name.clone(), tag.clone()), || 0);
        if *count >= max_count {
            return Err(Unwanted::Counted);
        }
        *count += 1;
        Ok(())
    }

    /// No further automatic dump of an image: its profile has all that it needs.
    pub(super) fn close(&mut self, image: Image) {
        self.counts.put(image, self.max_count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Image {
        (name.to_owned(), "1".to_owned())
    }

    #[test]
    fn an_image_is_recorded_so_often_and_denied_ones_never() {
        let mut admission = Admission::new(2, vec!["bad".to_owned(), "web:2".to_owned()]);
        let counted = [0, 1, 2].map(|_| admission.count(&image("web")));
        assert_eq!(counted, [Ok(()), Ok(()), Err(Unwanted::Counted)]);
        assert_eq!(admission.count(&image("bad")), Err(Unwanted::Denied));
        assert_eq!(admission.count(&("web".to_owned(), "2".to_owned())), Err(Unwanted::Denied));
        admission.close(image("db"));
        assert_eq!(admission.count(&image("db")), Err(Unwanted::Counted));
    }

    #[test]
    fn whoever_was_recorded_waits_and_the_list_stays_bounded() {
        let mut admission = Admission::new(1, Vec::new());
        let target = |n: u64| Target::Cgroup(n);
        for n in 0..10_000 {
            admission.wait(target(n), 100 + n);
        }
        assert_eq!(admission.waiting.len(), MAX_WAITING);
        assert!(admission.waits(&target(9_999), 0) && !admission.waits(&target(9_999), 100 + 9_999));
        assert!(!admission.waits(&target(0), 0), "who waited shortest made place");
        admission.clean(100 + 9_000);
        assert_eq!(admission.waiting.len(), 999);
    }
}
