//! The table of spec 8.1: lineages, forks and execs.

use super::made::{contains, insert, shape};
use crate::{Options, Tree, Verdict, What};

/// Inserts each lineage in turn; the last must be new or not, and the tree then is as drawn.
fn check(before: &[&str], event: &str, expect: &str, is_new: bool) {
    let mut tree = Tree::new(Options::default());
    for text in before {
        insert(&mut tree, text, What::Exec);
    }
    assert_eq!(contains(&tree, event, What::Exec).is_new(), is_new, "look-up of {event} in {before:?}");
    assert_eq!(insert(&mut tree, event, What::Exec).is_new(), is_new, "{event} into {before:?}");
    assert_eq!(shape(&tree), expect, "{event} into {before:?}");
    assert_eq!(contains(&tree, event, What::Exec), Verdict::Known);
}

#[test]
fn exec_chains_are_stored_once() {
    // The numbers are those of the specification.
    check(&[], "bash -> ls", "->bash{->ls}", true); // 1
    check(&["bash"], "bash -> ls", "->bash{->ls}", true); // 2
    check(&["bash -> webserver -> ls"], "bash -> ls", "->bash{->ls ->webserver{->ls}}", true); // 3
    check(&["bash -> webserver => ls"], "bash -> ls", "->bash{->webserver{=>ls}}", false); // 4
    let before = ["bash -> webserver => id", "bash -> webserver => ls"];
    check(&before, "bash -> ls", "->bash{->webserver{=>id =>ls}}", false); // 4 bis
    check(&["bash -> ls"], "bash -> webserver => ls", "->bash{->webserver{=>ls}}", true); // 8
    let chain = "bash => webserver => apache -> ls";
    check(&["apache -> ls"], chain, "->bash{=>webserver{=>apache{->ls}}}", true); // 11
    let whole = "->bash{=>webserver{->ls{=>wc}}}";
    check(&["webserver -> ls => wc"], "bash => webserver -> ls", whole, true); // 13
}

#[test]
fn an_exec_between_known_programs_is_not_new_and_is_kept() {
    check(&["p -> a", "p -> x"], "p -> a => x", "->p{->a{=>x}}", false);
    check(&["p -> a => x", "p -> b"], "p -> b => x", "->p{->a{=>x} ->b{=>x~}}", false);
    check(&["p -> a => b"], "p -> b => a", "->p{->a{=>b{=>a~}}}", false);
    check(&["p -> a"], "p -> a => a", "->p{->a}", false);
}

#[test]
fn a_circle_that_something_leads_to_hangs_below_that() {
    check(&["p -> a => b => a"], "p -> c => b", "->p{->c{=>b{=>a{=>b~}}}}", true);
}

#[test]
fn a_long_chain_goes_on_beside_its_parent() {
    let chain = "p -> a => b => c => d => e => f";
    check(&[], chain, "->p{->a{=>b{=>c{=>d}}} ->d~{=>e{=>f}}}", true);
}

#[test]
fn the_first_of_a_lineage_has_nothing_before_it() {
    check(&[], "=> a -> b", "->a{->b}", true);
    check(&["a -> b"], "a", "->a{->b}", false);
}

#[test]
fn each_name_of_busybox_is_a_program_of_its_own() {
    let mut tree = Tree::new(Options::default());
    for (argv0, expect) in [("sh", true), ("ls", true), ("sh", false)] {
        let mut process = super::made::process("busybox");
        process.argv0 = argv0.to_owned();
        let activity = crate::Activity { lineage: &[&process], ..base() };
        assert_eq!(tree.insert(&activity).unwrap().is_new(), expect);
    }
    let mut other = super::made::process("not-busybox");
    for argv0 in ["a", "b"] {
        other.argv0 = argv0.to_owned();
        tree.insert(&crate::Activity { lineage: &[&other], ..base() }).unwrap();
    }
    assert_eq!(tree.stats().processes, 3);
}

#[test]
fn arguments_make_another_process_only_when_asked_for() {
    for (differentiate_args, expect) in [(true, 4), (false, 1)] {
        let mut tree = Tree::new(Options { differentiate_args, ..Options::default() });
        for args in [&["-u"][..], &["-R"], &["-u", "-R"], &["-R", "-u"], &["-u"]] {
            let mut process = super::made::process("date");
            process.args = args.iter().map(ToString::to_string).collect();
            let activity = crate::Activity { lineage: &[&process], ..base() };
            tree.insert(&activity).unwrap();
            assert_eq!(tree.contains(&activity), Ok(Verdict::Known));
        }
        assert_eq!(tree.stats().processes, expect);
    }
}

#[test]
fn a_similar_path_is_the_same_program_only_when_asked_for() {
    for (similar_paths, expect) in [(true, 2), (false, 3)] {
        let mut tree = Tree::new(Options { similar_paths, ..Options::default() });
        for path in ["/var/1234567/x", "/var/7654321/x", "/var/7654321/y"] {
            let mut process = super::made::process("x");
            process.file.path = path.into();
            tree.insert(&crate::Activity { lineage: &[&process], ..base() }).unwrap();
        }
        assert_eq!(tree.stats().processes, expect);
    }
}

fn base() -> crate::Activity<'static> {
    crate::Activity {
        lineage: &[],
        what: What::Exec,
        image_tag: "v1",
        at_ns: 1,
        generation: crate::Generation::Runtime,
        rules: &[],
        adds_processes: true,
    }
}
