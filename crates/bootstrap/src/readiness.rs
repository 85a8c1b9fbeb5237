//! Telling the service manager how far the service is (the `sd_notify` protocol of systemd).
//!
//! Without a service manager that asked to be told (`NOTIFY_SOCKET`), nothing happens.

use sd_notify::NotifyState;

/// The service's own socket exists: what depends on it can connect.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// The service was asked to end and hands on what it holds.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // A manager that cannot be told will time out and say so itself.
    let state = [state];
    if let Err(error) = sd_notify::notify(&state) {
        tracing::warn!(%error, ?state, "the service manager could not be told");
    }
}
