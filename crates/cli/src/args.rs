//! The commands and their options.

mod dump;
mod rule;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use event::{Kind, ScopeRule};

pub(crate) use self::dump::{
    DumpCommand, DumpConvertArgs, DumpDiffArgs, DumpFromArgs, DumpListArgs, DumpShowArgs, DumpStartArgs,
    DumpStatsArgs, DumpStopArgs,
};
pub(crate) use self::rule::{RuleCheckArgs, RuleCommand, RuleEvalArgs, RuleFieldsArgs, RuleOs};
use crate::launch::output::Output;
use crate::view::terminal::ColorMode;

const EXAMPLES: &str = "\
Examples:
  sudo shrike doctor                 what this machine allows, before installing anything
  sudo shrike demo                   a small workload, watched from the kernel to the intake
  sudo shrike run                    watch all containers of this machine
  shrike events --type exec          what starts, live
  shrike status                      hooks, counters, loss
  shrike rule fields open            what rules may ask of an open

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 analyzer not reachable, 4 not permitted, 5 a service cannot run.";

/// Watches what containers really do, from the kernel.
#[derive(Debug, Parser)]
#[command(name = "shrike", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Socket of the analyzer
    #[arg(
        long,
        global = true,
        env = "SHRIKE_SOCKET",
        value_name = "PATH",
        default_value = "/run/shrike/analyzer.sock"
    )]
    pub(crate) socket: PathBuf,
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorMode::Auto)]
    pub(crate) color: ColorMode,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the probe, the analyzer and the reporter on this machine until Ctrl-C (needs root)
    Run(RunArgs),
    /// Watch a small workload from the kernel to a local intake, and check that nothing is missing (needs root)
    Demo(DemoArgs),
    /// Show events as they happen
    Events(EventsArgs),
    /// Write what the probe streams into a capture file
    Record(RecordArgs),
    /// Feed a capture file to a fresh analyzer, with the recorded clock
    Replay(ReplayArgs),
    /// Look into capture files and convert them
    #[command(subcommand)]
    Capture(CaptureCommand),
    /// Record what a workload does, and look into such recordings
    #[command(subcommand)]
    Dump(DumpCommand),
    /// Check rules, try them on a capture, list their fields
    #[command(subcommand)]
    Rule(RuleCommand),
    /// Show services, hooks, counters and loss
    Status(StatusArgs),
    /// Check what this machine allows, before installing anything
    Doctor(DoctorArgs),
    /// Print what makes a shell complete commands and options
    Completions(CompletionsArgs),
    /// Become a service: drop rights, then start the program (used by `run` and `demo`)
    #[command(hide = true)]
    Become(BecomeArgs),
}

/// Where services live and who they are.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArgs {
    /// Directory for sockets and generated configurations; a private temporary one when it is not writable
    #[arg(long, value_name = "DIR", default_value = "/run/shrike")]
    pub(crate) run_dir: PathBuf,
    /// User of the analyzer; without it `shrike-analyzer` if that user exists, else an id that nobody has. A user named
    /// here keeps its supplementary groups, and may ask container runtimes then. The reporter has a user of its own
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}

/// `shrike run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo shrike run
  sudo shrike run --scope services --output file=/var/log/shrike/events.json
  sudo shrike run --output intake=https://http-intake.logs.datadoghq.com --api-key-file /etc/shrike/api-key")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// What is watched: containers, services (containers and systemd services), cgroup=/path or host
    #[arg(long, value_name = "SCOPE", default_value = "containers")]
    pub(crate) scope: ScopeRule,
    /// Where events go: stdout, file=PATH or intake=URL
    #[arg(long, value_name = "OUTPUT", default_value = "stdout")]
    pub(crate) output: Output,
    /// File with the API key of the intake; needed for intake=URL
    #[arg(long, value_name = "PATH")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Use probe.toml, analyzer.toml and reporter.toml of this directory instead of generated ones
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scope", "output", "api_key_file"])]
    pub(crate) config_dir: Option<PathBuf>,
}

/// `shrike demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo shrike demo                   live events, then what happened to every one of them
  sudo shrike demo --json | jq .evt  the JSON that the intake received")]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Print the JSON of every event that the intake received, one a line, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// After the demo, stay up and show live events until Ctrl-C
    #[arg(long, alias = "keep-going", conflicts_with = "json")]
    pub(crate) stay: bool,
    /// Like --stay when standard input is a terminal
    #[arg(long, conflicts_with = "json")]
    pub(crate) stay_if_terminal: bool,
}

