//! Files that come whole, go together, and are found again in order.

use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

fn config(dir: &Path) -> StorageConfig {
    StorageConfig { output_directory: dir.join("dumps"), ..StorageConfig::default() }
}

fn open(config: &StorageConfig) -> Store {
    prepare(config).unwrap();
    Store::open(config).unwrap()
}

fn seen(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir.join("dumps"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != RUNNING)
        .collect();
    names.sort();
    names
}

#[test]
fn a_dump_goes_with_all_its_files_and_the_one_that_was_written_longest_ago_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store =
        open(&StorageConfig { max_dumps_count: NonZeroUsize::new(2).unwrap(), ..config(dir.path()) });
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    store.on_removal(move |files: &[PathBuf]| {
        assert!(files.iter().all(|file| file.exists()), "who hears of it may still read it");
        heard.lock().unwrap().push(files.len());
    });
    for name in ["a", "b"] {
        store.put(name, Format::Profile, true, b"1").unwrap();
        store.put(name, Format::Json, false, b"2").unwrap();
    }
    store.put("a", Format::Dot, false, b"3").unwrap();
    store.put("c", Format::Json, false, b"4").unwrap();
    assert_eq!(store.names(), ["a", "c"]);
    assert_eq!(seen(dir.path()), ["a.dot", "a.json", "a.profile.gz", "c.json"]);
    assert_eq!((told.lock().unwrap().as_slice(), store.removed()), (&[2][..], 1));
}

#[test]
fn bytes_are_bounded_too_and_the_newest_stays_however_large_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&StorageConfig { max_bytes: NonZeroUsize::new(10).unwrap(), ..config(dir.path()) });
    for name in ["a", "b", "c"] {
        store.put(name, Format::Json, false, b"12345").unwrap();
    }
    assert_eq!(store.names(), ["b", "c"]);
    store.put("d", Format::Json, false, &[0; 50]).unwrap();
    assert_eq!((store.names(), seen(dir.path())), (vec!["d"], vec!["d.json".to_owned()]));
    store.put("d", Format::Json, false, b"1").unwrap();
    store.put("e", Format::Json, false, b"12345").unwrap();
    assert_eq!(store.names(), ["d", "e"], "a file that is written again counts once");
}

#[test]
fn after_a_restart_dumps_are_found_in_the_order_in_which_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let mut store = open(&config);
    for (age, name) in [(9, "z"), (5, "y"), (7, "x"), (5, "w")] {
        let path = store.put(name, Format::Profile, name == "x", b"1").unwrap();
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 - age);
        File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
    }
    std::fs::write(dir.path().join("dumps/README.md"), "not ours").unwrap();
    std::fs::write(dir.path().join("dumps/.z.profile.tmp"), "half").unwrap();
    let mut store = open(&StorageConfig { max_dumps_count: NonZeroUsize::new(3).unwrap(), ..config });
    assert_eq!(store.names(), ["x", "w", "y"]);
    assert_eq!(seen(dir.path()), ["README.md", "w.profile", "x.profile.gz", "y.profile"]);
    store.put("v", Format::Profile, false, b"1").unwrap();
    assert_eq!(store.names(), ["w", "y", "v"]);
}

#[test]
fn a_file_is_there_whole_or_not_at_all_and_nobody_else_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&config(dir.path()));
    let path = store.put("a", Format::Json, false, b"old").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // A directory where the unfinished file is to be: it cannot be written.
    std::fs::create_dir(dir.path().join("dumps/.a.json.tmp")).unwrap();
    assert!(matches!(store.put("a", Format::Json, false, b"new"), Err(StoreError::Write { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(store.names(), ["a"]);
}

#[test]
fn a_file_is_read_by_its_name_only_if_it_is_one_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(&config(dir.path()));
    store.put("a", Format::Json, true, b"x").unwrap();
    assert_eq!(store.read("a.json.gz").unwrap().2, b"x");
    for name in ["a", "b.json", "../dumps/a.json.gz", "/etc/passwd", "", "."] {
        assert!(matches!(store.read(name), Err(StoreError::Unknown(_))), "{name}");
    }
}

#[test]
fn copies_of_running_dumps_are_found_after_a_kill_and_gone_when_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let store = open(&config);
    store.put_running("b", b"1").unwrap();
    store.put_running("a", b"1").unwrap();
    store.put_running("a", b"2").unwrap();
    drop(store);
    let store = open(&config);
    let left = [("a".to_owned(), b"2".to_vec()), ("b".to_owned(), b"1".to_vec())];
    assert_eq!(store.left_running(), left);
    assert!(store.names().is_empty(), "a copy is no dump yet");
    ["a", "b", "c"].iter().for_each(|name| store.remove_running(name));
    assert!(store.left_running().is_empty());
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    assert!(matches!(Store::open(&config), Err(StoreError::Directory { .. })), "it is not there");
    std::fs::write(dir.path().join("dumps"), "a file").unwrap();
    assert!(matches!(prepare(&config), Err(StoreError::Directory { .. })));
}
