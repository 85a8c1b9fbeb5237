//! The mock intake as a process, for `shrike run`, `shrike demo` and the end-to-end tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use mock_intake::{MockIntake, Options};

/// A logs intake on this machine that enforces the documented limits and can fail on demand.
///
/// POST /api/v2/secruntime as the real one; GET /control/stats, GET /control/events[?wrapped&follow=false],
/// PUT /control/fail {"next":["hang",{"status":{"code":500}}],"then":"close"}.
#[derive(Debug, Parser)]
#[command(name = "mock-intake", version)]
struct Cli {
    /// Loopback address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Write the port, and a newline, to this file once the intake listens (it appears complete)
    #[arg(long, value_name = "FILE")]
    print_port_to: Option<PathBuf>,
    /// The only API key to accept; without it any key is accepted
    #[arg(long)]
    api_key: Option<String>,
    /// Append each received entry to this file as {"ddtags":…,"message":…}, one per line
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Entries to keep in memory for /control/events
    #[arg(long, default_value_t = 200_000)]
    keep: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let options = Options { listen: cli.listen, api_key: cli.api_key, keep: cli.keep, out: cli.out };
    let intake = MockIntake::start_with(options).await?;
    if let Some(path) = &cli.print_port_to {
        write_whole(path, &format!("{}\n", intake.address().port()))
            .with_context(|| format!("cannot write the port to {}", path.display()))?;
    }
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        () = intake.run() => {}
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

/// A reader that waits for the file must never see half of it.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(unfinished, path)
}
