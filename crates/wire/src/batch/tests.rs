use std::sync::Arc;

use event::{Event, Exec, ExitStatus, File, Kind, Open, ProcessKey, Strings, Task, Text, What};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::arbitrary;

fn sample() -> Vec<Event> {
    let task = Arc::new(Task {
        process: ProcessKey { start_ns: 7, tgid: 10 },
        tid: 10,
        comm: Text::from("sh"),
        ..Task::default()
    });
    let file = Arc::new(File { path: Text::from("/etc/passwd"), inode: 5, ..File::default() });
    let exec = Arc::new(Exec {
        executable: Arc::new(File { path: Text::from("/bin/sh"), ..File::default() }),
        args: Strings { items: vec![Text::from("sh"), Text::from("-c")], truncated: true },
        ..Exec::default()
    });
    let open = |retval| What::Open(Open { file: Arc::clone(&file), flags: 1, mode: 0, retval });
    let whats = [
        What::Fork(ProcessKey { start_ns: 3, tgid: 9 }),
        What::Exec(exec),
        open(3),
        open(-13),
        What::Exit(ExitStatus::Signaled(9)),
    ];
    (100..).zip(whats).map(|(boot_ns, what)| Event { boot_ns, task: Arc::clone(&task), what }).collect()
}

/// Encodes the sample, changes the batch, and gives what decoding says.
fn refused(change: impl FnOnce(&mut v1::Batch)) -> String {
    let mut batch = encode(1, &[], &sample());
    change(&mut batch);
    decode(&batch).unwrap_err().to_string()
}

/// The values of a field of the events of a batch.
fn values<'b>(batch: &'b mut v1::Batch, path: &str) -> &'b mut Vec<u64> {
    let place = |kind: Kind| kind.fields().iter().position(|field| field.path == path).map(|at| (kind, at));
    let (kind, at) = Kind::ALL.into_iter().find_map(place).unwrap();
    let mut tables = batch.events.as_mut().unwrap().kinds.iter_mut();
    let table = tables.find(|table| table.kind == u32::from(kind.number())).unwrap();
    &mut table.columns[at].values
}

