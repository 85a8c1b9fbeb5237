//! Calls to the analyzer, with errors that say what to do.

use std::path::Path;

use tonic::transport::Channel;
use tonic::{Code, Status};
use wire::v1::analyzer_client::AnalyzerClient;
use wire::v1::{AnalyzerStatus, StatusRequest};

use crate::failure::Failure;

/// The largest message taken from the analyzer: a batch with the process table of a large machine.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// A client of the analyzer at `socket`.
pub(crate) async fn connect(socket: &Path) -> Result<AnalyzerClient<Channel>, Failure> {
    let channel =
        bootstrap::socket::connect(socket).await.map_err(|source| Failure::NotReachable { source })?;
    Ok(AnalyzerClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// The status of all services, as the analyzer knows it.
pub(crate) async fn status(
    client: &mut AnalyzerClient<Channel>,
    socket: &Path,
) -> Result<AnalyzerStatus, Failure> {
    let reply = client.get_status(StatusRequest {}).await;
    reply.map(tonic::Response::into_inner).map_err(|status| refused(socket, &status))
}

/// What a failed call means for the user.
pub(crate) fn refused(socket: &Path, status: &Status) -> Failure {
    let socket = socket.to_owned();
    let said = status.message();
    let message = if said.is_empty() { status.code().description() } else { said }.to_owned();
    if status.code() == Code::PermissionDenied {
        return Failure::Refused { socket, message };
    }
    Failure::WentAway { socket, message }
}
