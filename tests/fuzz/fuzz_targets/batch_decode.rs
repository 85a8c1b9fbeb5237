//! Any bytes as a batch: what decodes must survive being encoded again.
#![no_main]

use prost::Message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(batch) = wire::v1::Batch::decode(data) else { return };
    let Ok(decoded) = wire::batch::decode(&batch) else { return };
    let again = wire::batch::encode(decoded.seq, &decoded.processes, &decoded.events);
    assert_eq!(wire::batch::decode(&again), Ok(decoded));
});
