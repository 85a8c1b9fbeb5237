//! Calls to the analyzer, with errors that say what to do.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use bootstrap::socket::SocketError;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use wire::v1::analyzer_client::AnalyzerClient;
use wire::v1::{AnalyzerStatus, StatusRequest};

use crate::failure::Failure;

/// The largest message taken from the analyzer: a batch with the process table of a large machine.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Time for the analyzer to begin its answer to a call: it has what it answers from in memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A client of the analyzer at `socket`.
pub(crate) async fn connect(socket: &Path) -> Result<AnalyzerClient<Channel>, Failure> {
    let channel = bootstrap::socket::connect(socket).await.map_err(not_reachable)?;
    Ok(AnalyzerClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// The status of all services, as the analyzer knows it.
pub(crate) async fn status(
    client: &mut AnalyzerClient<Channel>,
    socket: &Path,
) -> Result<AnalyzerStatus, Failure> {
    answer(socket, client.get_status(StatusRequest {})).await
}

/// The answer to a call, or the beginning of it.
pub(crate) async fn answer<T>(
    socket: &Path,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    let silent = |_elapsed| Failure::Silent { socket: socket.to_owned(), within: ANSWER_WITHIN.as_secs() };
    let reply = tokio::time::timeout(ANSWER_WITHIN, call).await.map_err(silent)?;
    reply.map(Response::into_inner).map_err(|status| refused(socket, &status))
}

fn not_reachable(source: SocketError) -> Failure {
    match source {
        SocketError::Connect { path, source } if source.kind() == ErrorKind::PermissionDenied => {
            Failure::MayNotUse { socket: path, reason: source.to_string() }
        }
        SocketError::Refused { path, reason } => Failure::MayNotUse { socket: path, reason },
        SocketError::Silent { path, within } => Failure::Silent { socket: path, within: within.as_secs() },
        SocketError::Bind { .. }
        | SocketError::NotASocket { .. }
        | SocketError::InUse { .. }
        | SocketError::Connect { .. }
        | SocketError::Http { .. } => Failure::NotReachable { source },
    }
}

/// What a failed call means for the user.
pub(crate) fn refused(socket: &Path, status: &Status) -> Failure {
    let socket = socket.to_owned();
    let said = status.message();
    let message = if said.is_empty() { status.code().description() } else { said }.to_owned();
    if status.code() == Code::PermissionDenied {
        // What was said at the door is a cause of what the library says.
        return Failure::MayNotUse { socket, reason: bootstrap::cause::told(status) };
    }
    Failure::WentAway { socket, message }
}
