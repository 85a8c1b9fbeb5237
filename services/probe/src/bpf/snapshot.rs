//! Lists the processes in scope through the task iterator.

use std::io::Read as _;

use aya::Ebpf;
use aya::programs::Iter;
use event_abi::event_header;
use zerocopy::FromBytes as _;

use super::loader;
use super::sensor::SensorError;

/// Runs the iterator once over all tasks.
pub(super) fn take(ebpf: &mut Ebpf) -> Result<Vec<Vec<u8>>, SensorError> {
    let failed =
        |what, source: Box<dyn std::error::Error + Send + Sync>| SensorError::Snapshot { what, source };
    let program: &mut Iter = loader::snapshot_program(ebpf)?;
    let link = program.attach().map_err(|error| failed("the iterator cannot be attached", error.into()))?;
    let link = program.take_link(link).map_err(|error| failed("the iterator has no link", error.into()))?;
    let mut file = link.into_file().map_err(|error| failed("the iterator cannot be opened", error.into()))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| failed("the iterator cannot be read", error.into()))?;
    split(&bytes).ok_or_else(|| failed("the iterator gave half a record", "unexpected end".into()))
}

/// Records follow each other without gaps; each states its size.
fn split(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (header, _) = event_header::read_from_prefix(bytes).ok()?;
        let size = usize::try_from(header.size).ok()?;
        let (record, rest) = bytes.split_at_checked(size.max(size_of::<event_header>()))?;
        records.push(record.to_vec());
        bytes = rest;
    }
    Some(records)
}
