//! What holds of every tree, with random ones.

use proptest::prelude::*;

use super::made::{any_steps, behaviours, bytes, tree_of};
use crate::{Dump, Options, Profile, Selector, Tree, Verdict, gunzip, gzip};

fn options(differentiate_args: bool) -> Options {
    Options { differentiate_args, ..Options::default() }
}

proptest! {
    #[test]
    fn a_look_up_never_changes_the_tree_and_knows_what_was_inserted(steps in any_steps(), args: bool, depth in 0..4_usize) {
        let mut tree = Tree::new(Options { dns_match_max_depth: depth, ..options(args) });
        for step in &steps {
            let before = (bytes(&tree), tree.stats());
            let asked = step.with(|activity| tree.contains(activity)).unwrap();
            prop_assert_eq!((bytes(&tree), tree.stats()), before);
            let told = step.with(|activity| tree.insert(activity)).unwrap();
            // Names that others end in are known by depth and inserted all the same.
            prop_assert!(asked == told || asked == Verdict::Known && told == Verdict::New);
            prop_assert_eq!(step.with(|activity| tree.contains(activity)), Ok(Verdict::Known));
        }
        for step in &steps {
            prop_assert_eq!(step.with(|activity| tree.contains(activity)), Ok(Verdict::Known));
            prop_assert_eq!(step.with(|activity| tree.insert(activity)), Ok(Verdict::Known));
        }
    }

    #[test]
    fn insert_order_does_not_matter_for_the_set_of_behaviours(steps in any_steps(), args: bool, seed: prop::sample::Index) {
        let tree = tree_of(&steps, options(args));
        let mut other = steps.clone();
        other.reverse();
        let at = if other.is_empty() { 0 } else { seed.index(other.len()) };
        other.rotate_left(at);
        prop_assert_eq!(behaviours(&tree_of(&other, options(args)), true), behaviours(&tree, true));
    }

    #[test]
    fn merging_is_commutative_associative_and_idempotent_to_the_byte(a in any_steps(), b in any_steps(), c in any_steps()) {
        let [a, b, c] = [a, b, c].map(|steps| tree_of(&steps, Options::default()));
        let merge = |a: &Tree, b: &Tree| a.merge(b).unwrap();
        let all = bytes(&merge(&merge(&a, &b), &c));
        prop_assert_eq!(&bytes(&merge(&a, &merge(&b, &c))), &all);
        prop_assert_eq!(&bytes(&merge(&merge(&c, &a), &b)), &all);
        prop_assert_eq!(&bytes(&merge(&merge(&merge(&a, &b), &merge(&b, &c)), &a)), &all);
        prop_assert_eq!(bytes(&merge(&a, &a)), bytes(&a));
        prop_assert_eq!(bytes(&merge(&a, &Tree::new(Options::default()))), bytes(&a));
    }

    #[test]
    fn a_merged_tree_knows_what_either_knew_and_nothing_else(a in any_steps(), b in any_steps()) {
        let [one, other] = [&a, &b].map(|steps| tree_of(steps, Options::default()));
        let mut both = behaviours(&one, true);
        both.extend(behaviours(&other, true));
        let merged = one.merge(&other).unwrap();
        prop_assert_eq!(behaviours(&merged, true), both);
        for step in a.iter().chain(&b) {
            prop_assert_eq!(step.with(|activity| merged.contains(activity)), Ok(Verdict::Known));
        }
    }

    #[test]
    fn evicting_a_tag_leaves_what_other_tags_use(steps in any_steps()) {
        let mut tree = tree_of(&steps, Options::default());
        tree.evict("v1");
        let others = tree_of(steps.iter().filter(|step| step.image_tag != "v1"), Options::default());
        // A name that stays keeps the types it was asked for with: the files have one list of versions for all of them.
        prop_assert_eq!(behaviours(&tree, false), behaviours(&others, false));
        prop_assert!(tree.image_tags().iter().all(|(tag, _)| *tag != "v1"));
        let stats = tree.stats();
        prop_assert_eq!(stats.files, tree.files.len());
        prop_assert_eq!(tree.dns_names(), others.dns_names());
        prop_assert_eq!(tree.syscalls(), others.syscalls());
        let evicted = bytes(&tree);
        tree.evict("v1");
        tree.evict("never seen");
        prop_assert_eq!(bytes(&tree), evicted);
    }

    #[test]
    fn what_is_encoded_is_decoded_in_every_format(steps in any_steps(), args: bool) {
        let tree = tree_of(&steps, options(args));
        let mut dump = Dump { tree, ..Dump::new(options(args)) };
        dump.tags = vec!["image_name:x".to_owned(), String::new()];
        let encoded = dump.to_protobuf();
        let decoded = Dump::from_protobuf(&encoded, Options::default()).unwrap();
        prop_assert_eq!(behaviours(&decoded.tree, true), behaviours(&dump.tree, true));
        prop_assert_eq!(decoded.to_protobuf(), &encoded[..]);
        prop_assert_eq!(&decoded.tags, &dump.tags);
        let json = dump.to_json();
        let decoded = Dump::from_json(json.as_bytes(), Options::default()).unwrap();
        prop_assert_eq!(decoded.to_protobuf(), &encoded[..]);
        prop_assert_eq!(decoded.to_json(), json);
        prop_assert_eq!(gunzip(&gzip(&encoded), encoded.len()).unwrap(), encoded);
        let selector = Selector { image_name: "x".to_owned(), image_tag: "*".to_owned() };
        let profile = dump.into_profile(selector);
        let encoded = profile.to_protobuf();
        let decoded = Profile::from_protobuf(&encoded, Options::default()).unwrap();
        prop_assert_eq!(&decoded.contexts, &profile.contexts);
        prop_assert_eq!(decoded.to_protobuf(), &encoded[..]);
        let decoded = Profile::from_json(profile.to_json().as_bytes(), Options::default()).unwrap();
        prop_assert_eq!(decoded.to_protobuf(), encoded);
    }

    #[test]
    fn a_tree_that_is_compacted_says_the_same_in_less_space(steps in any_steps()) {
        let mut tree = tree_of(&steps, Options::default());
        let (said, took) = (bytes(&tree), tree.bytes());
        tree.compact();
        prop_assert_eq!(bytes(&tree), said);
        // Records name texts by their places, and these are other ones now.
        prop_assert!(tree.bytes() <= took + took / 50);
    }

    #[test]
    fn the_nodes_above_were_seen_whenever_one_below_was(steps in any_steps()) {
        let tree = tree_of(&steps, Options::default());
        let decoded = Dump::from_protobuf(&bytes(&tree), Options::default()).unwrap().tree;
        for tree in [&tree, &decoded] {
            for step in &steps {
                for n in 1..=step.lineage.len() {
                    let above = super::made::Step { lineage: step.lineage[..n].to_vec(), done: super::made::Done::Exec, ..step.clone() };
                    let id = above.with(|activity| tree.look(activity).process).unwrap();
                    let node = tree.processes.get(id).unwrap();
                    let tag = tree.find_tag(step.image_tag).unwrap();
                    let seen = crate::node::times(node.base, &tree.seen, crate::node::NodeKind::Process.at(id), tag).unwrap();
                    prop_assert!(seen.last >= step.at_ns);
                    prop_assert!(step.at_ns == 0 || (1..=step.at_ns).contains(&seen.first));
                }
            }
        }
    }
}
