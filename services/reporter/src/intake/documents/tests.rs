use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::intake::group::tests::message;

/// A message with documents that are their own part and then, with 1 + its place, one of the tails.
pub(crate) fn with_tails(documents: &[(&[u8], u32)], tails: &[&[u8]]) -> v1::PayloadGroup {
    let parts: Vec<&[u8]> = documents.iter().map(|(own, _)| *own).collect();
    v1::PayloadGroup {
        content: parts.concat().into(),
        length: parts.iter().map(|own| u32::try_from(own.len()).unwrap()).collect(),
        tail: documents.iter().map(|(_, tail)| *tail).collect(),
        tails: tails.iter().map(|tail| Bytes::copy_from_slice(tail)).collect(),
        ..message(1, &vec![""; documents.len()])
    }
}

fn documents(documents: &[(&[u8], u32)], tails: &[&[u8]]) -> Documents {
    Documents::take(&mut with_tails(documents, tails)).unwrap()
}

fn refusal(change: impl FnOnce(&mut v1::PayloadGroup)) -> String {
    let mut message = with_tails(&[(b"a", 1), (b"bc\n", 0), (b"d", 2)], &[b"1\n", b"22\n"]);
    change(&mut message);
    Documents::take(&mut message).unwrap_err().to_string()
}

#[test]
fn a_document_is_its_own_part_and_its_tail_and_nothing_is_copied() {
    let tails = [Bytes::from_static(b"1\n"), Bytes::from_static(b"22\n")];
    let mut message =
        with_tails(&[(b"a", 2), (b"b\n", 0), (b"\n", 0), (b"c", 1), (b"d", 2)], &[b"1\n", b"22\n"]);
    message.tails = tails.to_vec();
    let content = message.content.clone();
    let documents = Documents::take(&mut message).unwrap();
    let parts = |place| documents.parts(place).map(|part| std::str::from_utf8(part).unwrap());
    assert_eq!([parts(0), parts(1), parts(2)], [["a", "22"], ["b", ""], ["", ""]]);
    assert_eq!([parts(3), parts(4)], [["c", "1"], ["d", "22"]]);
    let (pieces, ends) = documents.lines(1..5);
    assert_eq!(pieces, [&b"b\n\nc"[..], b"1\n", b"d", b"22\n"]);
    assert_eq!(ends, [2, 3, 6, 10]);
    assert_eq!(pieces[0].as_ptr(), content[1..].as_ptr());
    assert_eq!(pieces[3].as_ptr(), tails[1].as_ptr());
    assert_eq!(documents.lines(1..3), (vec![&b"b\n\n"[..]], vec![2, 3]));
    let tails: Vec<Option<usize>> = (0..5).map(|place| documents.tail_of(place)).collect();
    assert_eq!(tails, [Some(1), None, None, Some(0), Some(1)]);
}

