//! `shrike-reporter`: reads the configuration and runs the reporter until it is told to stop.

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;

use bootstrap::confine;
use bootstrap::{cause, logging, privacy, readiness, shutdown};
use clap::Parser;
use reporter::Reporter;
use reporter::config::Config;

use cli::Cli;

// One thread: what blocks or computes for long, writing and compressing, has threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", cause::told(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn check(config: &Config) -> anyhow::Result<()> {
    let intake = config.intake.as_ref().context("there is no [intake] to ask")?;
    let mut is_well = true;
    for (line, problem) in reporter::check(intake).await? {
        is_well &= problem.is_none();
        let problem = problem.unwrap_or_else(|| "it answers and takes the key".to_owned());
        writeln!(std::io::stdout(), "{line}: {problem}").context("cannot write")?;
    }
    anyhow::ensure!(is_well, "not every intake takes payloads");
    Ok(())
}

async fn run() -> anyhow::Result<()> {
    let cli = Cli::parse();
    logging::init("reporter");
    // Before the key of the intake is read.
    privacy::forbid_dumps()?;
    if nix::unistd::geteuid().is_root() && !cli.allow_root {
        tracing::warn!(
            "running as root, which the reporter never needs: give it its own user, or --allow-root"
        );
    }
    // Polled once, which installs the handlers, before the socket exists: a signal after that must not just kill.
    let mut stop = std::pin::pin!(shutdown::requested());
    tokio::select! {
        biased;
        _ = &mut stop => return Ok(()),
        () = std::future::ready(()) => {}
    }
    let (may_try, checks) = (cli.confinement, cli.check);
    let mut config = cli.load()?;
    reporter::prepare(&mut config)?;
    let needs = reporter::confinement::confines(&config);
    if may_try {
        return Ok(confine::show_attempts(&needs, Vec::new)?);
    }
    let metrics = if checks { None } else { reporter::listen(&config)? };
    // Before the threads of its outputs are there.
    confine::enter_and_tell(&needs)?;
    if checks {
        return check(&config).await;
    }
    let socket = config.socket.clone();
    let reporter = Reporter::start_on(config, metrics)?;
    tracing::info!(socket = %socket.display(), version = bootstrap::VERSION, "ready");
    readiness::ready();
    let left = reporter
        .serve(async {
            let reason = stop.await.unwrap_or("no signal handler");
            tracing::info!(reason, "stopping: delivering what is left");
        })
        .await?;
    for left in left.iter().filter(|left| left.payloads > 0) {
        tracing::error!(
            destination = left.destination,
            payloads = left.payloads,
            "dropped undelivered payloads"
        );
    }
    for left in left.iter().filter(|left| left.spooled > 0) {
        tracing::info!(
            destination = left.destination,
            payloads = left.spooled,
            "what is in the spool is sent after the next start"
        );
    }
    tracing::info!("stopped");
    Ok(())
}
