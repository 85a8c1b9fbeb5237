//! Batches of wire version 1, as captures of that time hold them, in the present form.
//!
//! Read only: nothing writes this version. What did not change is passed on as it is, so the one decoder checks it all.

use bytes::Bytes;
use event::{Kind, PerKind};
use prost::Message;

use crate::generated::wire1;
use crate::{WireError, v1};

/// The version that this reads.
pub const VERSION: u32 = 1;

/// A batch of version 1 in the present form.
///
/// # Errors
/// When the bytes are no batch.
pub fn parse(bytes: Bytes) -> Result<v1::Batch, WireError> {
    let batch = wire1::Batch::decode(bytes).map_err(|error| WireError::NotABatch(error.to_string()))?;
    Ok(v1::Batch {
        seq: batch.seq,
        texts: batch.texts,
        cgroups: batch.cgroups,
        credentials: batch.credentials,
        namespaces: batch.namespaces,
        keys: batch.keys,
        tasks: batch.tasks,
        files: batch.files,
        file_shapes: None,
        execs: batch.execs,
        processes: batch.processes,
        events: batch.events.map(events),
        complete_until_ns: batch.complete_until_ns,
        lost: batch.lost.into_iter().map(lost).collect(),
        not_observed: batch.not_observed,
        unwanted: Vec::new(),
        backlog_percent: batch.backlog_percent,
        lane: batch.lane,
        // No kind of that version had one.
        addresses: None,
    })
}

fn events(table: wire1::EventTable) -> v1::EventTable {
    let unsigned = |values: Vec<u32>| v1::Column { values: values.into_iter().map(u64::from).collect() };
    let results = table.open_retval.into_iter().map(|value| crate::batch::zigzag(value.into())).collect();
    let kinds = [
        (Kind::Exec, vec![unsigned(table.exec)]),
        (Kind::Fork, vec![unsigned(table.fork_parent)]),
        (Kind::Exit, vec![unsigned(table.exit)]),
        (
            Kind::Open,
            vec![
                unsigned(table.open_file),
                unsigned(table.open_flags),
                unsigned(table.open_mode),
                v1::Column { values: results },
            ],
        ),
    ];
    let kinds = kinds.map(|(kind, columns)| v1::KindTable { kind: kind.number().into(), columns }).into();
    v1::EventTable { kind: table.kind, time: table.time, task: table.task, kinds }
}

fn lost(loss: wire1::WorkloadLoss) -> v1::WorkloadLoss {
    let counts = |counts: wire1::KindCounts| {
        let wire1::KindCounts { exec, fork, exit, open } = counts;
        PerKind::from([(Kind::Exec, exec), (Kind::Fork, fork), (Kind::Exit, exit), (Kind::Open, open)]).into()
    };
    let loss_of = |loss: wire1::Loss| v1::Loss { cause: loss.cause, counts: loss.counts.map(counts) };
    v1::WorkloadLoss { cgroup: loss.cgroup, workload: loss.workload, loss: loss.loss.map(loss_of) }
}

#[cfg(test)]
mod tests {
    use event::{LossCause, WorkloadLoss};
    use proptest::prelude::*;

    use super::*;
    use crate::batch;

    #[test]
    fn what_was_lost_by_kind_comes_through() {
        let counts = wire1::KindCounts { exec: 1, fork: 2, exit: 3, open: 4 };
        let loss = wire1::Loss { cause: "ring_full".to_owned(), counts: Some(counts) };
        let lost = wire1::WorkloadLoss { cgroup: 5, workload: "w".to_owned(), loss: Some(loss) };
        let old = wire1::Batch { seq: 9, lost: vec![lost], ..wire1::Batch::default() };
        let decoded = batch::decode(&parse(old.encode_to_vec().into()).unwrap()).unwrap();
        let counts = [(Kind::Exec, 1), (Kind::Fork, 2), (Kind::Exit, 3), (Kind::Open, 4)];
        let expected = WorkloadLoss {
            cgroup: 5,
            workload: "w".into(),
            cause: LossCause::RingFull,
            counts: PerKind::from(counts),
        };
        assert_eq!((decoded.seq, decoded.news.lost), (9, vec![expected]));
    }

    #[test]
    fn a_column_of_another_length_is_refused_as_in_the_present_form() {
        let table =
            wire1::EventTable { kind: vec![4, 4], open_flags: vec![1], ..wire1::EventTable::default() };
        let tasks = v1::TaskTable { key: vec![0], ..v1::TaskTable::default() };
        let keys = v1::ProcessKeyTable { start_ns: vec![0], ..v1::ProcessKeyTable::default() };
        let old = wire1::Batch {
            events: Some(table),
            tasks: Some(tasks),
            keys: Some(keys),
            cgroups: Some(v1::CgroupTable { id: vec![0], ..v1::CgroupTable::default() }),
            credentials: Some(v1::CredentialsTable { uid: vec![0], ..v1::CredentialsTable::default() }),
            namespaces: Some(v1::NamespacesTable { mount: vec![0], ..v1::NamespacesTable::default() }),
            ..wire1::Batch::default()
        };
        let error = batch::decode(&parse(old.encode_to_vec().into()).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "column open.flags has 1 values for 2 rows");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(batch) = parse(bytes.into()) {
                drop(batch::decode(&batch));
            }
        }
    }
}
