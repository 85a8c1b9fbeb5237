//! What a running reporter needs of files and system calls.
//!
//! Landlock decides about the place at which a file really is, so whatever may be a link is followed here, as far as it leads
//! to something now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bootstrap::confine::{Calls, Needs, directory_of};

use crate::config::Config;

/// Certificates, where distributions keep them, and the names of hosts and name servers, which may be links to what keeps
/// them.
const NETWORK: [&str; 9] = [
    "/etc",
    "/usr/lib/ssl",
    "/usr/local/share",
    "/usr/share",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/var/lib/ca-certificates",
    "/nix/store",
];
/// Where systems have certificates; on some each is a link, and the first is a link too.
const CERTIFICATES: [&str; 6] = [
    "/etc/ssl/certs",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs",
    "/etc/ssl/cert.pem",
    "/var/lib/ca-certificates",
    "/var/ssl/certs",
];

/// What it needs with this configuration: the network and what belongs to it only when there is an intake.
#[must_use]
pub fn confines(config: &Config) -> Needs {
    let mut needs = Needs { sockets: vec![directory_of(&config.socket)], ..Needs::default() };
    needs.write.extend(config.file.as_ref().map(|file| directory_of(&file.path)));
    needs.write.extend(config.spool.as_ref().map(|spool| spool.path.clone()));
    if let Some(intake) = &config.intake {
        needs.calls = vec![Calls::Internet];
        needs.read.extend(NETWORK.map(PathBuf::from));
        let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter_map(std::env::var_os);
        let named = variables.flat_map(|paths| std::env::split_paths(&paths).collect::<Vec<_>>());
        for place in CERTIFICATES.map(PathBuf::from).into_iter().chain(named).chain(intake.ca_file.clone()) {
            needs.read.extend(targets(&place));
        }
        needs.read.extend(nearest(Path::new("/etc/resolv.conf")));
        // A file that is replaced is another one, so its directory; a mounted secret is a link in its own.
        let more = intake.additional_endpoints.iter().filter_map(|one| one.api_key_file.as_ref());
        for path in intake.api_key_file.iter().chain(more) {
            needs.read.push(directory_of(path));
            needs.read.extend(std::fs::canonicalize(path).map(|path| directory_of(&path)));
        }
    }
    needs
}

/// Where a file, or a directory and the files in it, really are.
fn targets(place: &Path) -> BTreeSet<PathBuf> {
    let mut targets = BTreeSet::from([place.to_owned()]);
    let Ok(real) = std::fs::canonicalize(place) else { return targets };
    for entry in std::fs::read_dir(&real).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_symlink())
            && let Ok(real) = std::fs::canonicalize(entry.path())
        {
            targets.insert(directory_of(&real));
        }
    }
    targets.insert(real);
    targets
}

/// The nearest directory that is there on the way to what a link leads to: what it names may be made later.
fn nearest(link: &Path) -> Option<PathBuf> {
    let target = std::fs::read_link(link).ok()?;
    let target = directory_of(link).join(target);
    target.ancestors().skip(1).find(|directory| directory.is_dir()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::IntakeConfig;

    #[test]
    fn certificates_and_keys_are_readable_where_they_really_are() {
        let dir = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(dir.path()).unwrap();
        let at = |name: &str| root.join(name);
        for name in ["store", "certs", "version"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("store/a.pem"), "").unwrap();
        std::fs::write(at("version/key"), "").unwrap();
        symlink(at("store/a.pem"), at("certs/a.pem")).unwrap();
        symlink(at("certs"), at("link")).unwrap();
        symlink(at("version"), at("now")).unwrap();
        assert_eq!(targets(&at("link")), BTreeSet::from([at("link"), at("certs"), at("store")]));
        assert_eq!(targets(&at("absent")), BTreeSet::from([at("absent")]));
        let intake = IntakeConfig { api_key_file: Some(at("now/key")), ..IntakeConfig::default() };
        let needs = confines(&Config { intake: Some(intake), ..Config::default() });
        assert!(needs.read.contains(&at("now")) && needs.read.contains(&at("version")));
    }

    #[test]
    fn what_the_resolver_will_read_may_be_made_later() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("run")).unwrap();
        let link = dir.path().join("resolv.conf");
        symlink("run/resolve/stub.conf", &link).unwrap();
        assert_eq!(nearest(&link), Some(dir.path().join("run")));
        assert_eq!(nearest(&dir.path().join("run")), None);
    }
}
