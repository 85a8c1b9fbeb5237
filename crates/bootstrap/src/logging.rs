//! Logs go to standard error, and a panic ends the process.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging for `service` and makes a panic in any thread end the whole process.
///
/// A service that lost one of its threads or actors would look alive and do nothing; systemd or Kubernetes
/// restarts one that ended. `SHRIKE_LOG` sets the level (`info` by default), in the syntax of `RUST_LOG`.
pub fn init(service: &'static str) {
    let filter = EnvFilter::try_from_env("SHRIKE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    if started.is_err() {
        tracing::debug!("logging was already started");
    }
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        tracing::error!(service, %panic, "a thread panicked: ending the process, please report this");
        std::process::abort();
    }));
}