/// Which events are shown, and how.
#[derive(Debug, Default, Args)]
pub(crate) struct SelectArgs {
    /// Only these kinds
    #[arg(long = "type", value_name = "KIND", value_delimiter = ',', value_parser = Kind::ALL.map(Kind::name))]
    pub(crate) kinds: Vec<String>,
    /// Only these containers: by the start of the id from the first event on, by name as soon as it is known
    #[arg(long = "container", value_name = "NAME|ID", value_delimiter = ',')]
    pub(crate) containers: Vec<String>,
    /// Only processes with this name
    #[arg(long = "comm", value_name = "NAME", value_delimiter = ',')]
    pub(crate) comms: Vec<String>,
    /// Only these paths, and what is below them; `*` is anything, `?` one character
    #[arg(long = "path", value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// Only programs that were started with this text in their command line
    #[arg(long = "arg", value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
    /// Only calls that failed, and processes that did not end well
    #[arg(long)]
    pub(crate) failed: bool,
    /// Not these: a kind, the name of a process, or paths as for --path
    #[arg(long = "exclude", value_name = "PATTERN", value_delimiter = ',')]
    pub(crate) excluded: Vec<String>,
    /// Also the libraries that the loader opens at the start of each program
    #[arg(long)]
    pub(crate) loader: bool,
    /// Indent processes below their parents
    #[arg(long, conflicts_with = "json")]
    pub(crate) tree: bool,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// One event JSON a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `shrike events`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike events --type exec,open --container web
  shrike events --path /etc --failed --exclude cron
  shrike events --tree --type exec,exit
  shrike events --comm sh --count 10 --json")]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// `shrike record`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike record --duration 30s build.cap
  shrike record --count 10000 build.cap && shrike replay build.cap --json")]
pub(crate) struct RecordArgs {
    /// The capture file to write; it appears when the recording is complete
    pub(crate) file: PathBuf,
    /// End after this time, for example 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// End after this many events, at the end of their batch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Overwrite an existing file
    #[arg(long)]
    pub(crate) force: bool,
}

/// `shrike replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike replay build.cap            as `shrike events` showed it
  shrike replay build.cap --type exec --arg --password
  shrike replay build.cap --json     the event JSON, byte for byte as at the intake")]
pub(crate) struct ReplayArgs {
    /// The capture file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
}

/// `shrike completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike completions bash > /usr/local/share/bash-completion/completions/shrike
  source <(shrike completions bash)")]
pub(crate) struct CompletionsArgs {
    /// For this shell
    pub(crate) shell: clap_complete::Shell,
}

/// `shrike capture`.
#[derive(Debug, Subcommand)]
pub(crate) enum CaptureCommand {
    /// Turn a capture (.cap) into JSON lines (.jsonl) that a person can edit, or back
    Convert {
        /// The file to read, .cap or .jsonl
        input: PathBuf,
        /// The file to write, .jsonl or .cap
        output: PathBuf,
        /// Overwrite an existing file
        #[arg(long)]
        force: bool,
    },
    /// Say what a capture holds
    Info {
        /// The capture file
        file: PathBuf,
    },
}

/// `shrike status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    /// Again every second until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
    /// Also every cause of loss and every counter of every service
    #[arg(long)]
    pub(crate) all: bool,
}

/// `shrike doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// `shrike become`: hidden.
#[derive(Debug, Args)]
pub(crate) struct BecomeArgs {
    /// End with this process
    #[arg(long)]
    pub(crate) parent: i32,
    /// User to become
    #[arg(long, requires = "gid")]
    pub(crate) uid: Option<u32>,
    /// Group to become
    #[arg(long, requires = "uid")]
    pub(crate) gid: Option<u32>,
    /// Keep the supplementary groups of this user, instead of none
    #[arg(long, requires = "uid", value_name = "NAME")]
    pub(crate) groups_of: Option<String>,
    /// Have a network of its own, with nothing in it
    #[arg(long)]
    pub(crate) no_network: bool,
    /// Control group to join first
    #[arg(long)]
    pub(crate) cgroup: Option<PathBuf>,
    /// Nice value, if it may be had
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) nice: Option<i32>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub(crate) program: Vec<std::ffi::OsString>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_count_of_no_events_is_refused_instead_of_waiting_for_one() {
        for command in
            [&["shrike", "events", "--count", "0"][..], &["shrike", "record", "--count", "0", "a.cap"]]
        {
            assert!(Cli::try_parse_from(command).is_err(), "{command:?}");
        }
    }

    #[test]
    fn an_unknown_event_type_is_refused_with_those_that_exist() {
        let error =
            Cli::try_parse_from(["shrike", "events", "--type", "exec,mount"]).unwrap_err().to_string();
        assert!(error.contains("mount") && error.contains("exec, fork, exit, open"), "{error}");
    }

    #[test]
    fn options_of_every_command_may_stand_after_the_command() {
        let cli = Cli::try_parse_from(["shrike", "events", "--socket", "/x", "--color", "never"]).unwrap();
        assert_eq!(cli.global.socket, PathBuf::from("/x"));
        assert_eq!(cli.global.color, ColorMode::Never);
    }
}
