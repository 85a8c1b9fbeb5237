use proptest::prelude::*;

use super::*;
use crate::intake::group::tests::group;

/// A batcher with what every payload of a test needs.
struct Bench(Batcher);

impl Bench {
    fn push(&mut self, content: &str, now: Instant) -> Result<[Option<Batch>; 2], DropCause> {
        let group = group(&[content], "", &["a:b"]);
        self.0.push((&group, 0), &mut EntryForm::new(&group, "h"), 0, now)
    }

    fn take(&mut self) -> Option<Batch> {
        self.0.take()
    }
}

fn batcher(max_entries: usize, max_bytes: usize) -> Bench {
    Bench(Batcher::new(Limits { max_entries, max_bytes, max_wait: Duration::from_secs(5) }))
}

fn messages(batch: &Batch) -> Vec<String> {
    let body: Vec<serde_json::Value> = serde_json::from_slice(&batch.body).unwrap();
    assert_eq!(body.len(), batch.len());
    body.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
}

/// Bytes of the entry of an empty document, so that tests can name exact limits.
fn entry_bytes(content: &str) -> usize {
    let mut out = Vec::new();
    let group = group(&[content], "", &["a:b"]);
    EntryForm::new(&group, "h").append(&mut out, &group, 0, 0);
    out.len()
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_from_the_first_entry() {
    let mut batcher = batcher(10, 5_000_000);
    let first = Instant::now();
    assert_eq!(batcher.0.deadline(), None);
    batcher.push("1", first).unwrap();
    batcher.push("2", first + Duration::from_secs(3)).unwrap();
    assert_eq!(batcher.0.deadline(), Some(first + Duration::from_secs(5)));
    assert_eq!(messages(&batcher.take().unwrap()), ["1", "2"]);
    assert_eq!(batcher.0.deadline(), None);
    assert!(batcher.take().is_none());
}

#[tokio::test]
async fn brackets_and_commas_count() {
    let two = 2 * entry_bytes("1") + 3;
    let mut exact = batcher(10, two);
    assert!(matches!(exact.push("1", Instant::now()), Ok([None, None])));
    let Ok([None, Some(full)]) = exact.push("2", Instant::now()) else { panic!("not full") };
    assert_eq!((full.body.len(), full.len()), (two, 2));

    let mut short = batcher(10, two - 1);
    assert!(matches!(short.push("1", Instant::now()), Ok([None, None])));
    let Ok([Some(before), None]) = short.push("2", Instant::now()) else { panic!("fits") };
    assert_eq!(messages(&before), ["1"]);
    assert_eq!(messages(&short.take().unwrap()), ["2"]);
}

#[tokio::test]
async fn an_entry_that_can_never_fit_is_dropped_alone() {
    let mut batcher = batcher(10, entry_bytes("1") + 2);
    let long = "x".repeat(100);
    assert_eq!(batcher.push(&long, Instant::now()).unwrap_err(), DropCause::EntryTooLarge);
    let Ok([None, Some(full)]) = batcher.push("1", Instant::now()) else { panic!("not full") };
    assert_eq!(messages(&full), ["1"]);
}

#[tokio::test]
async fn an_entry_that_is_longer_than_the_intake_keeps_is_shortened_and_tagged() {
    // Quotes double when a document becomes a string: this one is short enough to be accepted, and too long here.
    let mut batcher = batcher(10, 5_000_000);
    let quotes = format!("{{\"path\":\"{}\",\"n\":1}}", "\\\"".repeat(400_000));
    assert!(matches!(batcher.push(&quotes, Instant::now()), Ok([None, None])));
    assert!(matches!(batcher.push("{\"n\":2}", Instant::now()), Ok([None, None])));
    assert_eq!((batcher.0.take_trimmed(), batcher.0.take_trimmed()), (1, 0));
    let batch = batcher.take().unwrap();
    let documents: Vec<serde_json::Value> =
        messages(&batch).iter().map(|message| serde_json::from_str(message).unwrap()).collect();
    assert!(documents[0]["path"].as_str().unwrap().ends_with(" bytes cut]"));
    assert_eq!((&documents[0]["n"], &documents[1]["n"]), (&1.into(), &2.into()));
    let body: Vec<serde_json::Value> = serde_json::from_slice(&batch.body).unwrap();
    assert_eq!((&body[0]["ddtags"], &body[1]["ddtags"]), (&"a:b,shrike.trimmed:true".into(), &"a:b".into()));
    assert!(body[0].to_string().len() <= MAX_ENTRY_BYTES);
}

#[tokio::test]
async fn one_entry_has_no_halves() {
    let mut batcher = batcher(1, 5_000_000);
    let Ok([None, Some(one)]) = batcher.push("1", Instant::now()) else { panic!("not full") };
    assert_eq!(one.halves().unwrap_err().len(), 1);
}

fn check_halves(batch: Batch, expected: &[String]) {
    assert_eq!(batch.runs().map(|(_, run)| run.len()).sum::<usize>(), batch.len());
    assert_eq!(messages(&batch), expected);
    if batch.len() > 1 {
        let (first, second) = batch.halves().unwrap();
        let (head, tail) = expected.split_at(first.len());
        check_halves(first, head);
        check_halves(second, tail);
    }
}

proptest! {
    #[test]
    fn batches_keep_every_limit_lose_nothing_and_keep_the_order(
        contents in prop::collection::vec("[^\\n]{0,60}", 0..80),
        max_entries in 1_usize..20,
        max_bytes in 1_usize..2000,
        takes in prop::collection::vec(any::<bool>(), 80),
    ) {
        let mut batcher = batcher(max_entries, max_bytes);
        let mut batches = Vec::new();
        let mut kept = Vec::new();
        for (content, take) in contents.iter().zip(takes) {
            match batcher.push(content, Instant::now()) {
                Ok(complete) => {
                    kept.push(content.clone());
                    batches.extend(complete.into_iter().flatten());
                }
                Err(cause) => {
                    prop_assert_eq!(cause, DropCause::EntryTooLarge);
                    prop_assert!(entry_bytes(content) + 2 > max_bytes);
                }
            }
            if take {
                batches.extend(batcher.take());
            }
        }
        batches.extend(batcher.take());
        let mut got = Vec::new();
        for batch in batches {
            prop_assert!(batch.len() <= max_entries && batch.len() > 0);
            prop_assert!(batch.body.len() <= max_bytes);
            let texts = messages(&batch);
            check_halves(batch, &texts);
            got.extend(texts);
        }
        prop_assert_eq!(got, kept);
    }
}
