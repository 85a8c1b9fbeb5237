//! Many rules of one event type, compiled to be asked together.
//!
//! A rule is a run of flat operations over numbered predicates; equal predicates of different rules have one number
//! and are evaluated once per event. Most rules can match only if some field has one of a few values, or starts or ends
//! with them: these stand in one index per field, so an event is looked up once per indexed field, and only the rules
//! that the look-ups name are evaluated at all.
//!
//! Invariants: [`Bucket::evaluate`] gives just the rules that [`Rule::matches`] says, and allocates nothing once its
//! [`Scratch`] has been used (interpolated texts of more than 256 bytes apart).

mod guard;
mod index;
mod program;
mod trie;

use std::collections::HashMap;

use crate::model::{Event, IteratorId};
use crate::predicate::Predicate;
use crate::rule::Rule;
use crate::scene::Scene;
use index::Index;
use program::{Op, PredicateId};

/// Rules of one event type.
#[derive(Debug, Default)]
pub struct Bucket {
    rules: Vec<Compiled>,
    ops: Vec<Op>,
    predicates: Vec<Interned>,
    indexes: Vec<Index>,
    /// Rules that no index can exclude.
    always: Vec<u32>,
}

#[derive(Debug)]
struct Compiled {
    start: usize,
    end: usize,
    bound: Option<IteratorId>,
}

#[derive(Debug)]
struct Interned {
    predicate: Predicate,
    /// Depends on the item of the iterator variable, so that its answer is not kept.
    is_bound: bool,
}

/// Memory of an evaluation, to be used again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Counts evaluations; 64 bits never start again.
    round: u64,
    /// Per predicate: the round of its answer, and the answer.
    answers: Vec<(u64, bool)>,
    /// Per rule: the round in which it was last a candidate.
    candidate_in: Vec<u64>,
    candidates: Vec<u32>,
}

impl Scratch {
    fn begin(&mut self, bucket: &Bucket) {
        self.round += 1;
        if self.answers.len() != bucket.predicates.len() || self.candidate_in.len() != bucket.rules.len() {
            // Another bucket than last time: what is remembered is about other predicates.
            self.answers.clear();
            self.candidate_in.clear();
            self.answers.resize(bucket.predicates.len(), (0, false));
            self.candidate_in.resize(bucket.rules.len(), 0);
            self.candidates.reserve(bucket.rules.len());
            self.round = 1;
        }
        self.candidates.clear();
    }

    fn add(&mut self, rule: u32) {
        let seen = usize::try_from(rule).ok().and_then(|rule| self.candidate_in.get_mut(rule));
        if seen.is_some_and(|seen| std::mem::replace(seen, self.round) != self.round) {
            self.candidates.push(rule);
        }
    }
}

impl Bucket {
    /// Compiles rules; they are known by their place from then on.
    #[must_use]
    #[expect(
        clippy::mutable_key_type,
        reason = "a regexp has a cache inside, and is compared and hashed by its text alone"
    )]
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Self {
        let mut bucket = Self::default();
        let mut known: HashMap<Predicate, PredicateId> = HashMap::new();
        let mut guarded = Vec::new();
        for rule in rules {
            let start = bucket.ops.len();
            let predicates = &mut bucket.predicates;
            program::compile(&rule.node, &mut bucket.ops, &mut |predicate| {
                *known.entry(predicate.clone()).or_insert_with(|| {
                    predicates
                        .push(Interned { is_bound: predicate.is_bound(), predicate: predicate.clone() });
                    PredicateId(predicates.len() - 1)
                })
            });
            bucket.rules.push(Compiled { start, end: bucket.ops.len(), bound: rule.bound });
            guarded.push(guard::options(&rule.node, rule.bound));
        }
        for (rule, guard) in (0..).zip(guard::choose(guarded)) {
            match guard {
                Some(keys) => index::add(&mut bucket.indexes, rule, keys),
                None => bucket.always.push(rule),
            }
        }
        bucket
    }

    /// How many rules it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True when it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How it will work: rules, different predicates, look-ups per event, rules that are always evaluated.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape {
            rules: self.rules.len(),
            predicates: self.predicates.len(),
            look_ups: self.indexes.len(),
            always: self.always.len(),
        }
    }

    /// Calls `matched` with the place of every rule that matches, in order.
    pub fn evaluate<E: Event + ?Sized>(
        &self,
        event: &E,
        scratch: &mut Scratch,
        mut matched: impl FnMut(usize),
    ) {
        scratch.begin(self);
        self.always.iter().for_each(|rule| scratch.add(*rule));
        for index in &self.indexes {
            index.look_up(event, |rule| scratch.add(rule));
        }
        scratch.candidates.sort_unstable();
        for at in 0..scratch.candidates.len() {
            let Some(rule) = scratch.candidates.get(at).and_then(|rule| usize::try_from(*rule).ok()) else {
                continue;
            };
            if self.rules.get(rule).is_some_and(|compiled| self.rule_matches(compiled, event, scratch)) {
                matched(rule);
            }
        }
    }

    fn rule_matches<E: Event + ?Sized>(&self, rule: &Compiled, event: &E, scratch: &mut Scratch) -> bool {
        let ops = self.ops.get(rule.start..rule.end).unwrap_or_default();
        let items = rule.bound.map_or(1, |iterator| event.items(iterator));
        (0..items).any(|item| {
            let scene = Scene { event, item };
            program::run(ops, |id| self.answer(id, &scene, scratch))
        })
    }

    fn answer<E: Event + ?Sized>(
        &self,
        id: PredicateId,
        scene: &Scene<'_, E>,
        scratch: &mut Scratch,
    ) -> bool {
        let Some(interned) = self.predicates.get(id.0) else { return false };
        if interned.is_bound {
            return scene.holds(&interned.predicate);
        }
        match scratch.answers.get(id.0) {
            Some((round, answer)) if *round == scratch.round => *answer,
            _ => {
                let answer = scene.holds(&interned.predicate);
                if let Some(kept) = scratch.answers.get_mut(id.0) {
                    *kept = (scratch.round, answer);
                }
                answer
            }
        }
    }
}

/// How a bucket works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rules.
    pub rules: usize,
    /// Different predicates of all rules.
    pub predicates: usize,
    /// Indexed fields: each is looked up once per event.
    pub look_ups: usize,
    /// Rules that no index excludes: they are evaluated for every event.
    pub always: usize,
}
