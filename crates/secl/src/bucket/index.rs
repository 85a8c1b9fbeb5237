//! The rules that a value of one field may concern.

use super::guard::{Guard, Key};
use super::trie::Trie;
use crate::model::{Event, FieldId, Value};
use crate::predicate::{Element, Item, Origin, Source};

/// The keys of all rules for one field.
#[derive(Debug)]
pub(super) struct Index {
    source: Source,
    field: FieldId,
    /// Whole texts and starts of texts.
    forward: Trie,
    /// Ends of texts, from behind.
    backward: Trie,
    /// Sorted.
    ints: Vec<(i64, Vec<u32>)>,
}

/// Puts the keys of a rule into the indexes of their fields.
pub(super) fn add(indexes: &mut Vec<Index>, rule: u32, guard: Guard) {
    for (source, key) in guard {
        let Origin::Field(field) = source.origin else { continue };
        let known = indexes.iter().position(|index| index.source == source);
        let at = known.unwrap_or_else(|| {
            let (forward, backward) = (Trie::default(), Trie::default());
            indexes.push(Index { source, field, forward, backward, ints: Vec::new() });
            indexes.len() - 1
        });
        if let Some(index) = indexes.get_mut(at) {
            index.insert(key, rule);
        }
    }
}

impl Index {
    fn insert(&mut self, key: Key, rule: u32) {
        match key {
            Key::Exact(text) => self.forward.insert_whole(text.iter().copied(), rule),
            Key::Prefix(text) => self.forward.insert_start(text.iter().copied(), rule),
            Key::Suffix(text) => self.backward.insert_start(text.iter().rev().copied(), rule),
            Key::Int(value) => match self.ints.binary_search_by_key(&value, |(known, _)| *known) {
                Ok(at) => {
                    if let Some((_, rules)) = self.ints.get_mut(at) {
                        rules.push(rule);
                    }
                }
                Err(at) => self.ints.insert(at, (value, vec![rule])),
            },
        }
    }

    /// Calls `found` with every rule that a value of the field in this event may concern.
    pub(super) fn look_up<E: Event + ?Sized>(&self, event: &E, mut found: impl FnMut(u32)) {
        let items = match self.source.item {
            Item::Only | Item::Bound => 1,
            Item::Each(iterator) => event.items(iterator),
        };
        for item in 0..items {
            let elements = match self.source.element {
                Element::Only | Element::At(_) => 1,
                Element::Each => event.elements(self.field, item),
            };
            for element in 0..elements {
                match event.value(self.field, item, element) {
                    Value::Text(text) => {
                        self.forward.look_up(text.iter().copied(), &mut found);
                        if !self.backward.is_empty() {
                            self.backward.look_up(text.iter().rev().copied(), &mut found);
                        }
                    }
                    Value::Int(value) => {
                        let at = self.ints.binary_search_by_key(&value, |(known, _)| *known);
                        let rules = at.ok().and_then(|at| self.ints.get(at));
                        rules.into_iter().flat_map(|(_, rules)| rules).for_each(|rule| found(*rule));
                    }
                    Value::Bool(_) | Value::Net(_) => {}
                }
            }
        }
    }
}
