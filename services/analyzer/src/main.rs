//! The command line of the analyzer service.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use analyzer::config::Config;
use analyzer::replay::{self, Format};
use analyzer::{compose, dumps, privilege};
use anyhow::Context;
use bootstrap::confine;
use clap::{Parser, Subcommand};

/// Turns the events of a probe into a process tree, event JSON and answers.
#[derive(Debug, Parser)]
#[command(name = "shrike-analyzer", version = bootstrap::VERSION)]
struct Args {
    /// Configuration file (TOML); without it every setting has its default
    #[arg(long, short, global = true)]
    config: Option<PathBuf>,
    /// Start even as root or with capabilities
    #[arg(long, global = true)]
    allow_root: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect to the probe and serve (the default)
    Run,
    /// Print the events of a capture file, without any socket
    Replay {
        /// The capture
        file: PathBuf,
        /// Print the event JSON, one line each
        #[arg(long)]
        json: bool,
        /// Print what a subscriber would get, for `shrike replay`; with --json each message has its document
        #[arg(long, hide = true)]
        messages: bool,
    },
    /// Confine itself as a running analyzer is, try what must not be possible then, and show what came of it
    Confinement,
    /// Print the version
    Version,
}

fn main() -> ExitCode {
    bootstrap::logging::init("analyzer");
    match start(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", bootstrap::cause::told(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    let config: Config = bootstrap::config::load(args.config.as_deref())?;
    match args.command.unwrap_or(Command::Run) {
        Command::Run => {
            privilege::drop_all(args.allow_root)?;
            // Whether it can be used is found out, and told, when it is opened.
            dumps::prepare(&config.activity_dump.local_storage).unwrap_or_default();
            // Before there is a second thread.
            confine::enter_and_tell(&privilege::confines(&config))?;
            run(config)
        }
        Command::Replay { file, json, messages } => {
            let format = match (messages, json) {
                (true, with_json) => Format::Messages { with_json },
                (false, true) => Format::Json,
                (false, false) => Format::Line,
            };
            match replay::replay(&file, &config, format, std::io::stdout().lock()) {
                Err(error) if error.is_closed_pipe() => Ok(()),
                replayed => {
                    replayed.map(drop).with_context(|| format!("replay of {} ended early", file.display()))
                }
            }
        }
        Command::Confinement => Ok(confine::show_attempts(&privilege::confines(&config), Vec::new)?),
        Command::Version => {
            writeln!(std::io::stdout(), "shrike-analyzer {}", bootstrap::VERSION).context("cannot write")
        }
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    actix::System::new().block_on(async {
        let shutdown = bootstrap::shutdown::requested();
        let shutdown = async { shutdown.await.unwrap_or("no signal handlers: ending") };
        Ok(compose::run(config, shutdown).await?)
    })
}
