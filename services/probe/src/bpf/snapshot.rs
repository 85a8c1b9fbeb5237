//! Lists the processes in scope through the task iterator. Neither list needs a capability once the programs are loaded.

use std::io::Read as _;

use aya::Ebpf;
use aya::programs::Iter;
use event::ProcessKey;
use event_abi::{event_header, living_process};
use zerocopy::FromBytes as _;

use super::error::SensorError;
use super::loader;

/// What is known of each process, a record each.
pub(super) fn take(ebpf: &mut Ebpf) -> Result<Vec<Vec<u8>>, SensorError> {
    split(&read(ebpf, loader::SNAPSHOT_PROGRAM)?)
        .ok_or_else(|| failed("the iterator gave half a record", "unexpected end".into()))
}

/// Who they are.
pub(super) fn living(ebpf: &mut Ebpf) -> Result<Vec<ProcessKey>, SensorError> {
    let bytes = read(ebpf, loader::LIVING_PROGRAM)?;
    let (processes, rest) = bytes.as_chunks::<{ size_of::<living_process>() }>();
    if !rest.is_empty() {
        return Err(failed("the iterator gave half a process", "unexpected end".into()));
    }
    let key = |process: living_process| ProcessKey { start_ns: process.start_ns, tgid: process.tgid };
    Ok(processes.iter().map(|bytes| key(zerocopy::transmute!(*bytes))).collect())
}

fn failed(what: &'static str, source: Box<dyn std::error::Error + Send + Sync>) -> SensorError {
    SensorError::Snapshot { what, source }
}

/// Runs an iterator once over all tasks.
fn read(ebpf: &mut Ebpf, name: &str) -> Result<Vec<u8>, SensorError> {
    let program: &mut Iter = loader::iterator(ebpf, name)?;
    let link = program.attach().map_err(|error| failed("the iterator cannot be attached", error.into()))?;
    let link = program.take_link(link).map_err(|error| failed("the iterator has no link", error.into()))?;
    let mut file = link.into_file().map_err(|error| failed("the iterator cannot be opened", error.into()))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| failed("the iterator cannot be read", error.into()))?;
    Ok(bytes)
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
