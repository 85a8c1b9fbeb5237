//! Names that differ only in numbers and ids, folded into one (spec 2.12). Optional.
//!
//! A pass over the whole tree decides by the set of names alone, not by the order they came in. What folding learns must
//! not hide what is new: a bare `*` needs varying names of one shape and no other shape beside them (R1), and a pattern
//! stands only for names of the shape it was learned from (R2).

use std::collections::{BTreeMap, HashMap};

use crate::Tree;
use crate::node::{Owner, Place};
use crate::options::Patterns;

/// What a file node is to be called, and the shape of the names it stands for.
pub(crate) type Renames = HashMap<u32, (String, String)>;

impl Tree {
    /// Folds siblings into patterns until nothing is left to fold, as at the end of a recording. Gives the number of
    /// nodes that are no longer there; 0 when the tree has no patterns.
    pub fn fold(&mut self) -> usize {
        let Some(Patterns { min_cluster_at_end, .. }) = self.options.patterns else { return 0 };
        self.fold_with(0, min_cluster_at_end)
    }

    /// Folds when the tree has grown by a quarter, so that the passes cost as much as a few insertions.
    pub(crate) fn fold_if_grown(&mut self) {
        let Some(Patterns { max_children, min_cluster, .. }) = self.options.patterns else { return };
        if self.files.len() > self.folded_at + self.folded_at / 4 + 64 {
            self.fold_with(max_children, min_cluster);
        }
    }

    fn fold_with(&mut self, max_children: usize, min_cluster: usize) -> usize {
        let before = self.files.len();
        loop {
            let renames = self.renames(max_children, min_cluster);
            if renames.is_empty() {
                break;
            }
            self.rename(&renames);
        }
        self.folded_at = self.files.len();
        before - self.files.len()
    }

    /// What siblings are to be folded now.
    fn renames(&self, max_children: usize, min_cluster: usize) -> Renames {
        let mut children: BTreeMap<Owner, Vec<u32>> = BTreeMap::new();
        self.files.iter().for_each(|(id, node)| children.entry(node.owner).or_default().push(id));
        let mut renames = Renames::new();
        for siblings in children.values().filter(|siblings| siblings.len() > max_children) {
            let mut shapes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for id in siblings.iter().filter(|id| self.signatures.find((**id,)).is_none()) {
                let name = self.files.get(*id).map_or("", |node| self.texts.text(node.name));
                shapes.entry(signature(name)).or_default().push(*id);
            }
            let is_only_shape = shapes.len() == 1;
            for (shape, ids) in shapes.iter().filter(|(_, ids)| ids.len() >= min_cluster.max(2)) {
                let names =
                    ids.iter().filter_map(|id| self.files.get(*id)).map(|node| self.texts.text(node.name));
                if let Some(template) = template(names).filter(|it| may_fold(it, shape, is_only_shape)) {
                    renames.extend(ids.iter().map(|id| (*id, (template.clone(), shape.clone()))));
                }
            }
        }
        renames
    }

    /// The child with this name, or else the pattern that stands for it.
    pub(crate) fn child_or_pattern(&self, place: Place, segment: &str) -> Option<(u32, Place)> {
        let exact = self.files.child(&self.texts, place, segment);
        if exact.is_some() || self.options.patterns.is_none() || self.signatures.len() == 0 {
            return exact;
        }
        let shape = signature(segment);
        let patterns = self.signatures.iter().filter_map(|(_, pattern)| {
            let node = self.files.get(pattern.file).filter(|node| node.owner == place.owner)?;
            let name = self.texts.text(node.name);
            (self.texts.text(pattern.text) == shape && stands_for(name, segment)).then_some(name)
        });
        self.files.child(&self.texts, place, patterns.min()?)
    }
}

const SEPARATORS: [char; 3] = ['-', '.', '_'];