#[test]
fn tails_that_do_not_fit_are_refused_with_what_is_wrong() {
    for (text, expected) in [
        (refusal(|group| group.tail = vec![1, 0, 3]), "document 2 of group 1 has tail 3, and there are 2"),
        (refusal(|group| group.tail = vec![u32::MAX, 0, 2]), "document 0 of group 1 has tail 4294967295"),
        (refusal(|group| group.tails.clear()), "document 0 of group 1 has tail 1, and there are 0"),
        (refusal(|group| group.tail = vec![1, 0, 1]), "no document of group 1 has its tail 1"),
        (refusal(|group| group.tails.push(b"3\n"[..].into())), "no document of group 1 has its tail 2"),
        (refusal(|group| group.tail = vec![0, 0, 2]), "document 0 of group 1 does not end with a line break"),
        (refusal(|group| group.tail.clear()), "document 0 of group 1 does not end with a line break"),
        (refusal(|group| group.tail = vec![1, 2]), "3 lengths and says of 2 documents"),
        (
            refusal(|group| group.tails[1] = b"22"[..].into()),
            "tail 1 of group 1 does not end with a line break",
        ),
        (refusal(|group| group.tails[0].clear()), "tail 0 of group 1 does not end with a line break"),
        (refusal(|group| group.length = vec![0, 4, 1]), "document 0 of group 1 has nothing of its own"),
        (
            refusal(|group| group.length = vec![1, 0, 4]),
            "document 1 of group 1 does not end with a line break",
        ),
        (refusal(|group| group.length = vec![1, 4, 1]), "5 bytes, and its lengths give 6"),
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_tail_that_is_named_often_counts_as_often_and_cannot_blow_up_a_group() {
    let tail = format!("{}\n", "t".repeat((1 << 20) - 2));
    let group = |n: usize| with_tails(&vec![(&b"o"[..], 1); n], &[tail.as_bytes()]);
    let largest = Documents::take(&mut group(16)).unwrap();
    assert_eq!(largest.bytes(), MAX_GROUP_BYTES + size_of::<Bytes>());
    for n in [17, 100_000] {
        let refused = Documents::take(&mut group(n)).unwrap_err();
        assert_eq!(refused, InvalidGroup::TooLarge { number: 1, max: MAX_GROUP_BYTES });
    }
}

#[test]
fn the_size_of_a_document_is_that_of_both_parts() {
    let tail = format!("{}\n", "t".repeat(MAX_CONTENT_BYTES - 2));
    let documents = documents(&[(b"12", 1), (b"123", 1), (b"\n", 0)], &[tail.as_bytes()]);
    assert_eq!(documents.unfit(), [(1, DropCause::TooLarge)]);
}

#[test]
fn a_part_that_is_not_text_by_itself_spoils_the_documents_that_have_it() {
    let unfit = |list: &[(&[u8], u32)], tails: &[&[u8]]| -> Vec<u32> {
        let unfit = documents(list, tails).unfit();
        assert!(unfit.iter().all(|(_, cause)| *cause == DropCause::NotUtf8));
        unfit.into_iter().map(|(place, _)| place).collect()
    };
    assert_eq!(unfit(&[(b"a", 1), (b"b", 2), (b"c\n", 0), (b"d", 1)], &[b"\xff\n", b"2\n"]), [0, 3]);
    assert_eq!(unfit(&[(b"a\xff", 1), (b"b", 1)], &[b"1\n"]), [0]);
    // "é" cut in two: the whole is text, and its parts are not.
    assert_eq!(unfit(&[(b"\xc3", 1), (b"b", 2)], &[b"\xa9\n", b"2\n"]), [0]);
    // The same between the own parts of two documents: the content is text.
    assert_eq!(unfit(&[(b"a\xc3", 1), (b"\xa9b", 1), (b"c", 1)], &[b"1\n"]), [0, 1]);
    assert_eq!(unfit(&[("é".as_bytes(), 1), ("é".as_bytes(), 1)], &["é\n".as_bytes()]), [] as [u32; 0]);
}

proptest! {
    #[test]
    fn a_group_with_tails_is_the_group_without_them(
        plan in prop::collection::vec(("[a-zé\u{1f600}]{1,5}", any::<Option<Index>>()), 1..40),
        tails in prop::collection::vec("[a-zé\u{1f600}]{0,9}\n", 1..5),
        from in any::<Index>(),
        to in any::<Index>(),
    ) {
        let mut used: Vec<&str> = Vec::new();
        let (mut parted, mut whole) = (Vec::new(), Vec::new());
        for (own, tail) in &plan {
            let Some(tail) = tail.map(|tail| tail.get(&tails).as_str()) else {
                parted.push((format!("{own}\n"), 0));
                whole.push(own.clone());
                continue;
            };
            let index = used.iter().position(|used| *used == tail).unwrap_or_else(|| {
                used.push(tail);
                used.len() - 1
            });
            parted.push((own.clone(), u32::try_from(index).unwrap() + 1));
            whole.push(format!("{own}{}", tail.trim_end()));
        }
        let parted: Vec<(&[u8], u32)> = parted.iter().map(|(own, tail)| (own.as_bytes(), *tail)).collect();
        let used: Vec<&[u8]> = used.iter().map(|tail| tail.as_bytes()).collect();
        let parted = documents(&parted, &used);
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        let whole = Documents::take(&mut message(1, &whole)).unwrap();
        prop_assert_eq!(parted.len(), whole.len());
        prop_assert_eq!(parted.bytes(), whole.bytes() + used.len() * size_of::<Bytes>());
        prop_assert_eq!(parted.unfit(), []);
        for place in 0..whole.len() {
            prop_assert_eq!(parted.parts(place).concat(), whole.parts(place).concat());
        }
        let (from, to) = (from.index(plan.len() + 1), to.index(plan.len() + 1));
        let run = u32::try_from(from.min(to)).unwrap()..u32::try_from(from.max(to)).unwrap();
        let ((pieces, ends), (expected, expected_ends)) = (parted.lines(run.clone()), whole.lines(run));
        prop_assert_eq!(pieces.concat(), expected.concat());
        prop_assert!(pieces.iter().all(|piece| !piece.is_empty()) && expected.len() <= 1);
        prop_assert_eq!(ends, expected_ends);
    }
}
