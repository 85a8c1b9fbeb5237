//! How much the outbox may still take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that the outbox has room for, parted so that a flood cannot take the room of what is urgent: a batch that waits
/// for room holds up all behind it.
#[derive(Debug, Clone)]
pub struct Room {
    urgent: Arc<Semaphore>,
    flood: Arc<Semaphore>,
}

impl Room {
    /// A quarter for floods, the rest for everything else.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.clamp(1, Semaphore::MAX_PERMITS)));
        Self { urgent: semaphore(max_bytes - max_bytes / 4), flood: semaphore(max_bytes / 4) }
    }

    /// Waits for this much; nothing when nobody gives any back any more.
    pub async fn take(&self, is_urgent: bool, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let part = Arc::clone(if is_urgent { &self.urgent } else { &self.flood });
        part.acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX)).await.ok()
    }
}
