//! `shrike dump` and its options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dump::Format;

/// `shrike dump`.
#[derive(Debug, Subcommand)]
pub(crate) enum DumpCommand {
    /// Record what a container does from now on, and write it to a file
    Start(DumpStartArgs),
    /// List the dumps that run
    List(DumpListArgs),
    /// End a dump before its time is over; it is kept
    Stop(DumpStopArgs),
    /// Show what a dump or profile holds: as a tree, or as a page to open in a browser
    Show(DumpShowArgs),
    /// Turn a dump or profile into another format
    Convert(DumpConvertArgs),
    /// Show what one recording holds and another does not
    Diff(DumpDiffArgs),
    /// Say how much a dump holds, and what it missed
    Stats(DumpStatsArgs),
    /// Build a dump from the events of a capture, without any service
    FromCapture(DumpFromArgs),
}

/// Whose dump.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WorkloadArgs {
    /// The container: its id, the beginning of it, or its name
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) container: Option<String>,
    /// The control group, by its path
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<String>,
}

/// `shrike dump start`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike dump start --container web --timeout 30s -o web.profile -o web.html
  shrike dump start --cgroup /system.slice/nginx.service --timeout 5m
  shrike dump start --container web --detach --format profile,json

Ctrl-C ends the dump and writes what there is.")]
pub(crate) struct DumpStartArgs {
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    /// How long, for example 30s or 5m; without it as long as the analyzer is configured to
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Programs with other arguments are other processes
    #[arg(long)]
    pub(crate) differentiate_args: bool,
    /// Files to write, the ending says the format; without it NAME.profile in this directory
    #[arg(long, short, value_name = "OUT", conflicts_with = "detach")]
    pub(crate) output: Vec<PathBuf>,
    /// Formats that the analyzer keeps in its directory; without it those it is configured to
    #[arg(long = "format", value_name = "FORMAT", value_delimiter = ',')]
    pub(crate) formats: Vec<Format>,
    /// Do not wait: the analyzer keeps the dump in its directory
    #[arg(long)]
    pub(crate) detach: bool,
    /// Overwrite existing files
    #[arg(long)]
    pub(crate) force: bool,
}

/// `shrike dump list`.
#[derive(Debug, Args)]
pub(crate) struct DumpListArgs {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// `shrike dump stop`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["name", "container", "cgroup"])))]
pub(crate) struct DumpStopArgs {
    /// Name of the dump
    pub(crate) name: Option<String>,
    /// The container: its id, the beginning of it, or its name
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) container: Option<String>,
    /// The control group, by its path
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<String>,
}

/// `shrike dump show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike dump show web.profile
  shrike dump show web.protobuf.gz --processes
  shrike dump show web.profile --html > web.html")]
pub(crate) struct DumpShowArgs {
    /// The file: .protobuf, .profile or .json, each also .gz
    pub(crate) file: PathBuf,
    /// Only the processes
    #[arg(long)]
    pub(crate) processes: bool,
    /// Write a page to open, search and filter to standard output
    #[arg(long, conflicts_with = "processes")]
    pub(crate) html: bool,
}

/// `shrike dump convert`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike dump convert web.protobuf --to json | jq .tree
  shrike dump convert web.protobuf --to dot | dot -Tsvg > web.svg
  shrike dump convert web.profile -o web.html")]
pub(crate) struct DumpConvertArgs {
    /// The file to read: .protobuf, .profile or .json, each also .gz
    pub(crate) input: PathBuf,
    /// The format to write: protobuf, profile, json, dot or html; without it what the ending of OUT says
    #[arg(long, value_name = "FORMAT", required_unless_present = "output")]
    pub(crate) to: Option<Format>,
    /// The file to write, packed if it ends in .gz; without it standard output
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite an existing file
    #[arg(long)]
    pub(crate) force: bool,
}

/// `shrike dump diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike dump diff web-1.0.profile web-1.1.profile

Exit codes: 0 they hold the same, 1 they differ.")]
pub(crate) struct DumpDiffArgs {
    /// What is marked with - if only this one has it
    pub(crate) before: PathBuf,
    /// What is marked with + if only this one has it
    pub(crate) after: PathBuf,
}

/// `shrike dump stats`.
#[derive(Debug, Args)]
pub(crate) struct DumpStatsArgs {
    /// The file: .protobuf, .profile or .json, each also .gz
    pub(crate) file: PathBuf,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// `shrike dump from-capture`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike dump from-capture build.cap -o build.profile
  shrike dump from-capture docs/example.capture.jsonl -o example.html")]
pub(crate) struct DumpFromArgs {
    /// The capture, .cap or .jsonl
    pub(crate) capture: PathBuf,
    /// The file to write; its ending says the format
    #[arg(long, short, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// The workload: a container by the start of its id, or a control group by its path. Without it the only one there is
    #[arg(long, value_name = "ID|PATH")]
    pub(crate) container: Option<String>,
    /// Programs with other arguments are other processes
    #[arg(long)]
    pub(crate) differentiate_args: bool,
    /// Overwrite an existing file
    #[arg(long)]
    pub(crate) force: bool,
}
