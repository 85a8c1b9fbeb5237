use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const PREFIX: &str = "intake.low";

fn open(dir: &Path, least: u64) -> Log {
    Log::open(dir, PREFIX.to_owned(), least).unwrap()
}

/// The message of the record that begins there: of a length and with bytes that no other has.
fn body(first: u64, bytes: usize) -> Vec<u8> {
    let mut state = first.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(bytes)
    .collect()
}

/// Appends records of 1, 2, 3, 1, 2, 3, … payloads until there are at least `n`.
fn fill(log: &mut Log, n: u64, bytes: usize) {
    for payloads in (1..=3).cycle() {
        if log.next() >= n {
            break;
        }
        let body = body(log.next(), bytes);
        log.append(payloads, 7, &body).unwrap();
    }
    log.sync().unwrap();
}

/// Reads a range to its end: what came, and how many payloads are said to be gone.
fn read_all(log: &mut Log, range: Range<u64>) -> (Vec<Record>, u64) {
    let (mut records, mut lost, mut from) = (Vec::new(), 0, range.start);
    while from < range.end {
        let found = log.read(from..range.end).unwrap();
        assert!(found.next > from);
        records.extend(found.record);
        (lost, from) = (lost + found.lost, found.next);
    }
    (records, lost)
}

/// What came is what was written, and everything else is counted, to the payload.
fn check(log: &mut Log, range: Range<u64>, bytes: usize) -> u64 {
    let (records, lost) = read_all(log, range.clone());
    let mut seen = BTreeSet::new();
    for record in &records {
        assert_eq!(record.body, body(record.first, bytes), "record {}", record.first);
        let numbers = record.first..record.first + u64::from(record.n);
        assert!(numbers.clone().all(|number| seen.insert(number)), "record {} came twice", record.first);
    }
    assert_eq!(seen.len() as u64 + lost, range.end - range.start, "{lost} are said to be lost");
    lost
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    paths.sort();
    paths
}

#[test]
fn what_was_appended_is_read_again_also_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 200, 100_000);
    assert!(files(dir.path(), "segment").len() > 1, "more than one file");
    let end = log.next();
    assert_eq!(check(&mut log, 0..end, 100_000), 0);
    drop(log);
    let mut log = open(dir.path(), end);
    assert_eq!(log.next(), end);
    assert_eq!(check(&mut log, 0..end, 100_000), 0);
    fill(&mut log, end + 10, 100_000);
    let more = log.next();
    assert_eq!(check(&mut log, 0..more, 100_000), 0);
}

#[test]
fn a_new_process_never_writes_to_a_file_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path(), 0), 10, 10);
    let before = files(dir.path(), "segment");
    let bytes = std::fs::read(&before[0]).unwrap();
    fill(&mut open(dir.path(), 0), 20, 10);
    assert_eq!(std::fs::read(&before[0]).unwrap(), bytes);
    assert_eq!(files(dir.path(), "segment").len(), 2);
}

#[test]
fn files_of_processes_that_ended_with_their_first_record_hide_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 30, 10);
    let end = log.next();
    drop(log);
    let mut known = files(dir.path(), "segment");
    for left in [0, 10, 0, 60, 100, 0, 0, 7] {
        let mut log = open(dir.path(), end);
        log.append(1, 0, &body(end, 500)).unwrap();
        drop(log);
        let made = files(dir.path(), "segment").into_iter().find(|path| !known.contains(path)).unwrap();
        File::options().write(true).open(&made).unwrap().set_len(left).unwrap();
        known.push(made);
    }
    let mut log = open(dir.path(), end);
    fill(&mut log, end + 30, 10);
    let more = log.next();
    drop(log);
    let mut log = open(dir.path(), more);
    log.release(end).unwrap();
    assert_eq!(check(&mut log, end..more, 10), 0);
    assert_eq!(files(dir.path(), "segment").len(), 1);
}

#[test]
fn what_is_released_is_removed_file_by_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 300, 100_000);
    let n = files(dir.path(), "segment").len();
    let half = log.next() / 2;
    log.release(half).unwrap();
    let left = files(dir.path(), "segment").len();
    assert!(left < n && left > 1);
    let (first, end) = (log.first(), log.next());
    assert!(first <= end / 2);
    assert_eq!(check(&mut log, first..end, 100_000), 0);
    log.release(end).unwrap();
    assert_eq!(files(dir.path(), "segment").len(), 1, "the one that is written to stays");
    drop(log);
    open(dir.path(), end).release(end).unwrap();
    assert_eq!(files(dir.path(), "segment").len(), 0);
}

#[test]
fn a_file_that_ends_at_any_byte_gives_what_is_whole_and_counts_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 60, 200);
    let end = log.next();
    drop(log);
    let path = files(dir.path(), "segment").pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut last = 0;
    for length in (0..whole.len()).rev() {
        File::options().write(true).open(&path).unwrap().set_len(length as u64).unwrap();
        let mut log = open(dir.path(), end);
        assert_eq!(log.next(), end, "what the ledger promised keeps its numbers");
        let lost = check(&mut log, 0..end, 200);
        assert!(lost >= last && lost > 0);
        last = lost;
    }
    assert_eq!(last, end);
}

