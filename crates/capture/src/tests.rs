use event::Host;
use proptest::prelude::*;
use prost::Message;
use wire::v1;

use super::*;

fn host() -> Host {
    Host { hostname: "web-1".to_owned(), wall_offset_ns: -1, ..Host::default() }
}

/// A capture with a hello, two batches and a status.
fn capture() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &wire::status::hello(&host(), "1.2.3")).unwrap();
    writer.write_batch(v1::Batch { seq: 1, ..v1::Batch::default() }).unwrap();
    writer.write_status(v1::ProbeStatus { scope: "host".to_owned(), ..v1::ProbeStatus::default() }).unwrap();
    writer.write_batch(v1::Batch { seq: 2, ..v1::Batch::default() }).unwrap();
    writer.finish().unwrap()
}

/// Every item before the end or the error, and the error's text.
fn read(bytes: &[u8]) -> (Vec<Item>, Option<String>) {
    let mut items = Vec::new();
    let reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return (items, Some(error.to_string())),
    };
    for item in reader {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error.to_string())),
        }
    }
    (items, None)
}

/// Where each frame of `bytes` starts.
fn frame_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![MAGIC.len() + 1];
    while let Some(header) = bytes.get(starts[starts.len() - 1]..).and_then(|rest| rest.first_chunk::<4>()) {
        starts.push(starts[starts.len() - 1] + FRAME_HEADER_BYTES + u32::from_le_bytes(*header) as usize);
    }
    starts.pop();
    starts
}

#[test]
fn what_is_written_is_read_in_order() {
    let (items, error) = read(&capture());
    assert_eq!(error, None);
    let [Item::Hello(first), Item::Batch(one), Item::Status(status), Item::Batch(two)] = items.as_slice()
    else {
        panic!("{items:?}");
    };
    assert_eq!((first, one.seq, status.scope.as_str(), two.seq), (&host(), 1, "host", 2));
}

#[test]
fn a_file_is_made_for_its_owner_only_and_read_back() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.capture");
    Writer::create(&path, &wire::status::hello(&host(), "1")).unwrap().finish().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let items: Vec<Item> = Reader::open(&path).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(items, [Item::Hello(host())]);
}

