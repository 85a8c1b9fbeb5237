//! Paths, arguments and flags are what the kernel did, not what was asked for.

use std::os::unix::fs::MetadataExt as _;

use event::PathState;

use super::*;

pub(super) fn path_of(open: &Open) -> String {
    open.file.path.to_string()
}

#[test]
fn a_path_flipped_by_another_thread_is_reported_as_the_file_that_was_opened() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("flip", table);
        assert!(watch.run("flip").success());
        let opened = std::fs::read(watch.path("opened")).unwrap();
        let is_read = |open: &&Open| open.flags & 0o3 == 0 && path_of(open).contains("/flip-");
        let reported: Vec<u8> =
            watch.opens().filter(is_read).map(|open| *open.file.path.as_bytes().last().unwrap()).collect();
        assert_eq!(opened.len(), workload::FLIPS);
        assert!(opened.contains(&b'a') && opened.contains(&b'b'), "the race did not happen");
        assert!(reported == opened, "{} of {}", reported.len(), opened.len());
        watch.assert_nothing_lost();
    }
}

#[test]
fn sixty_four_kib_of_arguments_are_whole_and_more_is_told_to_be_cut() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("arguments");
    assert!(watch.run("arguments").success());
    let execs: Vec<_> = watch.execs().collect();
    let [whole, cut] = execs.as_slice() else { panic!("{}", execs.len()) };
    assert_eq!(
        whole.args.items,
        [Text::from("/bin/true"), Text::from("y".repeat(workload::WHOLE_ARGUMENTS))]
    );
    assert!(!whole.args.truncated && cut.args.truncated);
    let long = &cut.args.items[1];
    assert!(long.len() > 30_000 && long.as_bytes().iter().all(|byte| *byte == b'y'), "{}", long.len());
    assert_eq!((&whole.envs.items, whole.envs.truncated), (&vec![Text::from("A=b")], false));
}

#[test]
fn arguments_after_long_ones_are_seen() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("long-arguments");
    assert!(watch.run("long-arguments").success());
    let execs: Vec<_> = watch.execs().collect();
    let [exec] = execs.as_slice() else { panic!("{}", execs.len()) };
    assert!(exec.args.truncated);
    let shown: Vec<String> = exec.args.items.iter().map(ToString::to_string).collect();
    let [program, first, flag, second, last] = shown.as_slice() else { panic!("{}", shown.len()) };
    assert_eq!([program, flag, last], ["/bin/true", "--flag", "last"]);
    for (text, letter, least) in [(first, 'x', 30_000), (second, 'y', 14_000)] {
        assert!(text.len() > least && text.chars().all(|c| c == letter), "{} of {letter}", text.len());
    }
    assert_eq!((&exec.envs.items, exec.envs.truncated), (&vec![Text::from("A=b")], false));
}

#[test]
fn a_page_of_arguments_that_is_not_in_memory_costs_only_what_is_in_it() {
    if !can_load() {
        return;
    }
    loader::MISSING_PAGE.set(1);
    let mut watch = Watch::new("missing-page");
    loader::MISSING_PAGE.set(u64::MAX);
    assert!(watch.run("page-arguments").success());
    let execs: Vec<_> = watch.execs().collect();
    let [exec] = execs.as_slice() else { panic!("{}", execs.len()) };
    assert!(exec.args.truncated);
    let shown: Vec<String> = exec.args.items.iter().map(ToString::to_string).collect();
    // Its page may end in it.
    assert!("/bin/true".starts_with(&shown[0]));
    let whole = shown.iter().filter(|text| text.len() == workload::PAGE_ARGUMENT).count();
    // The page has the end of one, at most two that are not whole, and where it begins is not known.
    assert!((workload::PAGE_ARGUMENTS - 3..workload::PAGE_ARGUMENTS).contains(&whole), "{whole}");
    for text in &shown[1..] {
        let letter = text.chars().next().unwrap_or('a');
        assert!(text.len() <= workload::PAGE_ARGUMENT && text.chars().all(|c| c == letter), "{text}");
    }
    let last = char::from(b'a' + u8::try_from(workload::PAGE_ARGUMENTS - 1).unwrap());
    assert_eq!(shown.last().unwrap(), &last.to_string().repeat(workload::PAGE_ARGUMENT));
}

