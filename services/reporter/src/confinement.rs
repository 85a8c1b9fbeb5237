//! What a running reporter needs of files and system calls.

use std::path::PathBuf;

use bootstrap::confine::{Calls, Needs, directory_of};

use crate::config::Config;

/// Certificates, where distributions keep them, and the names of hosts and name servers, which may be links to what keeps
/// them.
const NETWORK: [&str; 8] = [
    "/etc",
    "/usr/lib/ssl",
    "/usr/local/share",
    "/usr/share",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/var/lib/ca-certificates",
];

/// What it needs with this configuration: the network and what belongs to it only when there is an intake.
#[must_use]
pub fn confines(config: &Config) -> Needs {
    let mut needs = Needs { sockets: vec![directory_of(&config.socket)], ..Needs::default() };
    needs.write.extend(config.file.as_ref().map(|file| directory_of(&file.path)));
    if let Some(intake) = &config.intake {
        needs.calls = vec![Calls::Internet];
        needs.read.extend(NETWORK.map(PathBuf::from));
        needs
            .read
            .extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter_map(std::env::var_os).map(PathBuf::from));
        needs.read.extend(intake.api_key_file.clone());
    }
    needs
}