/// The shape of a name: `sess-42` is `A-N`, `2024-01-15.log` is `N-N-N.A`.
pub(crate) fn signature(name: &str) -> String {
    let mut shape = String::with_capacity(name.len());
    for token in name.split_inclusive(SEPARATORS) {
        let word = token.trim_end_matches(SEPARATORS);
        let separator = token.strip_prefix(word).unwrap_or_default();
        let class = match () {
            () if word.is_empty() => "",
            () if word.bytes().all(|byte| byte.is_ascii_digit()) => "N",
            () if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => "A",
            () if word.bytes().all(|byte| byte.is_ascii_alphanumeric()) => "M",
            () => word,
        };
        shape.push_str(class);
        shape.push_str(separator);
    }
    shape
}

/// What names of one shape have in common, with `*` where they differ; none when they are all the same.
fn template<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let first = names.next()?;
    let mut tokens: Vec<Option<&str>> = first.split(SEPARATORS).map(Some).collect();
    for name in names {
        for (token, other) in tokens.iter_mut().zip(name.split(SEPARATORS)) {
            *token = token.filter(|token| *token == other);
        }
    }
    if tokens.iter().all(Option::is_some) {
        return None;
    }
    let mut separators = first.matches(SEPARATORS);
    let parts =
        tokens.into_iter().flat_map(|token| [token.unwrap_or("*"), separators.next().unwrap_or_default()]);
    Some(parts.collect())
}

/// Whether a template says enough to stand for its names.
fn may_fold(template: &str, shape: &str, is_only_shape: bool) -> bool {
    let is_bare = template.split(SEPARATORS).all(|token| token.is_empty() || token == "*");
    !is_bare || is_only_shape && shape.split(SEPARATORS).any(|class| class == "N" || class == "M")
}

/// Whether a name of the same shape fits a template.
fn stands_for(template: &str, name: &str) -> bool {
    let mut pairs = template.split(SEPARATORS).zip(name.split(SEPARATORS));
    pairs.all(|(token, word)| token == word || token == "*" && !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_a_name_is_its_separators_and_the_kind_of_each_word() {
        let check = |name, expect: &str| assert_eq!(signature(name), expect, "{name}");
        check("sess-42", "A-N");
        check("2024-01-15.log", "N-N-N.A");
        check("a1b2", "M");
        check("..", "..");
        check(".cache", ".A");
        check("a--b", "A--A");
        check("x y_1", "x y_N");
        check("ünder-1", "ünder-N");
        check("", "");
        check("1.", "N.");
    }

    #[test]
    fn a_template_keeps_what_all_names_have() {
        let check = |names: &[&str], expect: Option<&str>| {
            assert_eq!(template(names.iter().copied()).as_deref(), expect, "{names:?}");
        };
        check(&["sess-1", "sess-2", "sess-3"], Some("sess-*"));
        check(&["1.log", "2.log"], Some("*.log"));
        check(&["1", "2"], Some("*"));
        check(&["a_1.b", "c_2.b"], Some("*_*.b"));
        check(&["same", "same"], None);
        check(&["..", ".."], None);
        check(&[], None);
    }

    #[test]
    fn a_template_matches_each_name_it_was_made_of_and_no_empty_word() {
        let names = ["app-1.2.log", "app-17.3.log", "app-9.4.log"];
        let template = template(names.into_iter()).unwrap();
        assert_eq!(template, "app-*.*.log");
        assert!(names.iter().all(|name| stands_for(&template, name)));
        assert!(!stands_for(&template, "web-1.2.log"));
        assert!(!stands_for("*-a", "-a"));
    }

    #[test]
    fn a_bare_template_needs_numbers_and_to_be_alone() {
        let check = |template, shape, alone, expect| {
            assert_eq!(may_fold(template, shape, alone), expect, "{template} {shape} {alone}");
        };
        check("*", "N", true, true);
        check("*", "M", true, true);
        check("*-*", "A-M", true, true);
        check("*", "N", false, false);
        check("*", "A", true, false);
        check("sess-*", "A-A", false, true);
    }
}
