//! What must be so for a rule to match at all.
//!
//! A guard is a list of keys of which at least one must be met by the event, or the rule cannot match. Invariant: that
//! implication; a guard may be met without the rule matching.

use std::collections::HashMap;

use crate::matcher::Matcher;
use crate::model::IteratorId;
use crate::node::Node;
use crate::predicate::{Element, Int, Ints, Item, Order, Origin, Predicate, Source, Texts};

/// A start or end shorter than this is met by nearly every text.
const SHORTEST_AFFIX: usize = 4;

/// What the value of a field must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Int(i64),
}

/// At least one of these is met, or the rule does not match.
pub(super) type Guard = Vec<(Source, Key)>;

/// The guards that a tree allows; any of them will do.
pub(super) fn options(node: &Node, bound: Option<IteratorId>) -> Vec<Guard> {
    match node {
        Node::Const(false) => vec![Vec::new()],
        Node::Const(true) | Node::Not(_) | Node::Same(..) => Vec::new(),
        Node::Test(test) => of_predicate(&test.predicate, bound).into_iter().collect(),
        Node::All(operands) => operands.iter().flat_map(|operand| options(operand, bound)).collect(),
        Node::Any(operands) => {
            // One of the operands holds, so one guard of each must be asked.
            let best = operands.iter().map(|operand| options(operand, bound).into_iter().min_by_key(roughly));
            best.collect::<Option<Vec<Guard>>>().map(|guards| guards.concat()).into_iter().collect()
        }
    }
}

/// One guard for each rule, such that few fields are looked up.
pub(super) fn choose(rules: Vec<Vec<Guard>>) -> Vec<Option<Guard>> {
    let mut wanted: HashMap<Source, u64> = HashMap::new();
    for options in &rules {
        for source in options.iter().flat_map(sources) {
            *wanted.entry(source).or_default() += 1;
        }
    }
    let cost = |guard: &Guard| {
        let look_ups = sources(guard).into_iter().map(|source| {
            let others = wanted.get(&source).copied().unwrap_or(1).max(1);
            let several = if source.is_many() { 1000 } else { 0 };
            several + 1000 / others
        });
        look_ups.sum::<u64>() + roughly(guard)
    };
    rules.into_iter().map(|options| options.into_iter().min_by_key(|guard| cost(guard))).collect()
}

fn sources(guard: &Guard) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for (source, _) in guard {
        if !sources.contains(source) {
            sources.push(*source);
        }
    }
    sources
}

/// How many events will meet it, as far as the keys show.
fn roughly(guard: &Guard) -> u64 {
    let of_key = |key: &Key| match key {
        Key::Exact(_) => 1,
        Key::Int(_) => 20,
        // A start such as `/tmp/` is met often, and what is met costs an evaluation of its rule.
        Key::Prefix(text) | Key::Suffix(text) => 300 / (text.len() as u64).max(1) + 2,
    };
    guard.iter().map(|(source, key)| of_key(key) + if source.is_many() { 500 } else { 0 }).sum()
}

fn of_predicate(predicate: &Predicate, bound: Option<IteratorId>) -> Option<Guard> {
    match predicate {
        Predicate::Text { left: Texts::Each(source), test } if test.joined.is_empty() => {
            let source = any_item(source, bound)?;
            let exact = test.exact.iter().map(|text| Some(Key::Exact(text.clone())));
            let others = test.others.iter().map(of_matcher);
            exact.chain(others).map(|key| key.map(|key| (source, key))).collect()
        }
        Predicate::Int { left, order: Order::Equal, right: Ints::One(Int::Const(value)) } => {
            Some(vec![(of_ints(left, bound)?, Key::Int(*value))])
        }
        Predicate::IntIn { left, set } => {
            let source = of_ints(left, bound)?;
            Some(set.iter().map(|value| (source, Key::Int(*value))).collect())
        }
        Predicate::Text { .. }
        | Predicate::Int { .. }
        | Predicate::Bool { .. }
        | Predicate::BoolSame { .. }
        | Predicate::TextSame { .. }
        | Predicate::Net { .. } => None,
    }
}

fn of_ints(ints: &Ints, bound: Option<IteratorId>) -> Option<Source> {
    match ints {
        Ints::One(Int::Of(source)) | Ints::Each(source) => any_item(source, bound),
        Ints::One(_) | Ints::Age(_) | Ints::Lengths(_) => None,
    }
}

/// The source an index can read: of a field, as variables belong to no event. What holds for the item of the rule's
/// variable holds for some item.
fn any_item(source: &Source, bound: Option<IteratorId>) -> Option<Source> {
    let is_field = matches!(source.origin, Origin::Field(_));
    let item = if source.item == Item::Bound { Item::Each(bound?) } else { source.item };
    (is_field && !matches!(source.element, Element::At(_))).then_some(Source { item, ..*source })
}

fn of_matcher(matcher: &Matcher) -> Option<Key> {
    let (prefix, suffix) = match matcher {
        Matcher::Exact(text) => return Some(Key::Exact(text.clone())),
        Matcher::Glob(glob) => (glob.literal_prefix(), glob.literal_suffix()),
        Matcher::Pattern(pattern) => (pattern.literal_prefix(), pattern.literal_suffix()),
        Matcher::Folded(_) | Matcher::Regexp(_) => return None,
    };
    // The longer one says more: `/home/*/.netrc` is met by few paths for its end, by many for its start.
    let key =
        if prefix.len() >= suffix.len() { Key::Prefix(prefix.into()) } else { Key::Suffix(suffix.into()) };
    (prefix.len().max(suffix.len()) >= SHORTEST_AFFIX).then_some(key)
}
