use std::num::NonZeroU32;

use super::*;
use crate::outputs::lines::pieces::tests::lines;

fn config(path: PathBuf, max_bytes: u64, max_files: u32) -> FileConfig {
    let max_files = NonZeroU32::new(max_files).unwrap();
    FileConfig { max_bytes, max_files, ..FileConfig::at(path) }
}

fn file(path: PathBuf, max_bytes: u64, max_files: u32) -> RotatingFile {
    RotatingFile::open(&config(path, max_bytes, max_files), Counter::default()).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn lines_go_on_in_a_new_file_and_the_oldest_file_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let mut output = file(path.clone(), 6, 2);
    assert_eq!(output.write(&lines(&["aa", "bb", "cc", "dd", "longer than a file", "ee", "ff"]), 0).0, 37);
    assert_eq!(read(&path), "ee\nff\n");
    assert_eq!(read(&numbered(&path, 1)), "longer than a file\n");
    assert_eq!(read(&numbered(&path, 2)), "cc\ndd\n");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_file_holds_as_many_bytes_of_documents_written_out_as_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let (head, tail) = ("h".repeat(10), format!("{}\n", "t".repeat(89)));
    let pieces = vec![[head.as_bytes(), tail.as_bytes()]; 25].concat();
    let many = Lines::new(pieces, (1..=25).map(|line| line * 100).collect());
    let mut output = file(path.clone(), 1000, 3);
    assert_eq!(output.write(&many, 0).0, 2500);
    assert_eq!(read(&path).len(), 500);
    for number in 1..=2 {
        assert_eq!(read(&numbered(&path, number)), format!("{head}{tail}").repeat(10));
    }
    assert!(!numbered(&path, 3).exists());
}

#[test]
fn a_write_that_stopped_goes_on_at_its_line_and_the_half_one_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let lines = lines(&["one", "two", "three"]);
    let mut output = file(path.clone(), 1000, 1);
    assert_eq!(output.append(&lines, 0..4).0, 4);
    // What a disk that is full in the middle of the second line leaves.
    std::fs::write(&path, "one\ntw").unwrap();
    output.has_half_line = true;
    assert_eq!(output.write(&lines, 4).0, 10);
    assert_eq!(read(&path), "one\ntwo\nthree\n");
}

#[test]
fn a_file_that_ends_in_half_a_line_is_cut_there_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let long = "x".repeat(3 * BLOCK_BYTES);
    for (before, kept) in [
        ("whole\nhalf".to_owned(), "whole\n"),
        ("half".to_owned(), ""),
        (format!("whole\n{long}"), "whole\n"),
        ("whole\n".to_owned(), "whole\n"),
        (String::new(), ""),
    ] {
        std::fs::write(&path, &before).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let cut = Counter::default();
        let mut output = RotatingFile::open(&config(path.clone(), 1 << 30, 1), cut.clone()).unwrap();
        assert_eq!(cut.get(), (before.len() - kept.len()) as u64);
        assert_eq!(output.write(&lines(&["next"]), 0).0, 5);
        assert_eq!(read(&path), format!("{kept}next\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn nothing_is_written_behind_half_a_line_that_an_error_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let mut output = file(path.clone(), 1000, 1);
    output.write(&lines(&["one"]), 0);
    // What a write that failed in the middle leaves.
    std::fs::write(&path, "one\ntw").unwrap();
    output.has_half_line = true;
    assert_eq!(output.write(&lines(&["two"]), 0).0, 4);
    assert_eq!(read(&path), "one\ntwo\n");
}

#[test]
fn a_file_that_was_moved_away_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let mut output = file(path.clone(), 1000, 1);
    output.write(&lines(&["old"]), 0);
    std::fs::rename(&path, dir.path().join("elsewhere")).unwrap();
    output.write(&lines(&["new"]), 0);
    assert_eq!(read(&path), "new\n");
    assert_eq!(read(&dir.path().join("elsewhere")), "old\n");
}

#[test]
fn an_unwritable_place_is_an_error_that_says_what_to_look_at() {
    let error = RotatingFile::open(&config("/proc/none/events".into(), 1, 1), Counter::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/proc/none/events") && error.contains("directory"), "{error}");
}

#[test]
fn a_full_disk_is_an_error_and_the_lines_are_not_counted_as_written() {
    let mut output = file("/dev/full".into(), 1000, 1);
    let (written, error) = output.write(&lines(&["a", "b"]), 0);
    assert_eq!(written, 0);
    assert!(error.is_some());
}
