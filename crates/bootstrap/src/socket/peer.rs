//! Who is at the other end of a connection, and whether it is still alive.
//!
//! A process id may be another process by now, so a descriptor of the process is kept (`SO_PEERPIDFD`, from Linux 6.5
//! on; before, `pidfd_open` when the connection is accepted).

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// The process that connected. Clones are the same peer.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    uid: u32,
    /// `None` when it is in another pid namespace.
    pid: Option<i32>,
    /// `None` when the kernel gives none: then nothing is known of its life.
    process: Option<OwnedFd>,
    accepted: Instant,
    /// When it was last heard, in milliseconds after that.
    heard_ms: AtomicU64,
}

impl Peer {
    /// The peer of a connection that was just accepted.
    ///
    /// # Errors
    /// When the kernel does not say who it is.
    pub fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let pid = credentials.pid().filter(|pid| *pid > 0);
        let process = getsockopt(stream, sockopt::PeerPidfd).ok().or_else(|| open(pid));
        Ok(Self::new(credentials.uid(), pid, process))
    }

    fn new(uid: u32, pid: Option<i32>, process: Option<OwnedFd>) -> Self {
        Self(Arc::new(Inner { uid, pid, process, accepted: Instant::now(), heard_ms: AtomicU64::new(0) }))
    }

    /// Its uid when it connected.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.0.uid
    }

    /// Its process id when it connected; 0 when it is in a pid namespace that we do not see.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.0.pid.unwrap_or(0)
    }

    /// Whether it has ended, as far as the kernel lets us know.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        let Some(process) = &self.0.process else { return false };
        let mut ends = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        poll(&mut ends, PollTimeout::ZERO).is_ok_and(|n| n > 0)
    }

    /// Whether both are one living process.
    #[must_use]
    pub fn is_same_process(&self, other: &Self) -> bool {
        // As long as one of them lives, its id is nobody else's.
        self.0.pid.is_some() && self.0.pid == other.0.pid && !self.is_dead()
    }

    /// For how long nothing has come from it.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let heard = Duration::from_millis(self.0.heard_ms.load(Ordering::Relaxed));
        self.0.accepted.elapsed().saturating_sub(heard)
    }

    /// Something came from it.
    pub(super) fn heard(&self) {
        let now = u64::try_from(self.0.accepted.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.heard_ms.store(now, Ordering::Relaxed);
    }
}

fn open(pid: Option<i32>) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid?)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child() -> std::process::Child {
        std::process::Command::new("sleep").arg("1000").spawn().unwrap()
    }

    fn of(child: &std::process::Child) -> Peer {
        let pid = i32::try_from(child.id()).ok();
        Peer::new(0, pid, open(pid))
    }

    #[tokio::test]
    async fn a_peer_is_dead_from_its_end_on_and_never_the_same_as_another() {
        let (mut first, mut second) = (child(), child());
        let (one, again, other) = (of(&first), of(&first), of(&second));
        assert!(!one.is_dead() && one.is_same_process(&again) && !one.is_same_process(&other));
        first.kill().unwrap();
        // Also before anybody waits for it.
        while !one.is_dead() {
            tokio::task::yield_now().await;
        }
        assert!(!one.is_same_process(&again));
        first.wait().unwrap();
        second.kill().unwrap();
        second.wait().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_counted_from_what_was_heard_last() {
        let peer = Peer::new(0, None, None);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(peer.silent_for(), Duration::from_secs(40));
        peer.heard();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(peer.silent_for(), Duration::from_secs(3));
        assert!(!peer.is_dead(), "of a process that is not known");
    }

    #[tokio::test]
    async fn the_other_end_of_a_pair_is_this_process() {
        let (one, other) = UnixStream::pair().unwrap();
        let (one, other) = (Peer::of(&one).unwrap(), Peer::of(&other).unwrap());
        assert_eq!(one.pid(), i32::try_from(std::process::id()).unwrap());
        assert!(one.is_same_process(&other) && !one.is_dead());
    }
}
