//! The profiles of system calls for the three containers, which the image of the probe brings with it to the directory in
//! which a kubelet looks for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const PROFILES: [(&str, &str); 3] = [
    ("probe.json", include_str!("../../../deploy/seccomp/probe.json")),
    ("analyzer.json", include_str!("../../../deploy/seccomp/analyzer.json")),
    ("reporter.json", include_str!("../../../deploy/seccomp/reporter.json")),
];

/// A profile is not there.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct WriteError {
    /// The file.
    path: PathBuf,
    /// The cause.
    source: io::Error,
}

/// Puts them into a directory. Each is replaced in one step: containers of the version before may be started meanwhile.
///
/// # Errors
/// When one cannot be written; those before it are there.
pub fn write_to(directory: &Path) -> Result<(), WriteError> {
    for (name, text) in PROFILES {
        let (path, unfinished) = (directory.join(name), directory.join(format!(".{name}.new")));
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|source| WriteError { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_replace_those_of_the_version_before_and_leave_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("probe.json"), "old").unwrap();
        write_to(directory.path()).unwrap();
        let mut found: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, ["analyzer.json", "probe.json", "reporter.json"]);
        let probe = fs::read_to_string(directory.path().join("probe.json")).unwrap();
        assert!(probe.contains("\"bpf\""), "{probe}");
        let missing = directory.path().join("missing");
        assert!(write_to(&missing).unwrap_err().to_string().contains("missing/probe.json"));
    }
}