#[test]
fn a_missing_file_is_named() {
    let error = Reader::open(std::path::Path::new("/nonexistent/x")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/x"), "{error}");
}

#[test]
fn other_files_are_not_captures() {
    for bytes in [&b""[..], b"{\"kind\":\"host\"}\n", b"SHRKCAX\x01", b"SHRKCAP\x00", b"\x1f\x8b"] {
        let error = read(bytes).1.unwrap();
        assert!(error.starts_with("not a capture"), "{bytes:?}: {error}");
    }
}

#[test]
fn a_newer_format_says_which_versions_can_be_read() {
    let error = read(b"SHRKCAP\x02").1.unwrap();
    assert!(error.contains("format version 2, this program reads versions 1 to 1"), "{error}");
}

#[test]
fn messages_of_another_wire_version_are_refused() {
    let hello = v1::ProbeHello { wire_version: 99, ..v1::ProbeHello::default() };
    let bytes = Writer::new(Vec::new(), &hello).unwrap().finish().unwrap();
    let error = read(&bytes).1.unwrap();
    assert!(error.contains("wire version 99, this program reads versions 1 to 3"), "{error}");
}

#[test]
fn a_capture_cut_anywhere_gives_all_complete_frames_and_the_number_of_lost_bytes() {
    let bytes = capture();
    let starts = frame_starts(&bytes);
    let whole = read(&bytes).0;
    for cut in 0..bytes.len() {
        let (items, error) = read(&bytes[..cut]);
        let complete = starts.iter().skip(1).filter(|start| **start <= cut).count();
        assert_eq!(items, whole[..complete], "cut at {cut}");
        match starts.iter().position(|start| *start == cut) {
            // Between two frames nothing is missing that a reader could know of.
            Some(position) if position > 0 => assert_eq!(error, None, "cut at {cut}"),
            _ if cut == 0 => assert!(error.unwrap().starts_with("not a capture")),
            _ => {
                let frame_start = starts.iter().rev().find(|start| **start <= cut).copied().unwrap_or(0);
                let expected = format!("its last {} bytes are lost", cut - frame_start);
                let error = error.unwrap();
                assert!(error.contains(&expected), "cut at {cut}: {error}");
            }
        }
    }
}

#[test]
fn any_changed_bit_of_a_frame_is_found_and_the_frames_before_it_are_kept() {
    let bytes = capture();
    let start = frame_starts(&bytes)[2];
    for position in start..frame_starts(&bytes)[3] {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x10;
        let (items, error) = read(&damaged);
        assert_eq!(items.len(), 2, "byte {position}");
        let error = error.unwrap();
        assert!(error.contains("frame 3"), "byte {position}: {error}");
    }
}

#[test]
fn a_checksum_error_says_where_the_damage_starts() {
    let mut bytes = capture();
    let start = frame_starts(&bytes)[1];
    bytes[start + FRAME_HEADER_BYTES] ^= 1;
    let error = read(&bytes).1.unwrap();
    assert!(error.contains("frame 2") && error.contains(&format!("before byte {start}")), "{error}");
}

#[test]
fn zeros_after_a_crash_are_not_taken_for_frames() {
    let mut bytes = capture();
    bytes.extend_from_slice(&[0; 64]);
    let (items, error) = read(&bytes);
    assert_eq!(items.len(), 4);
    assert!(error.unwrap().contains("frame 5 of the capture is damaged"));
}

#[test]
fn a_huge_length_is_refused_without_allocating_it() {
    let mut bytes = capture();
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let error = read(&bytes).1.unwrap();
    assert!(error.contains("claims 4294967295 bytes"), "{error}");
}

#[test]
fn a_message_that_no_reader_would_accept_is_not_written() {
    let mut writer = Writer::new(Vec::new(), &wire::status::hello(&host(), "1")).unwrap();
    let scope = "x".repeat(MAX_FRAME_BYTES);
    let error = writer.write_status(v1::ProbeStatus { scope, ..v1::ProbeStatus::default() }).unwrap_err();
    assert!(matches!(error, CaptureError::MessageTooLarge { .. }));
    assert_eq!(read(&writer.finish().unwrap()), (vec![Item::Hello(host())], None));
}

#[test]
fn a_capture_must_start_with_the_host() {
    let message = v1::FromProbe { message: Some(wire::batch::message(&v1::Batch::default())) };
    let content = Message::encode_to_vec(&message);
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    let mut bytes = [&MAGIC[..], &[VERSION], &length].concat();
    bytes.extend_from_slice(&checksum(length, &content).to_le_bytes());
    bytes.extend_from_slice(&content);
    assert!(read(&bytes).1.unwrap().contains("frame 1 of the capture holds no hello"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(read(&bytes));
        drop(read(&[b"SHRKCAP\x01".as_slice(), &bytes].concat()));
    }
}

/// What a capture holds as JSON lines.
fn lines(capture: &[u8]) -> String {
    let mut lines = Vec::new();
    convert::to_jsonl(Reader::new(capture).unwrap(), &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

/// The first frame of a capture, which says who wrote it.
fn hello(capture: &[u8]) -> v1::ProbeHello {
    let (header, content) = capture[MAGIC.len() + 1..].split_at(FRAME_HEADER_BYTES);
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    match v1::FromProbe::decode(&content[..length]).unwrap().message {
        Some(v1::from_probe::Message::Hello(hello)) => hello,
        other => panic!("{other:?}"),
    }
}

/// The files were written by the last versions that wrote these wire versions.
#[test]
fn captures_of_earlier_wire_versions_hold_what_they_held() {
    let written = [
        (
            1,
            &include_bytes!("../../../tests/replay/recorded_with_wire_version_1.cap")[..],
            include_str!("../../../tests/replay/recorded_with_wire_version_1.jsonl"),
        ),
        (
            2,
            include_bytes!("../../../tests/replay/recorded_with_wire_version_2.cap"),
            include_str!("../../../tests/replay/recorded_with_wire_version_2.jsonl"),
        ),
    ];
    for (wire_version, old, written_then) in written {
        assert_eq!(u32::from(old[7]), u32::from(VERSION));
        assert_eq!(hello(old).wire_version, wire_version);
        let mut again = Vec::new();
        convert::from_jsonl(written_then.as_bytes(), &mut again).unwrap();
        assert_eq!(lines(old), lines(&again));
        assert_eq!(lines(old).lines().count(), written_then.lines().count());
    }
}
