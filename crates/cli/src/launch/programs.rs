//! Finds the programs of the services: beside this one first, so that one build never starts another's services.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::failure::Failure;

/// The executable called `name`.
pub(crate) fn find(name: &'static str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(Failure::system("find my own program"))?;
    let beside = own.parent().unwrap_or(Path::new("/")).to_owned();
    search(name, &beside, std::env::var_os("PATH").as_deref()).ok_or(Failure::MissingProgram { name, beside })
}

fn search(name: &str, beside: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    let in_path = path.map(std::env::split_paths).into_iter().flatten();
    // A relative entry of PATH would start whatever lies in the current directory, as root.
    let directories = std::iter::once(beside.to_owned()).chain(in_path.filter(|dir| dir.is_absolute()));
    directories.map(|dir| dir.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && access(file, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(dir: &Path, mode: u32) -> PathBuf {
        let path = dir.join("shrike-probe");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_program_beside_this_one_wins_over_one_in_path() {
        let (beside, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let other = program(elsewhere.path(), 0o755);
        let path = Some(elsewhere.path().as_os_str());
        assert_eq!(search("shrike-probe", beside.path(), path), Some(other));
        let own = program(beside.path(), 0o755);
        assert_eq!(search("shrike-probe", beside.path(), path), Some(own));
    }

    #[test]
    fn a_file_that_is_not_executable_is_not_a_program() {
        let beside = tempfile::tempdir().unwrap();
        program(beside.path(), 0o644);
        assert_eq!(search("shrike-probe", beside.path(), None), None);
    }

    #[test]
    fn relative_entries_of_path_are_ignored() {
        let beside = tempfile::tempdir().unwrap();
        assert_eq!(search("Cargo.toml", beside.path(), Some(OsStr::new("."))), None);
    }
}
