//! Any bytes as records from the ring of the kernel, several of them for one decoder, which keeps state.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (mut decoder, mut rest) = (probe::decode::Decoder::default(), data);
    while let [words, tail @ ..] = rest {
        let (record, after) = tail.split_at(tail.len().min(usize::from(*words) * 8));
        // Its own allocation, aligned as records in the ring are, and with the size that the ring would tell.
        let mut record = record.to_vec();
        let size = u32::try_from(record.len()).unwrap().to_le_bytes();
        record.iter_mut().skip(8).zip(size).for_each(|(byte, size)| *byte = size);
        drop(decoder.decode(&record));
        rest = after;
    }
});