#[test]
fn a_deep_path_is_whole_and_a_deeper_one_is_told_to_lack_parents() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("deep", table);
        assert!(watch.run("deep").success());
        let leaves: Vec<&Open> = watch.opens().filter(|open| path_of(open).ends_with("/leaf")).collect();
        let [whole, cut] = leaves.as_slice() else { panic!("{}", leaves.len()) };
        let name = "d".repeat(60);
        let names = |count| vec![name.as_str(); count].join("/");
        assert_eq!(path_of(whole), watch.path(&format!("{}/leaf", names(60))).to_string_lossy());
        assert_eq!(whole.file.path_state, PathState::Resolved);
        assert_eq!(cut.file.path_state, PathState::TruncatedParents);
        assert_eq!(path_of(cut), format!("{}/leaf", names(67)));
    }
}

#[test]
fn openat2_is_reported_with_the_flags_and_mode_of_its_structure() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("openat2", table);
        assert!(watch.run("openat2").success());
        let path = watch.path("made");
        let made: Vec<&Open> = watch.opens().filter(|open| path_of(open) == path.to_string_lossy()).collect();
        let [open] = made.as_slice() else { panic!("{}", made.len()) };
        // O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC, and nothing that the kernel adds for itself.
        assert_eq!((open.flags, open.mode), (0o2_000_302, 0o640));
        assert_eq!(open.file.inode, std::fs::metadata(&path).unwrap().ino());
    }
}

#[test]
fn a_failed_open_is_joined_to_the_directory_of_its_descriptor() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("relative", table);
        assert!(watch.run("relative").success());
        let wanted = watch.path("inner/../missing/name");
        let found: Vec<&Open> =
            watch.opens().filter(|open| path_of(open) == wanted.to_string_lossy()).collect();
        let [open] = found.as_slice() else { panic!("{}", found.len()) };
        assert_eq!((open.retval, open.file.path_state, open.flags), (-2, PathState::Argument, 1));
    }
}

#[test]
fn a_script_is_reported_with_its_own_file_beside_the_interpreter() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("scripts");
    assert!(watch.run("scripts").success());
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let found: Vec<_> = watch
        .execs()
        .map(|exec| {
            assert_eq!(exec.executable.path.to_lossy(), shell.to_string_lossy());
            let script = exec.script.as_ref().unwrap();
            (script.path.to_string(), script.path_state, script.inode)
        })
        .collect();
    let wanted: Vec<_> = ["inner.sh", "outer.sh", "inner.sh"]
        .map(|name| {
            let path = watch.path(name);
            let inode = std::fs::metadata(&path).unwrap().ino();
            (path.to_string_lossy().into_owned(), PathState::Resolved, inode)
        })
        .into();
    assert_eq!(found, wanted);
}

#[test]
fn an_open_of_a_32_bit_caller_is_reported() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("compat", table);
        assert!(watch.run("compat").success());
        let result: i32 = std::fs::read_to_string(watch.path("result")).unwrap().parse().unwrap();
        if result == -38 {
            return skipped("this kernel has no 32-bit system calls");
        }
        let path = watch.path("file");
        let found =
            watch.opens().filter(|open| path_of(open) == path.to_string_lossy() && open.retval == result);
        assert_eq!(found.count(), 1);
    }
}

#[test]
fn files_without_a_place_in_the_tree_keep_a_name() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("deleted", table);
        assert!(watch.run("deleted").success());
        let gone = watch.path("gone").to_string_lossy().into_owned();
        let links: Vec<u32> =
            watch.opens().filter(|open| path_of(open) == gone).map(|open| open.file.nlink).collect();
        assert_eq!(links, [1, 0]);
        assert_eq!(watch.opens().filter(|open| path_of(open) == "memfd:secret").count(), 1);
        assert!(
            watch
                .opens()
                .all(|open| !path_of(open).contains(":[") || open.file.path_state == PathState::NoPlace)
        );
        let is_pipe = |open: &&Open| path_of(open) == format!("pipe:[{}]", open.file.inode);
        assert_eq!(watch.opens().filter(is_pipe).count(), 1);
        let is_namespace = |open: &&Open| path_of(open) == format!("net:[{}]", open.file.inode);
        assert_eq!(watch.opens().filter(is_namespace).count(), 1);
    }
}

#[test]
fn the_times_of_a_file_are_those_that_stat_tells() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("times", table);
        assert!(watch.run("times").success());
        let path = watch.path("timed");
        let told = std::fs::metadata(&path).unwrap();
        let is_read = |open: &&Open| open.flags & 0o3 == 0 && path_of(open) == path.to_string_lossy();
        let open = watch.opens().find(is_read).unwrap();
        assert_eq!(open.file.change_ns, told.ctime() * 1_000_000_000 + told.ctime_nsec());
        assert_eq!(open.file.modification_ns, told.mtime() * 1_000_000_000 + told.mtime_nsec());
        assert_eq!(open.file.access_ns, told.atime() * 1_000_000_000 + told.atime_nsec());
    }
}
