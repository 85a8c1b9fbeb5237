//! Records built by hand, and what must not be accepted.

use zerocopy::IntoBytes;

use super::*;
use crate::generated::{event_header, open_event};

/// Bytes aligned as those of a ring.
fn aligned(bytes: &[u8]) -> Vec<u64> {
    let mut words = vec![0; bytes.len().div_ceil(8)];
    words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
    words
}

fn with<R>(bytes: &[u8], check: impl FnOnce(Result<Record<'_>, AbiError>) -> R) -> R {
    let words = aligned(bytes);
    check(decode(&words.as_bytes()[..bytes.len()]))
}

fn open_record(path: &[u8], argument: &[u8]) -> Vec<u8> {
    let size = size_of::<open_event>() + path.len() + argument.len();
    let event = open_event {
        header: event_header { kind: 4, size: size.try_into().unwrap(), ..Default::default() },
        retval: -2,
        file: file_info {
            path_len: path.len().try_into().unwrap(),
            argument_len: argument.len().try_into().unwrap(),
            ..Default::default()
        },
        ..Default::default()
    };
    [event.as_bytes(), path, argument].concat()
}

/// All that reading an open can find.
fn opened<'a>(record: Result<Record<'a>, AbiError>) -> Result<(&'a open_event, FileParts<'a>), AbiError> {
    let Record::Event(4, mut reader) = record? else { return Err(AbiError::UnknownKind(0)) };
    let event: &open_event = reader.fixed()?;
    let file = reader.file(&event.file)?;
    reader.end()?;
    Ok((event, file))
}

#[test]
fn an_open_record_gives_its_parts() {
    with(&open_record(b"srv/", b"missing"), |record| {
        let (event, file) = opened(record).unwrap();
        assert_eq!(event.retval, -2);
        assert_eq!((file.path, file.argument), (&b"srv/"[..], &b"missing"[..]));
    });
}

#[test]
fn every_shorter_or_longer_record_is_refused() {
    let whole = open_record(b"srv/", b"missing");
    for len in 0..whole.len() {
        with(&whole[..len], |record| assert!(opened(record).is_err(), "{len}"));
    }
    with(&[&whole[..], b"x"].concat(), |record| assert!(matches!(record, Err(AbiError::WrongSize { .. }))));
}

#[test]
fn a_length_beyond_the_record_is_refused() {
    let mut record = open_record(b"srv/", b"missing");
    let place = size_of::<open_event>() - size_of::<file_info>() + std::mem::offset_of!(file_info, path_len);
    record[place..place + 2].copy_from_slice(&u16::MAX.to_ne_bytes());
    with(&record, |record| {
        let found = opened(record).err();
        assert!(matches!(found, Some(AbiError::Truncated { need: 65535, .. })), "{found:?}");
    });
}

#[test]
fn bytes_that_belong_to_no_part_are_refused() {
    let mut record = open_record(b"srv/", b"missing");
    let place =
        size_of::<open_event>() - size_of::<file_info>() + std::mem::offset_of!(file_info, argument_len);
    record[place] -= 1;
    with(&record, |record| assert_eq!(opened(record).err(), Some(AbiError::TrailingBytes(1))));
}

#[test]
fn an_unknown_kind_is_data_and_not_trusted() {
    let header = event_header { kind: 377, size: 16, ..Default::default() };
    with(header.as_bytes(), |record| assert_eq!(record.err(), Some(AbiError::UnknownKind(377))));
}

#[test]
fn a_misaligned_record_is_refused() {
    let words = aligned(&[&[0; 4], &open_record(b"", b"")[..]].concat());
    let record = &words.as_bytes()[4..4 + size_of::<open_event>()];
    assert_eq!(decode(record).err(), Some(AbiError::Misaligned));
}

/// A small generator, so that the test needs no dependency: the same bytes in every run.
#[test]
fn random_bytes_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20_000_u64 {
        let mut bytes = vec![0_u8; usize::try_from(round % 700).unwrap()];
        for byte in &mut bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = state.to_be_bytes()[0];
        }
        if let Some(size) = bytes.get_mut(8..12) {
            size.copy_from_slice(&u32::try_from(round % 700).unwrap().to_ne_bytes());
        }
        if let Some(kind) = bytes.get_mut(12..14) {
            let kinds = [0, 1, 4, 200, 256, 257, 258, 259, 260, u16::MAX];
            kind.copy_from_slice(&kinds[usize::try_from(round % 10).unwrap()].to_ne_bytes());
        }
        with(&bytes, |record| assert!(record.is_ok() || opened(record).is_err()));
    }
}
