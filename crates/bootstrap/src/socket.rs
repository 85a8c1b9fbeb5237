//! Unix sockets: who may connect, and connecting.

mod authority;
mod door;
mod farewell;
mod knock;
mod peer;

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tonic::transport::{Channel, Endpoint, Uri};

pub use door::{Connection, Door, Limits, server};
pub use peer::Peer;

/// Why a socket cannot be served or reached.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The directory of the socket is missing or closed to us.
    #[error(
        "cannot create the socket {path}: {source}; does its directory exist, and may uid {uid} write there?"
    )]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Our effective uid.
        uid: u32,
        /// The cause.
        source: std::io::Error,
    },
    /// Something that is not a socket is in the way.
    #[error("{path} exists and is not a socket: move it away or choose another path")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Another process is serving this socket.
    #[error("another process already serves {path}: stop it first or choose another path")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Nobody can be reached there.
    #[error("cannot connect to {path}: {source}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The service does not let us in.
    #[error("{path} refuses us: {reason}")]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// Somebody listens, and says nothing.
    #[error("nobody answers at {path} within {} s: it is stopped, or hangs", within.as_secs())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How long it had.
        within: Duration,
    },
    /// Somebody is there who does not speak HTTP/2.
    #[error("cannot talk to {path}: {source}; is something else serving this socket?")]
    Http {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: tonic::transport::Error,
    },
}

/// Binds a unix socket, replacing a stale one.
///
/// With one allowed uid the socket is 0600 and given to that uid, where we may. Otherwise its mode is 0666, because the
/// check that counts is that of [`Door`]; the directory decides who can see the socket at all.
///
/// # Errors
/// See [`SocketError`].
pub fn bind(path: &Path, allowed: &PeerUids) -> Result<UnixListener, SocketError> {
    let failed =
        |source| SocketError::Bind { path: path.to_owned(), uid: nix::unistd::geteuid().as_raw(), source };
    if let Ok(meta) = path.symlink_metadata() {
        if !meta.file_type().is_socket() {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(SocketError::InUse { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    let chmod = |mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed);
    // Before it is given away: the mode of what belongs to another needs a capability of its own (FOWNER).
    chmod(0o600)?;
    if !belongs_to_the_only_peer(path, allowed) {
        chmod(0o666)?;
    }
    Ok(listener)
}

/// Whether one uid alone is allowed and the socket is that uid's, so that the file mode can keep everybody else out.
fn belongs_to_the_only_peer(path: &Path, allowed: &PeerUids) -> bool {
    match allowed.0.as_slice() {
        // Only root can give a file away.
        [uid] => {
            *uid == nix::unistd::geteuid().as_raw()
                || std::os::unix::fs::chown(path, Some(*uid), None).is_ok()
        }
        _ => false,
    }
}

/// The uids that may use a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerUids(Vec<u32>);

impl PeerUids {
    /// Only these uids may connect. An empty list refuses everybody.
    #[must_use]
    pub fn new(uids: impl IntoIterator<Item = u32>) -> Self {
        let mut uids: Vec<u32> = uids.into_iter().collect();
        uids.sort_unstable();
        uids.dedup();
        Self(uids)
    }
}

/// Bytes that may be on their way in one stream. What is inside a connection cannot be overtaken by what is more urgent,
/// so this is little more than keeps both sides busy.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;

/// The same for all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// Silence after which the other side is asked for a sign of life, and the time for that: a service that is stopped or
/// hangs ends the connection instead of the caller's patience.
const ASK_AFTER: Duration = Duration::from_secs(20);
const SIGN_WITHIN: Duration = Duration::from_secs(20);

/// Time to get a place in the queue of a service that is busy accepting others, and then to be let in; time between two
/// attempts.
const QUEUE_WITHIN: Duration = Duration::from_secs(5);
const QUEUE_AGAIN: Duration = Duration::from_millis(10);

/// Connects to a service on a unix socket.
///
/// # Errors
/// [`SocketError::Connect`] when nobody listens there, [`SocketError::Refused`] when it is not for us,
/// [`SocketError::Silent`] when it does not answer, [`SocketError::Http`] when it is no such service.
pub async fn connect(path: &Path) -> Result<Channel, SocketError> {
    let failed = |source| SocketError::Connect { path: path.to_owned(), source };
    let first = queue(path).await.map_err(failed)?;
    match tokio::time::timeout(QUEUE_WITHIN, knock::refusal(&first)).await {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(reason))) => return Err(SocketError::Refused { path: path.to_owned(), reason }),
        Ok(Err(source)) => return Err(failed(source)),
        Err(_elapsed) => return Err(SocketError::Silent { path: path.to_owned(), within: QUEUE_WITHIN }),
    }
    let socket = path.to_owned();
    let first = Arc::new(Mutex::new(Some(first)));
    // The URI is required by HTTP/2 and never used to find the peer.
    Endpoint::from_static("http://localhost")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(ASK_AFTER)
        .keep_alive_timeout(SIGN_WITHIN)
        .keep_alive_while_idle(true)
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let socket = socket.clone();
            async move {
                let stream = match first {
                    Some(first) => first,
                    None => queue(&socket).await?,
                };
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        }))
        .await
        .map_err(|source| SocketError::Http { path: path.to_owned(), source })
}

/// Connects, and waits a little when the service has not yet accepted those before.
async fn queue(path: &Path) -> std::io::Result<UnixStream> {
    let end = tokio::time::Instant::now() + QUEUE_WITHIN;
    loop {
        match UnixStream::connect(path).await {
            Err(error)
                if error.kind() == std::io::ErrorKind::WouldBlock && tokio::time::Instant::now() < end =>
            {
                tokio::time::sleep(QUEUE_AGAIN).await;
            }
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let own = PeerUids::new([nix::unistd::geteuid().as_raw()]);
        let first = bind(&path, &own).unwrap();
        assert!(matches!(bind(&path, &own), Err(SocketError::InUse { .. })));
        drop(first);
        bind(&path, &own).unwrap();
    }

    #[tokio::test]
    async fn only_a_socket_of_one_peer_is_closed_to_everybody_else() {
        let dir = tempfile::tempdir().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        let mode = |name: &str, uids: &[u32]| {
            let path = dir.path().join(name);
            bind(&path, &PeerUids::new(uids.iter().copied())).unwrap();
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!(mode("own", &[own]), 0o600);
        assert_eq!(mode("several", &[own, own + 1]), 0o666);
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_not_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path, &PeerUids::new([0])), Err(SocketError::NotASocket { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