#[test]
fn a_file_that_is_gone_is_counted_by_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 300, 100_000);
    let end = log.next();
    drop(log);
    let paths = files(dir.path(), "segment");
    std::fs::remove_file(&paths[1]).unwrap();
    assert!(check(&mut open(dir.path(), end), 0..end, 100_000) > 0);
    std::fs::remove_file(&paths[0]).unwrap();
    std::fs::remove_file(paths.last().unwrap()).unwrap();
    assert!(check(&mut open(dir.path(), end), 0..end, 100_000) > 0);
}

#[test]
fn what_is_evicted_is_no_damage_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 300, 100_000);
    let end = log.next();
    let bytes = log.bytes();
    let oldest = log.oldest(&(1..end)).unwrap();
    assert!(oldest.range.start > 1, "a segment that is in use is not given up");
    log.evict(oldest.range.start).unwrap();
    assert!(log.bytes() < bytes);
    for mut log in [log, open(dir.path(), end)] {
        let (records, lost) = read_all(&mut log, 0..end);
        assert_eq!(lost, 0);
        let is_given_up = |record: &Record| oldest.range.contains(&record.first);
        assert!(!records.iter().any(is_given_up));
        let read: u64 = records.iter().map(|record| u64::from(record.n)).sum();
        assert_eq!(read + oldest.range.end - oldest.range.start, end);
        let next = log.oldest(&(0..end)).unwrap().range;
        assert_ne!(next.start, oldest.range.start);
    }
    let mut log = open(dir.path(), end);
    log.release(end).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_newest_damaged_file_is_kept_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    fill(&mut log, 300, 100_000);
    let end = log.next();
    drop(log);
    for path in files(dir.path(), "segment").iter().take(2) {
        let file = File::options().write(true).open(path).unwrap();
        file.write_all_at(b"damage", 60_000).unwrap();
    }
    let mut log = open(dir.path(), end);
    assert!(check(&mut log, 0..end, 100_000) > 0);
    log.release(end).unwrap();
    assert_eq!([files(dir.path(), "segment").len(), files(dir.path(), "damaged").len()], [0, 1]);
}

/// Of 1 GiB, and at every byte, with `SHRIKE_CRASH_MIB=1024 SHRIKE_CRASH_STRIDE=1`.
#[test]
fn a_file_cut_anywhere_in_its_last_mebibyte_opens_at_once_and_counts_what_is_gone() {
    let setting = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (mib, stride) = (setting("SHRIKE_CRASH_MIB", 16), setting("SHRIKE_CRASH_STRIDE", 9973));
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path(), 0);
    while log.bytes() < mib << 20 || log.segments.last().unwrap().bytes < 5 << 19 {
        let body = body(log.next(), 20_000);
        log.append(3, 7, &body).unwrap();
    }
    log.sync().unwrap();
    let (end, bytes) = (log.next(), log.bytes());
    drop(log);
    let started = std::time::Instant::now();
    let opened = open(dir.path(), end);
    println!("opened {} MiB in {:?}", bytes >> 20, started.elapsed());
    let first = end - 3 * ((1 << 20) / 20_000);
    drop(opened);
    let path = files(dir.path(), "segment").pop().unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    let mut cuts = 0;
    for gone in (1..1 << 20).step_by(usize::try_from(stride).unwrap()) {
        file.set_len(length - gone).unwrap();
        let mut log = open(dir.path(), end);
        assert!(check(&mut log, first..end, 20_000) > 0);
        cuts += 1;
    }
    println!("{cuts} cuts");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_overwritten_cut_or_doubled_what_is_whole_comes_and_the_rest_is_counted(
        edits in proptest::collection::vec((any::<usize>(), any::<u8>(), 0..4_usize), 1..12),
        cut in proptest::option::of(any::<usize>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), 0);
        fill(&mut log, 120, 300);
        let end = log.next();
        drop(log);
        let path = files(dir.path(), "segment").pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, value, kind) in edits {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] ^= 1 << (value % 8),
                1 => bytes[at] = value,
                2 => drop(bytes.splice(at..at, [value, 0xff])),
                _ => {
                    let to = (at + usize::from(value)).min(bytes.len());
                    bytes.drain(at..to);
                    bytes.push(value);
                }
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut % bytes.len());
        }
        std::fs::write(&path, &bytes).unwrap();
        check(&mut open(dir.path(), end), 0..end, 300);
    }

    #[test]
    fn a_model_agrees_after_any_sequence_of_appends_restarts_and_releases(
        acts in proptest::collection::vec((0..4_u8, 1..5_u32, 0..200_000_usize), 1..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), 0);
        let mut model: Vec<(u64, u32, usize)> = Vec::new();
        let mut released = 0;
        for (act, n, bytes) in acts {
            match act {
                0 | 1 => {
                    model.push((log.next(), n, bytes));
                    let body = body(log.next(), bytes);
                    log.append(n, 0, &body).unwrap();
                }
                2 => log = open(dir.path(), log.next()),
                _ => {
                    let middle = model.get(model.len() / 2).map_or(0, |(first, ..)| *first);
                    released = middle.max(released);
                    log.release(released).unwrap();
                }
            }
        }
        let end = log.next();
        let (records, lost) = read_all(&mut log, released..end);
        prop_assert_eq!(lost, 0);
        let expected: Vec<_> = model.into_iter().filter(|(first, ..)| *first >= released).collect();
        prop_assert_eq!(records.len(), expected.len());
        for (record, (first, n, bytes)) in records.into_iter().zip(expected) {
            prop_assert_eq!((record.first, record.n), (first, n));
            prop_assert!(record.body == body(first, bytes));
        }
    }
}
