//! Any bytes as JSON lines: what is accepted must come back the same after a round trip.
#![no_main]

use capture::convert::{from_jsonl, to_jsonl};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (mut first, mut lines, mut second) = (Vec::new(), Vec::new(), Vec::new());
    if from_jsonl(data, &mut first).is_ok() {
        to_jsonl(capture::Reader::new(first.as_slice()).unwrap(), &mut lines).unwrap();
        from_jsonl(lines.as_slice(), &mut second).unwrap();
        assert_eq!(first, second);
    }
});
