use std::sync::Arc;

use bootstrap::counters::Registry;

use super::*;
use crate::intake::documents::MAX_CONTENT_BYTES;
use crate::metrics::DestinationMetrics;
use crate::outputs::output::{OutputParts, Shared};

/// A message with these documents, all of the one label `x`.
pub(crate) fn message(number: u64, documents: &[&str]) -> v1::PayloadGroup {
    let lines: Vec<String> = documents.iter().map(|document| format!("{document}\n")).collect();
    v1::PayloadGroup {
        number,
        class: v1::PayloadClass::Low.into(),
        content: lines.concat().into(),
        length: lines.iter().map(|line| u32::try_from(line.len()).unwrap()).collect(),
        time_ms: vec![1_700_000_000_000; lines.len()],
        labels: vec!["x".to_owned()],
        label: vec![0; lines.len()].into(),
        ..Default::default()
    }
}

/// An output that nobody reads.
pub(crate) fn output(
    index: usize,
    name: &'static str,
    registry: &Registry,
    shared: &Arc<Shared>,
) -> Arc<Output> {
    let metrics = DestinationMetrics::new(registry, Arc::default(), name);
    let (is_reliable, queue_bytes, shared) = (true, 16 << 20, shared.clone());
    Arc::new(Output::new(OutputParts { index, name, is_reliable, queue_bytes, spool: None, metrics, shared }))
}

/// A group for these outputs on a stream of its own.
pub(crate) fn group_for(outputs: &[Arc<Output>], message: v1::PayloadGroup) -> (Arc<Group>, Arc<Mark>) {
    let mark = Arc::new(Mark::default());
    let group = Group::new(message, mark.clone(), outputs.into(), &Labels::default()).unwrap();
    let group = Arc::new(group);
    mark.open(&group);
    (group, mark)
}

/// A group that no output takes.
pub(crate) fn group(documents: &[&str], service: &str, tags: &[&str]) -> Arc<Group> {
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    group_for(&[], v1::PayloadGroup { service: service.to_owned(), tags, ..message(1, documents) }).0
}

fn refusal(change: impl FnOnce(&mut v1::PayloadGroup)) -> String {
    let mut message = message(1, &["a", "bc"]);
    change(&mut message);
    Group::new(message, Arc::default(), Arc::new([]), &Labels::default()).unwrap_err().to_string()
}

#[test]
fn lists_that_do_not_fit_together_are_refused_with_what_is_wrong() {
    for (text, expected) in [
        (refusal(|group| group.number = 2), "group 1 was expected, and group 2 came"),
        (refusal(|group| group.number = 0), "group 1 was expected, and group 0 came"),
        (refusal(|group| group.class = 7), "class 7"),
        (refusal(|group| group.time_ms = vec![]), "2 lengths, 0 times and 2 labels"),
        (refusal(|group| group.label = vec![0; 3].into()), "2 lengths, 2 times and 3 labels"),
        (refusal(|group| group.length = vec![2, 4]), "5 bytes, and its lengths give 6"),
        (refusal(|group| group.length = vec![u32::MAX, u32::MAX]), "lengths give 8589934590"),
        (refusal(|group| group.length = vec![3, 2]), "document 0 of group 1 does not end with a line break"),
        (refusal(|group| group.length = vec![5, 0]), "document 1 of group 1 does not end with a line break"),
        (
            refusal(|group| group.label = vec![0, 9].into()),
            "document 1 of group 1 has label 9, and there are 1",
        ),
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn all_documents_of_a_group_are_one_run_unless_something_is_unfit() {
    let group = group(&["a", "", "bcd"], "", &["a:1", "b:2,3"]);
    assert!(group.fit_runs().eq(std::iter::once(0..3)));
    assert_eq!(group.documents().lines(0..3), (vec![&b"a\n\nbcd\n"[..]], vec![2, 3, 7]));
    assert_eq!(group.tags(), "a:1,b:2_3");
}

#[test]
fn what_no_output_can_use_is_left_out_and_lost_with_its_cause() {
    let registry = Registry::default();
    let shared = Arc::new(Shared::new(std::time::Duration::from_secs(60)));
    let outputs = [output(0, "file", &registry, &shared)];
    let long = "x".repeat(MAX_CONTENT_BYTES + 1);
    let mut message = message(1, &["a", &long, "??", "d"]);
    let mut content = message.content.to_vec();
    let bad = content.len() - 4;
    content[bad] = 0xff;
    message.content = content.into();
    let (group, mark) = group_for(&outputs, message);
    assert_eq!(group.unfit(), [(1, DropCause::TooLarge), (2, DropCause::NotUtf8)]);
    assert_eq!(group.fit_runs().collect::<Vec<_>>(), [0..1, 3..4]);
    outputs[0].delivered(&group, 0..1);
    assert_eq!(mark.news(), None);
    outputs[0].delivered(&group, 3..4);
    let news = mark.news().unwrap();
    assert_eq!(news.number, 1);
    let lost: Vec<_> = news.lost.iter().map(|lost| (lost.cause.as_str(), lost.counts[0].payloads)).collect();
    assert_eq!(lost, [("too_large", 1), ("not_utf8", 1)]);
}

#[test]
fn a_document_of_the_longest_size_is_taken() {
    let longest = "x".repeat(MAX_CONTENT_BYTES);
    assert_eq!(group(&[&longest], "", &[]).unfit(), []);
}
