//! The programs do what they print.

use std::process::Command;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_events_prints_what_its_arguments_make_in_events() {
        let mut program = Command::new(env!("CARGO_BIN_EXE_count-events"));
        program.args(["--execs", "2", "--forks", "3", "--opens", "4", "--open-fails", "1"]);
        let output = program.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let did: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        // Its own exec and exit included.
        for (what, n) in [("execs", 3), ("forks", 5), ("exits", 6), ("opens", 5), ("opens_failed", 1)] {
            assert_eq!(did[what], n, "{what}: {did}");
        }
    }

    #[test]
    fn an_open_that_fails_though_it_should_not_is_an_error() {
        let mut program = Command::new(env!("CARGO_BIN_EXE_count-events"));
        let output = program.args(["--opens", "1", "--file", "/does/not/exist"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("/does/not/exist"), "{output:?}");
    }

    #[test]
    fn flip_path_prints_one_of_the_two_files_for_every_try() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
        std::fs::write(&a, "").unwrap();
        std::fs::write(&b, "").unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_flip-path"));
        let output = program.arg(&a).arg(&b).args(["--tries", "2000"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 2000);
        assert!(text.lines().all(|line| line == a.to_str().unwrap() || line == b.to_str().unwrap()));
    }
}
