//! Any bytes as a capture file, down to the JSON line of each event. Checksums are not enforced while fuzzing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(reader) = capture::Reader::new(data) {
        drop(capture::convert::to_jsonl(reader, std::io::sink()));
    }
});
