//! The command line of `shrike-probe`. What it says wins over the configuration file.

use std::path::PathBuf;

use bootstrap::config::ConfigError;
use clap::{Parser, Subcommand};
use event::ScopeRule;

use crate::config::Config;

/// The privileged part of Shrike: watches containers from the kernel and streams events to the analyzer.
#[derive(Debug, Parser)]
#[command(name = "shrike-probe", version = bootstrap::VERSION)]
pub struct Cli {
    /// What to do; without a word it runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of a run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch and serve until SIGTERM (the default)
    Run(RunArgs),
    /// Check on this kernel that every hook reports the truth, in a control group of its own
    SelfTest,
    /// Confine itself as a running probe is, try what must not be possible then, and show what came of it
    Confinement(RunArgs),
    /// Show what this kernel allows; starts nothing
    Doctor {
        /// One JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Put the profiles of system calls of the three containers into this directory, for a kubelet
    SeccompProfiles {
        /// The directory
        #[arg(value_name = "DIRECTORY")]
        directory: PathBuf,
    },
    /// Print the version
    Version,
}

/// Settings of a run that can be given on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunArgs {
    /// Configuration file; without it every setting has its default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Unix socket for the analyzer
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// What to watch: containers, services, cgroup=/path or host
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<ScopeRule>,
    /// The only uid that may connect: that of the analyzer
    #[arg(long, value_name = "UID")]
    pub allow_uid: Option<u32>,
}

impl RunArgs {
    /// The configuration file with what was given here in its place.
    ///
    /// # Errors
    /// When the file cannot be read or is not valid.
    pub fn load(self) -> Result<Config, ConfigError> {
        let mut config: Config = bootstrap::config::load(self.config.as_deref())?;
        config.socket = self.socket.unwrap_or(config.socket);
        config.scope = self.scope.unwrap_or(config.scope);
        config.allow_uid = self.allow_uid.or(config.allow_uid);
        Ok(config)
    }

    /// These settings, or where nothing is said, those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            config: self.config.or(other.config),
            socket: self.socket.or(other.socket),
            scope: self.scope.or(other.scope),
            allow_uid: self.allow_uid.or(other.allow_uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_said_on_the_command_line_wins_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("probe.toml");
        std::fs::write(&path, "socket = '/a'\nscope = 'host'\nallow_uid = 3\n").unwrap();
        let file = path.to_str().unwrap();
        let cli = Cli::parse_from(["shrike-probe", "--config", file, "--scope", "cgroup=/x"]);
        let config = cli.run.load().unwrap();
        assert_eq!((config.socket, config.allow_uid), (PathBuf::from("/a"), Some(3)));
        assert_eq!(config.scope, ScopeRule::Cgroup("/x".to_owned()));
    }

    #[test]
    fn settings_may_stand_before_or_after_the_word_run() {
        let cli = Cli::parse_from(["shrike-probe", "--allow-uid", "3", "run", "--scope", "host"]);
        let Some(Command::Run(after)) = cli.command else { panic!("run was asked for") };
        let both = after.or(cli.run);
        assert_eq!((both.allow_uid, both.scope), (Some(3), Some(ScopeRule::Host)));
    }

    #[test]
    fn an_unknown_scope_is_refused_with_the_known_ones() {
        let error = Cli::try_parse_from(["shrike-probe", "--scope", "pods"]).unwrap_err().to_string();
        assert!(error.contains("cgroup=/path"), "{error}");
    }
}
