//! Bytes that the outbox has room for, parted so that a flood cannot take the room of what is urgent: a batch that waits
//! for room holds up all behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The room. A group takes its share and gives it back when it is settled.
#[derive(Debug, Clone)]
pub struct Room {
    urgent: Arc<Semaphore>,
    flood: Arc<Semaphore>,
    is_wanted: Arc<AtomicBool>,
}

impl Room {
    /// A quarter for floods, the rest for everything else.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            urgent: semaphore(max_bytes - max_bytes / 4),
            flood: semaphore(max_bytes / 4),
            is_wanted: Arc::default(),
        }
    }

    /// Waits for so many bytes; `None` when nobody will ever give any back. For one at a time, who asks again when this was
    /// dropped before it ended.
    pub async fn take(&self, is_urgent: bool, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.is_wanted.store(true, Ordering::Relaxed);
        let part = if is_urgent { &self.urgent } else { &self.flood };
        let taken = Arc::clone(part).acquire_many_owned(bytes).await.ok();
        self.is_wanted.store(false, Ordering::Relaxed);
        taken
    }

    /// Whether somebody waits for room, and reads nothing until there is some.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_takes_a_quarter_and_who_waits_for_room_is_seen_until_there_is_some() {
        let room = Room::new(400);
        let flood = room.take(false, 100).await.unwrap();
        assert!(!room.is_wanted());
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.take(false, 1).await.is_some() }
        });
        // Paused time: this passes when nothing else can happen.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(room.is_wanted() && !waiting.is_finished());
        drop(flood);
        assert!(waiting.await.unwrap() && !room.is_wanted());
        let _urgent = room.take(true, 300).await.unwrap();
        assert!(!room.is_wanted(), "the rest is for what is urgent");
    }
}
