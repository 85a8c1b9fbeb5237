//! `shrike`: starts the services, shows what they see and say, and checks machines.
//!
//! It depends on no service: it starts their programs and talks to the analyzer's socket.

mod accounts;
mod api;
mod args;
mod become_service;
mod captures;
mod demo;
mod doctor;
mod dump;
mod events;
mod failure;
mod launch;
mod record;
mod recorded;
mod replay;
mod rule;
mod status;
mod view;

#[cfg(test)]
#[path = "../tests/skipped/mod.rs"]
mod skipped;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{CaptureCommand, Cli, Command, CompletionsArgs, Global};
use failure::Failure;
use view::paint::Tone;
use view::terminal::{Terminal, note, print};
use view::text::printable;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let color = cli.global.color;
    // Without a runtime: a service starts with no descriptor of ours.
    let ended = if let Command::Become(args) = cli.command {
        become_service::run(args)
    } else {
        run(cli.command, cli.global)
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                let mark = Terminal::stderr(color).paint.apply(Tone::Bad, "shrike:");
                // Line ends are ours; anything else that a terminal would obey is not.
                let lines: Vec<_> = text.lines().map(printable).collect();
                note(&format!("{mark} {}", lines.join("\n")));
            }
            failure.exit_code()
        }
    }
}

fn run(command: Command, global: Global) -> Result<(), Failure> {
    // One thread: PR_SET_PDEATHSIG of a service fires when the *thread* that started it ends, so all services must
    // be started by a thread that lives as long as the process.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("start the runtime"))?;
    runtime.block_on(async {
        match command {
            Command::Run(args) => launch::run(args, global).await,
            Command::Demo(args) => demo::run(args, global).await,
            Command::Events(args) => events::run(args, global).await,
            Command::Record(args) => record::run(args, global).await,
            Command::Replay(args) => replay::run(&args, &global),
            Command::Capture(CaptureCommand::Convert { input, output, force }) => {
                captures::convert(&input, &output, force)
            }
            Command::Capture(CaptureCommand::Info { file }) => captures::info(&file, global.color),
            Command::Dump(command) => dump::run(command, &global).await,
            Command::Rule(command) => rule::run(&command, global.color),
            Command::Status(args) => status::run(args, global).await,
            Command::Doctor(args) => doctor::run(args, global),
            Command::Completions(args) => completions(&args),
            Command::Become(args) => become_service::run(args),
        }
    })
}

/// Prints what makes a shell complete our command line.
fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "shrike", &mut script);
    print(&script)
}
