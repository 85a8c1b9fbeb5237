//! `shrike rule` and its options.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `shrike rule`.
#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// Say what is wrong with rules, where, and what to write instead
    Check(RuleCheckArgs),
    /// Show which events of a capture a rule matches, and why
    Eval(RuleEvalArgs),
    /// List the fields that rules may use
    Fields(RuleFieldsArgs),
}

/// `shrike rule check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike rule check 'open.file.path == \"/etc/shadow\"'
  shrike rule check rules.secl       a file: rules with an empty line between them
  cat rules.secl | shrike rule check -")]
pub(crate) struct RuleCheckArgs {
    /// A file of rules, `-` for standard input, or one rule
    #[arg(value_name = "FILE|RULE")]
    pub(crate) rules: String,
    /// Whose events the rules are about
    #[arg(long, value_enum, default_value_t = RuleOs::Linux)]
    pub(crate) os: RuleOs,
}

/// `shrike rule eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike record demo.cap --duration 30s
  shrike rule eval 'exec.file.path == \"/usr/bin/env\"' --capture demo.cap
  shrike rule eval 'open.retval == EACCES' --capture docs/example.capture.jsonl")]
pub(crate) struct RuleEvalArgs {
    /// The rule
    pub(crate) rule: String,
    /// The capture, .cap or .jsonl
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: PathBuf,
    /// End after this many matches
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// `shrike rule fields`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shrike rule fields open.file       what is known of an opened file
  shrike rule fields                 everything; docs/fields.md has it by event")]
pub(crate) struct RuleFieldsArgs {
    /// Only fields that start with this
    pub(crate) prefix: Option<String>,
    /// Whose fields
    #[arg(long, value_enum, default_value_t = RuleOs::Linux)]
    pub(crate) os: RuleOs,
}

/// Whose events a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RuleOs {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
}
