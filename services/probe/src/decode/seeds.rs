//! The seeds of the fuzz target `event_abi_decode`: a corpus whose records are not read any more tests nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use event::Kind;
use event_abi::event_kind;

use super::Decoder;

const SERVICE: [event_kind; 4] = [
    event_kind::EVENT_CGROUP_MADE,
    event_kind::EVENT_CGROUP_GONE,
    event_kind::EVENT_EXEC_STRINGS,
    event_kind::EVENT_KNOWN,
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/event_abi_decode")
}

/// The records of a seed, as the fuzz target parts them: the number of words, then the words.
fn records(seed: &[u8]) -> Vec<Vec<u8>> {
    let (mut records, mut rest) = (Vec::new(), seed);
    while let [words, tail @ ..] = rest {
        let (record, after) = tail.split_at(usize::from(*words) * 8);
        let mut record = record.to_vec();
        let size = u32::try_from(record.len()).unwrap().to_ne_bytes();
        record[8..12].copy_from_slice(&size);
        records.push(record);
        rest = after;
    }
    records
}

fn number(record: &[u8]) -> u16 {
    u16::from_ne_bytes([record[12], record[13]])
}

/// The shortest record of a kind that can be read, all zero but for its number and size.
fn bare(kind: Kind) -> Option<Vec<u8>> {
    (2..=255_u8).find_map(|words| {
        let mut seed = vec![0; 1 + usize::from(words) * 8];
        seed[0] = words;
        seed[13..15].copy_from_slice(&kind.number().to_ne_bytes());
        Decoder::default().decode(&records(&seed)[0]).is_ok().then_some(seed)
    })
}

/// A kind without a seed fails here; `UPDATE_GOLDEN=1` makes a bare one.
#[test]
fn every_record_of_the_fuzz_seeds_is_read_and_every_kind_has_one() {
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let mut decoder = Decoder::default();
        for record in records(&std::fs::read(&path).unwrap()) {
            let decoded = decoder.decode(&record);
            assert!(decoded.is_ok(), "{}: {decoded:?}", path.display());
            seen.insert(number(&record));
        }
    }
    for kind in Kind::ALL.into_iter().filter(|kind| !seen.contains(&kind.number())) {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(directory().join(kind.name()), bare(kind).unwrap()).unwrap();
            continue;
        }
        panic!("no seed has a record of kind {}: UPDATE_GOLDEN=1 makes one", kind.name());
    }
    for service in SERVICE {
        assert!(seen.contains(&u16::try_from(service.0).unwrap()), "no seed has a record {}", service.0);
    }
}
