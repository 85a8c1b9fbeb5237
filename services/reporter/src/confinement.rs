//! What a running reporter needs of files and system calls.

use std::path::PathBuf;

use bootstrap::confine::{Calls, Needs, directory_of};

use crate::config::Config;

/// Certificates, and what the resolver of the C library reads: its configuration, which may be a link to what keeps it, and
/// the libraries it is made of.
const NETWORK: [&str; 7] =
    ["/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"];

/// What it needs with this configuration: the network and what belongs to it only when there is an intake.
#[must_use]
pub fn confines(config: &Config) -> Needs {
    let mut needs = Needs { sockets: vec![directory_of(&config.socket)], ..Needs::default() };
    needs.write.extend(config.file.as_ref().map(|file| directory_of(&file.path)));
    needs.write.extend(config.spool.as_ref().map(|spool| spool.path.clone()));
    if let Some(intake) = &config.intake {
        needs.calls = vec![Calls::Internet, Calls::Libraries];
        needs.read.extend(NETWORK.map(PathBuf::from));
        needs
            .read
            .extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter_map(std::env::var_os).map(PathBuf::from));
        needs.read.extend(intake.api_key_file.clone());
    }
    needs
}
