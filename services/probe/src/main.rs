//! `shrike-probe`: reads the command line and composes; everything else is in the library.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use probe::cli::{Cli, Command, RunArgs};
use probe::{bpf, compose, doctor, privileges, seccomp_profiles, selftest};

fn main() -> ExitCode {
    // The self-test starts this program again as the process it watches.
    if std::env::args_os().nth(1).is_some_and(|first| first == selftest::CHILD_ARGUMENT) {
        return selftest::child();
    }
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run(cli.run),
        Some(Command::Run(after)) => run(after.or(cli.run)),
        Some(Command::Confinement(after)) => try_confinement(after.or(cli.run)),
        Some(Command::SelfTest) => self_test(),
        Some(Command::Doctor { json }) => examine(json),
        Some(Command::SeccompProfiles { directory }) => {
            seccomp_profiles::write_to(&directory).map(|()| true).map_err(anyhow::Error::from)
        }
        Some(Command::Version) => say(&format!("shrike-probe {}\n", bootstrap::VERSION)).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let error = bootstrap::cause::told(error.as_ref());
            writeln!(std::io::stderr(), "shrike-probe: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn run(args: RunArgs) -> anyhow::Result<bool> {
    bootstrap::logging::init("probe");
    let config = args.load()?;
    compose::run(&config).map(|()| true).map_err(anyhow::Error::from)
}

fn try_confinement(args: RunArgs) -> anyhow::Result<bool> {
    let needs = privileges::confines(&args.load()?, []);
    Ok(bootstrap::confine::show_attempts(&needs, bpf::attempt_new).map(|()| true)?)
}

fn self_test() -> anyhow::Result<bool> {
    let report = selftest::run()?;
    say(&report.to_string())?;
    Ok(report.passed())
}

fn examine(as_json: bool) -> anyhow::Result<bool> {
    let checks = doctor::report();
    if as_json {
        say(&format!("{}\n", doctor::report::json(&checks)))?;
    } else {
        say(&doctor::report::table(&checks, std::io::stdout().is_terminal()))?;
    }
    Ok(doctor::report::is_usable(&checks))
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}
