//! The one place of an analyzer at the probe, and who may take it from whom.
//!
//! Whoever has the place acknowledges batches, and what is acknowledged is gone. So it is not enough to have the right
//! uid: while an analyzer is alive and answers, nobody but itself takes over.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bootstrap::socket::Peer;

/// An analyzer that was not heard for this long hangs. Living ones answer a ping every ten seconds.
const SILENT: Duration = Duration::from_secs(30);

/// The place.
#[derive(Debug, Default)]
pub(super) struct Seat(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    holder: Option<Peer>,
    /// How often it was taken.
    taken: u64,
}

/// Somebody has the place until this is dropped, or taken over.
#[derive(Debug)]
pub(super) struct Seated<'a> {
    seat: &'a Seat,
    number: u64,
}

impl Seat {
    /// Takes the place; otherwise gives who has it.
    pub(super) fn take(&self, peer: Peer) -> Result<Seated<'_>, Peer> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.holder.take() {
            Some(holder) if !gives_way(&holder, &peer) => {
                state.holder = Some(holder.clone());
                Err(holder)
            }
            _ => {
                state.holder = Some(peer);
                state.taken += 1;
                Ok(Seated { seat: self, number: state.taken })
            }
        }
    }
}

fn gives_way(holder: &Peer, to: &Peer) -> bool {
    holder.is_dead() || holder.is_same_process(to) || holder.silent_for() >= SILENT
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        let mut state = self.seat.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.taken == self.number {
            state.holder = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use tokio::net::{UnixListener, UnixStream};

    use super::*;

    /// A peer in another process, which holds its connection until it is killed.
    async fn other_process() -> (Child, UnixStream, Peer) {
        const CONNECT: &str = "import socket,sys,time; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); time.sleep(1000)";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut command = Command::new("python3");
        let child = command.args(["-c", CONNECT]).arg(&path).stdin(Stdio::null()).spawn().unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let peer = Peer::of(&stream).unwrap();
        (child, stream, peer)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn own() -> Peer {
        Peer::of(&UnixStream::pair().unwrap().0).unwrap()
    }

    #[tokio::test]
    async fn the_place_of_a_living_analyzer_is_its_own_and_that_of_a_dead_one_is_free() {
        let seat = Seat::default();
        let (child, _connection, peer) = other_process().await;
        let held = seat.take(peer.clone()).unwrap();
        assert_eq!(seat.take(own()).unwrap_err().pid(), peer.pid());
        let again = seat.take(peer).unwrap();
        drop(held);
        assert!(seat.take(own()).is_err(), "the older connection of the same process has no say");
        end(child);
        // Its connection is still open here, and nobody said that it ended.
        let _ours = seat.take(own()).unwrap();
        drop(again);
        assert!(seat.0.lock().unwrap().holder.is_some());
    }

    #[tokio::test]
    async fn an_analyzer_that_is_silent_for_half_a_minute_gives_way() {
        let seat = Seat::default();
        let (child, _connection, peer) = other_process().await;
        let _held = seat.take(peer).unwrap();
        tokio::time::pause();
        tokio::time::advance(SILENT - Duration::from_secs(1)).await;
        assert!(seat.take(own()).is_err());
        tokio::time::advance(Duration::from_secs(2)).await;
        seat.take(own()).unwrap();
        end(child);
    }

    #[tokio::test]
    async fn the_place_is_free_when_its_holder_leaves() {
        let seat = Seat::default();
        let (child, _connection, peer) = other_process().await;
        drop(seat.take(own()).unwrap());
        seat.take(peer).unwrap();
        end(child);
    }
}
