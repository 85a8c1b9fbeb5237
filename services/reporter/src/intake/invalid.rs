//! Why a group is refused.

/// Why a group cannot be taken, now or ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidGroup {
    #[error("group {expected} was expected, and group {number} came: number them 1, 2, 3, … on each stream")]
    Number { number: u64, expected: u64 },
    #[error("group {number} has the class {class}, which this reporter does not know")]
    Class { number: u64, class: i32 },
    #[error(
        "group {number} has {lengths} lengths, {times} times and {labels} labels: one of each for every document"
    )]
    Lists { number: u64, lengths: usize, times: usize, labels: usize },
    #[error(
        "group {number} has {lengths} lengths and says of {named} documents which tail they have: of all or none"
    )]
    TailList { number: u64, lengths: usize, named: usize },
    #[error("group {number} has {content} bytes, and its lengths give {sum}")]
    Sum { number: u64, sum: usize, content: usize },
    #[error("document {place} of group {number} does not end with a line break")]
    NotALine { number: u64, place: usize },
    #[error("document {place} of group {number} has nothing of its own")]
    Empty { number: u64, place: usize },
    #[error("document {place} of group {number} has tail {tail}, and there are {tails}")]
    NoTail { number: u64, place: usize, tail: u32, tails: usize },
    #[error("tail {tail} of group {number} does not end with a line break")]
    TailNotALine { number: u64, tail: usize },
    #[error("no document of group {number} has its tail {tail}")]
    UnusedTail { number: u64, tail: usize },
    #[error("group {number} is larger than {max} bytes with every document written out")]
    TooLarge { number: u64, max: usize },
    #[error("document {place} of group {number} has label {label}, and there are {labels}")]
    Label { number: u64, place: usize, label: u8, labels: usize },
}
