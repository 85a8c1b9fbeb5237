//! The options of `shrike-reporter`, and how they override the configuration file.

use std::path::PathBuf;

use bootstrap::config;
use clap::Parser;
use reporter::config::Config;

/// Takes payloads from the analyzer and delivers them to a logs intake, a file or standard output.
#[derive(Debug, Parser)]
#[command(name = "shrike-reporter", version)]
pub(crate) struct Cli {
    /// Configuration file (TOML); the options below override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Socket on which payloads arrive
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Uid that may submit payloads; can be given more than once
    #[arg(long, value_name = "UID")]
    allow_uid: Vec<u32>,
    /// Base URL of the logs intake, https://host:port
    #[arg(long, value_name = "URL")]
    intake_url: Option<String>,
    /// File that holds the API key of the intake
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Host name in every payload, where that of the machine is not the one to report (in a Kubernetes pod)
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Ask each intake whether it can be reached and takes the API key, say what it answered, and end
    #[arg(long)]
    pub(crate) check: bool,
    /// Confine itself as a running reporter is, try what must not be possible then, and show what came of it
    #[arg(long)]
    pub(crate) confinement: bool,
    /// Do not warn about running as root
    #[arg(long)]
    pub(crate) allow_root: bool,
}

impl Cli {
    /// The configuration that applies.
    pub(crate) fn load(self) -> Result<Config, config::ConfigError> {
        let mut config: Config = config::load(self.config.as_deref())?;
        config.socket = self.socket.unwrap_or(config.socket);
        if !self.allow_uid.is_empty() {
            config.allowed_uids = self.allow_uid;
        }
        config.hostname = self.hostname.or(config.hostname);
        if self.intake_url.is_some() {
            let intake = config.intake.get_or_insert_default();
            (intake.url, intake.site) = (self.intake_url, None);
        }
        if self.api_key_file.is_some() {
            let intake = config.intake.get_or_insert_default();
            (intake.api_key_file, intake.api_key_env) = (self.api_key_file, None);
        }
        Ok(config)
    }
}