proptest! {
    #[test]
    fn decoding_gives_back_exactly_what_was_encoded((processes, events) in arbitrary::stream(), seq: u64) {
        let bytes = encode(seq, &processes, &events).encode_to_vec();
        let batch = v1::Batch::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(decode(&batch), Ok(Decoded { seq, processes, events, ..Decoded::default() }));
    }

    #[test]
    fn batches_of_wire_version_2_are_read((processes, events) in arbitrary::stream()) {
        let batch = with_own_shapes(encode(1, &processes, &events));
        prop_assert_eq!(decode(&batch), Ok(Decoded { seq: 1, processes, events, ..Decoded::default() }));
    }

    #[test]
    fn counting_kinds_agrees_with_decoding((processes, events) in arbitrary::stream()) {
        let counts = kinds(&encode(0, &processes, &events));
        for kind in Kind::ALL {
            let expected = events.iter().filter(|event| event.kind() == kind).count() as u64;
            prop_assert_eq!(counts.get(kind), expected);
        }
    }

    #[test]
    fn a_batch_is_never_larger_than_its_estimate((processes, events) in arbitrary::stream()) {
        let estimate: usize =
            processes.iter().map(process_bytes).sum::<usize>() + events.iter().map(event_bytes).sum::<usize>();
        // The frame of the batch itself: its number and the headers of ten tables.
        prop_assert!(encode(u64::MAX, &processes, &events).encoded_len() <= estimate + 600);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(batch) = v1::Batch::decode(bytes.as_slice()) {
            let counts = kinds(&batch);
            if let Ok(decoded) = decode(&batch) {
                prop_assert_eq!(counts.total(), decoded.events.len() as u64);
            }
        }
    }

    #[test]
    fn a_damaged_batch_never_panics(
        (processes, events) in arbitrary::stream(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = encode(1, &processes, &events).encode_to_vec();
        for (position, byte) in damage {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Ok(batch) = v1::Batch::decode(bytes.as_slice()) {
            // Either is fine: the damage may have hit a value that any number fits.
            drop(decode(&batch));
        }
    }
}

#[test]
fn parts_that_are_equal_are_written_once_and_come_out_shared() {
    let twice: Vec<Event> = sample().into_iter().chain(sample()).collect();
    let batch = encode(1, &[], &twice);
    assert_eq!(batch.tasks.as_ref().unwrap().key.len(), 1);
    assert_eq!(batch.files.as_ref().unwrap().path.len(), 2);
    assert_eq!(batch.execs.as_ref().unwrap().executable.len(), 1);
    let events = decode(&batch).unwrap().events;
    assert!(Arc::ptr_eq(&events[0].task, &events[9].task));
    let (What::Open(first), What::Open(last)) = (&events[2].what, &events[8].what) else {
        panic!("{events:?}");
    };
    assert!(Arc::ptr_eq(&first.file, &last.file));
}

#[test]
fn an_empty_batch_holds_nothing_and_an_empty_message_decodes_to_it() {
    assert_eq!(decode(&encode(7, &[], &[])), Ok(Decoded { seq: 7, ..Decoded::default() }));
    assert_eq!(decode(&v1::Batch::default()), Ok(Decoded::default()));
}

#[test]
fn a_reference_outside_its_dictionary_is_refused_with_both_numbers() {
    let text = refused(|batch| *values(batch, "open.file") = vec![1, 77]);
    assert_eq!(text, "column open.file refers to row 77 of a dictionary with 2 rows");
}

#[test]
fn columns_of_different_lengths_are_refused() {
    let text = refused(|batch| *values(batch, "open.flags") = vec![1, 1, 1]);
    assert_eq!(text, "column open.flags has 3 values for 2 rows");
    let text = refused(|batch| batch.tasks.as_mut().unwrap().comm.push(1));
    assert_eq!(text, "column tasks.comm has 2 values for 1 rows");
}

#[test]
fn a_table_that_would_take_far_more_memory_than_its_bytes_is_refused() {
    let text = refused(|batch| batch.tasks.as_mut().unwrap().key = vec![0; MAX_ROWS + 1]);
    assert_eq!(text, "table tasks has 262145 rows, more than the 262144 a batch may have");
}

#[test]
fn an_event_of_an_unknown_kind_costs_only_itself_and_is_counted() {
    let mut batch = encode(1, &[], &sample());
    let events = batch.events.as_mut().unwrap();
    // What a newer probe would send: a row in the middle, and a table of a kind that this version does not know.
    events.kind.insert(2, 200);
    events.kinds.insert(0, v1::KindTable { kind: 200, columns: vec![v1::Column { values: vec![1, 2, 3] }] });
    events.time.insert(2, 0);
    // Without values a column means 0 in every row.
    assert!(events.task.is_empty());
    let decoded = decode(&batch).unwrap();
    assert_eq!((decoded.events, decoded.unknown_kinds), (sample(), 1));
    assert_eq!(kinds(&batch).total(), 5);
}

#[test]
fn a_field_that_only_the_sender_knows_is_passed_over_and_one_that_it_does_not_know_has_no_value() {
    let mut batch = encode(1, &[], &sample());
    let tables = &mut batch.events.as_mut().unwrap().kinds;
    for table in &mut *tables {
        table.columns.push(v1::Column { values: vec![7] });
    }
    assert_eq!(decode(&batch).unwrap().events, sample());
    for table in &mut *batch.events.as_mut().unwrap().kinds {
        table.columns.clear();
    }
    let events = decode(&batch).unwrap().events;
    let expected = What::Open(Open { file: Arc::default(), flags: 0, mode: 0, retval: 0 });
    assert_eq!((&events[2].what, events.len()), (&expected, 5));
}

#[test]
fn number_and_news_put_before_encoded_bytes_decode_with_them() {
    let counts = PerKind::from([(Kind::Exec, 1), (Kind::Open, 7)]);
    let news = News {
        complete_until_ns: 99,
        lost: vec![WorkloadLoss {
            cgroup: 5,
            workload: "c0ffee".into(),
            cause: event::LossCause::BacklogFull,
            counts,
        }],
        not_observed: vec![NotObserved { from_ns: 1, to_ns: 2, reason: "the probe was killed".into() }],
        unwanted: vec![
            Unwanted { kinds: [Kind::Open, Kind::Rename].into(), from_ns: 3, to_ns: Some(4) },
            Unwanted { kinds: [Kind::Bind].into(), from_ns: 5, to_ns: None },
        ],
        backlog_percent: 81,
        lane: Lane::Flood,
    };
    let encoded = encode(0, &[], &sample()).encode_to_vec();
    let v1::from_probe::Message::Batch(bytes) = numbered(7, &news, &encoded) else { panic!("not a batch") };
    let decoded = decode(&parse(bytes).unwrap()).unwrap();
    assert_eq!(
        decoded,
        Decoded { seq: 7, processes: vec![], events: sample(), unknown_kinds: 0, news: news.clone() }
    );
    let mut batch = encode(7, &[], &sample());
    set_news(&mut batch, &news);
    assert_eq!(decode(&batch).unwrap(), decoded);
}

#[test]
fn a_batch_with_a_cause_of_loss_that_only_the_sender_knows_is_read() {
    let mut batch = encode(7, &[], &sample());
    let counts = PerKind::from([(Kind::Open, 3)]);
    let loss = v1::Loss { cause: "gremlins".to_owned(), counts: Some(counts.into()) };
    batch.lost = vec![v1::WorkloadLoss { cgroup: 5, workload: "c0ffee".to_owned(), loss: Some(loss) }];
    let decoded = decode(&batch).unwrap();
    let lost =
        WorkloadLoss { cgroup: 5, workload: "c0ffee".into(), cause: event::LossCause::Unknown, counts };
    assert_eq!((decoded.events, decoded.news.lost), (sample(), vec![lost]));
}

#[test]
fn bytes_that_are_no_batch_are_refused() {
    assert!(matches!(parse(Bytes::from_static(b"\xff\xff")), Err(WireError::NotABatch(_))));
}

#[test]
fn an_exit_that_is_neither_code_nor_signal_is_refused() {
    let text = refused(|batch| *values(batch, "exit.exit") = vec![3]);
    assert_eq!(text, "column exit.exit holds 3, which is out of range");
    let text = refused(|batch| *values(batch, "exit.exit") = vec![256 * 4]);
    assert_eq!(text, "column exit.exit holds 1024, which is out of range");
}

#[test]
fn a_count_of_strings_that_is_not_there_is_refused_before_anything_is_allocated() {
    let text = refused(|batch| batch.execs.as_mut().unwrap().args = vec![u64::MAX]);
    assert_eq!(text, "the lengths in execs.args add up to 9223372036854775807, but there are 2");
}

#[test]
fn strings_that_belong_to_no_exec_are_refused() {
    let text = refused(|batch| batch.execs.as_mut().unwrap().args = vec![2]);
    assert_eq!(text, "the lengths in execs.strings add up to 1, but there are 2");
}

#[test]
fn text_lengths_that_overflow_are_refused() {
    let text = refused(|batch| {
        let texts = batch.texts.as_mut().unwrap();
        *texts = v1::TextTable { lengths: vec![u64::MAX, 1], ..v1::TextTable::default() };
    });
    assert!(text.starts_with("the lengths in texts.content add up to 18446744073709551615"), "{text}");
}

#[test]
fn a_text_that_shares_more_than_the_text_before_has_is_refused() {
    let with = |start, end| {
        refused(|batch| {
            let texts = batch.texts.as_mut().unwrap();
            texts.shared = vec![0; texts.lengths.len()];
            texts.shared_end = texts.shared.clone();
            *texts.shared.last_mut().unwrap() = start;
            *texts.shared_end.last_mut().unwrap() = end;
        })
    };
    let text = with(200, 0);
    assert!(text.starts_with("the lengths in texts.shared add up to 200"), "{text}");
    assert_eq!(with(256, 0), "column texts.shared holds 256, which is out of range");
    let text = with(0, 200);
    assert!(text.starts_with("the lengths in texts.shared_end add up to 200"), "{text}");
    assert_eq!(with(0, 256), "column texts.shared_end holds 256, which is out of range");
    // Each of both is there, but not both: they would overlap.
    let text = with(4, 4);
    assert!(text.starts_with("the lengths in texts.shared_end add up to 8"), "{text}");
}

#[test]
fn texts_are_at_most_a_hundred_times_what_they_take_in_the_batch() {
    use prost::Message;

    const ROWS: usize = 10_000;
    // All but the first are as much of it as they can be for the fewest bytes.
    let mut lengths = vec![0; ROWS];
    lengths[0] = 510;
    let shared = |most| std::iter::once(0).chain(std::iter::repeat_n(most, ROWS - 1)).collect();
    let worst = [(255, 255), (127, 127), (255, 0), (127, 0)].map(|(start, end)| {
        let texts = v1::TextTable {
            lengths: lengths.clone(),
            content: vec![b'x'; 510],
            shared: shared(start),
            shared_end: if end == 0 { Vec::new() } else { shared(end) },
        };
        let batch = v1::Batch { texts: Some(texts), ..encode(1, &[], &[]) };
        decode(&batch).unwrap();
        (510 + (ROWS - 1) * (start as usize + end as usize)) / batch.encoded_len()
    });
    assert_eq!(worst, [100, 83, 83, 61]);
}

#[test]
fn paths_that_begin_alike_are_written_once_and_come_back_whole() {
    let texts: Vec<Text> =
        (0..50).map(|n| Text::from(format!("{}/{n}", "/long/directory".repeat(30)))).collect();
    let open = |path: &Text| Event {
        boot_ns: 0,
        task: Arc::default(),
        what: What::Open(Open {
            file: Arc::new(File { path: path.clone(), modification_ns: -1, ..File::default() }),
            flags: 0,
            mode: 0,
            retval: 3,
        }),
    };
    let events: Vec<Event> = texts.iter().map(open).collect();
    let batch = encode(1, &[], &events);
    let content = batch.texts.as_ref().unwrap().content.len();
    // 255 of some 450 bytes are shared by every text but the first.
    assert!(content < 50 * 210, "{content}");
    assert_eq!(decode(&batch).unwrap().events, events);
}

#[test]
fn paths_that_end_alike_are_written_once_and_what_they_share_counts_once() {
    let names =
        ["", "a", "aa", "aaa", "aa", "a/copyright", "bb/copyright", "/copyright", "copyrigh", "copyright"];
    let events: Vec<Event> = names
        .iter()
        .map(|name| {
            let file = File { path: Text::from(*name), ..File::default() };
            let open = Open { file: Arc::new(file), flags: 0, mode: 0, retval: 3 };
            Event { boot_ns: 0, task: Arc::default(), what: What::Open(open) }
        })
        .collect();
    let batch = encode(1, &[], &events);
    let texts = batch.texts.as_ref().unwrap();
    // "aa" after "aaa" is row 2 again. "aa" and "aaa" begin as the one before, which therefore has no end to share.
    assert_eq!(texts.content, b"aaa/copyrightbbcopyright");
    assert_eq!(texts.shared, [0, 1, 2, 1, 0, 0, 0, 8]);
    assert_eq!(texts.shared_end, [0, 0, 0, 0, 10, 10, 0, 0]);
    assert_eq!(decode(&batch).unwrap().events, events);
    let text = refused(|batch| batch.texts.as_mut().unwrap().shared_end = vec![0; 3]);
    assert!(text.starts_with("column texts.shared_end has 3 values for"), "{text}");
}

/// The batch as wire version 2 wrote it: with the columns of shapes for each file.
fn with_own_shapes(mut batch: v1::Batch) -> v1::Batch {
    let (Some(files), Some(shapes)) = (&mut batch.files, batch.file_shapes.take()) else { return batch };
    // An absent column is 0 in every row.
    let rows: Vec<usize> =
        (0..files.path.len()).map(|file| files.shape.get(file).map_or(0, |row| *row as usize)).collect();
    let of = |column: Vec<u32>| -> Vec<u32> {
        rows.iter().map(|row| column.get(*row).copied().unwrap_or_default()).collect()
    };
    files.device = rows.iter().map(|row| shapes.device.get(*row).copied().unwrap_or_default()).collect();
    files.path_state = of(shapes.path_state);
    files.mount_id = of(shapes.mount_id);
    files.mode = of(shapes.mode);
    files.nlink = of(shapes.nlink);
    files.uid = of(shapes.uid);
    files.gid = of(shapes.gid);
    files.filesystem = of(shapes.filesystem);
    files.layer = of(shapes.layer);
    files.shape.clear();
    batch
}

#[test]
fn a_shape_that_is_not_there_is_refused() {
    let text = refused(|batch| batch.files.as_mut().unwrap().shape = vec![0, 9]);
    assert_eq!(text, "column files.shape refers to row 9 of a dictionary with 1 rows");
}

#[test]
fn text_that_no_length_covers_is_refused() {
    let text = refused(|batch| batch.texts.as_mut().unwrap().content.push(0));
    assert!(text.starts_with("the lengths in texts.content add up to"), "{text}");
}

#[test]
fn a_thread_id_outside_32_bits_is_refused() {
    let text = refused(|batch| batch.tasks.as_mut().unwrap().tid = vec![i64::MAX]);
    assert_eq!(text, "column tasks.tid holds 9223372036854775817, which is out of range");
    let text = refused(|batch| batch.tasks.as_mut().unwrap().tid = vec![-11]);
    assert_eq!(text, "column tasks.tid holds -1, which is out of range");
}

#[test]
fn a_container_id_that_is_not_utf8_is_refused() {
    let text = refused(|batch| {
        batch.texts.as_mut().unwrap().content[0] = 0xff;
        batch.cgroups.as_mut().unwrap().name = vec![1];
    });
    assert_eq!(text, "column cgroups.name refers to text 1, which is not UTF-8");
}

#[test]
fn a_mode_wider_than_16_bits_is_refused() {
    let text = refused(|batch| batch.file_shapes.as_mut().unwrap().mode = vec![1 << 16]);
    assert_eq!(text, "column file_shapes.mode holds 65536, which is out of range");
}

#[test]
fn splitting_keeps_every_item_in_order_and_every_part_within_the_bound() {
    let items = [3_usize, 3, 5, 11, 1, 1];
    let parts: Vec<&[usize]> = split(&items, 8, |item| *item).collect();
    assert_eq!(parts, [&[3, 3][..], &[5], &[11], &[1, 1]]);
    assert_eq!(split(&items[..0], 8, |item| *item).count(), 0);
}
