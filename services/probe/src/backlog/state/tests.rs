use std::os::unix::fs::PermissionsExt;

use bootstrap::counters::Counter;

use super::*;

fn record() -> Record {
    Record {
        boot_id: "60f83ce4-0d47-4c0a-9b0e-3f7c0b2d7a11".to_owned(),
        session: 5,
        starts: 2,
        unsettled_since_ns: 1_000,
        is_stopped: false,
    }
}

fn begin(before: Option<Record>, attached_ns: u64) -> (Record, Option<(u64, u64, String)>) {
    let (record, gap) = Record::begin(before, &record().boot_id, 9, attached_ns);
    (record, gap.map(|gap| (gap.from_ns, gap.to_ns, gap.reason.to_string())))
}

#[test]
fn a_record_is_read_back_by_the_next_probe() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("probe.state");
    let file = StateFile::open(&path).unwrap();
    assert_eq!(file.read().unwrap(), None);
    file.write(&record()).unwrap();
    let stopped = Record { is_stopped: true, ..record() };
    file.write(&stopped).unwrap();
    drop(file);
    assert_eq!(StateFile::open(&path).unwrap().read().unwrap(), Some(stopped));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_damaged_record_says_nothing_whichever_byte_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("probe.state");
    let bytes = record().to_bytes();
    assert_eq!(bytes.len(), RECORD_BYTES);
    let mut damaged: Vec<Vec<u8>> = (0..bytes.len())
        .map(|position| {
            let mut bytes = bytes.clone();
            bytes[position] ^= 0x10;
            bytes
        })
        .collect();
    damaged.extend([vec![1], vec![0; RECORD_BYTES], bytes[..50].to_vec(), [bytes.clone(), vec![0]].concat()]);
    for bytes in damaged {
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = StateFile::open(&path).unwrap();
        assert!(matches!(file.read(), Err(StateError::Damaged(_))), "{bytes:?}");
        file.write(&record()).unwrap();
        assert_eq!(file.read().unwrap(), Some(record()));
    }
}

#[test]
fn a_file_that_somebody_else_could_have_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("probe.state");
    std::fs::write(&path, record().to_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o622)).unwrap();
    assert!(matches!(StateFile::open(&path), Err(StateError::NotOwn { .. })));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(StateFile::open(&link), Err(StateError::Io { .. })));
}

#[test]
fn a_killed_probe_leaves_a_gap_from_its_oldest_unsettled_event() {
    let (next, gap) = begin(Some(record()), 5_000);
    assert_eq!(gap, Some((1_000, 5_000, "the probe was killed".to_owned())));
    assert_eq!((next.starts, next.session, next.unsettled_since_ns), (3, 9, 1_000), "until it is told");
    assert!(!next.is_stopped);
}

#[test]
fn a_stopped_probe_leaves_a_gap_from_its_end() {
    let (_, gap) = begin(Some(Record { is_stopped: true, ..record() }), 5_000);
    assert_eq!(gap, Some((1_000, 5_000, "the probe was stopped".to_owned())));
}

#[test]
fn another_boot_and_no_record_at_all_leave_no_gap() {
    let other = Record { boot_id: "another".to_owned(), ..record() };
    for before in [None, Some(other)] {
        let (next, gap) = begin(before, 5_000);
        assert_eq!((next.starts, next.unsettled_since_ns, gap), (1, 5_000, None));
    }
    assert_eq!(begin(Some(record()), 900).1, None, "a time that is still to come is no gap");
}

#[test]
fn the_keeper_writes_the_first_a_later_and_the_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("probe.state");
    let reader = StateFile::open(&path).unwrap();
    let failed = Counter::default();
    let file = StateFile::open(&path).unwrap();
    let mut keeper = Keeper::start(file, record(), failed.clone()).unwrap();
    assert_eq!(reader.read().unwrap(), Some(record()));
    keeper.keep(2_000);
    while reader.read().unwrap().unwrap().unsettled_since_ns != 2_000 {
        std::thread::yield_now();
    }
    keeper.stop(3_000);
    let last = Record { unsettled_since_ns: 3_000, is_stopped: true, ..record() };
    assert_eq!((reader.read().unwrap(), failed.get()), (Some(last), 0));
}
