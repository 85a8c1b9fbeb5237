//! What a tree says that it takes is what the allocator gave, and it is little.
//!
//! One test, because the allocator counts for the whole program.

use std::alloc::System;
use std::collections::HashMap;

use activity_tree::{
    Activity, FileInfo, Generation, MatchedRule, Open, Options, Process, Question, Times, Tree, What,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What `make` left allocated.
fn allocated<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let made = make();
    let change = region.change();
    (made, change.bytes_allocated - change.bytes_deallocated)
}

/// A tree that takes what it says. Tried again, since the allocator counts what the harness does beside the test, too;
/// it does not make wrong numbers equal.
fn exact(make: impl Fn() -> Tree) -> (Tree, usize) {
    let mut last = (0, 0);
    for _ in 0..5 {
        let (tree, given) = allocated(&make);
        last = (tree.bytes() - size_of::<Tree>(), given);
        if last.0 == last.1 {
            return (tree, given);
        }
    }
    assert_eq!(last.0, last.1, "what a tree says that it takes, and what the allocator gave");
    (Tree::new(Options::default()), 0)
}

/// What stands for the plain way: a map of names to nodes, each with the fields of the file node of the original.
#[derive(Default)]
struct Twin {
    children: HashMap<String, Twin>,
    _file: Option<FileInfo<'static>>,
    _open: Option<Open>,
    _seen: HashMap<String, Times>,
    _generation: Generation,
    _rules: Vec<MatchedRule>,
}

fn process(n: usize) -> Process {
    let path = format!("/usr/bin/tool-{n}");
    let file =
        FileInfo { basename: format!("tool-{n}").into(), path: path.clone().into(), ..FileInfo::default() };
    Process { file, argv0: path, envs: vec!["PATH=/usr/bin".to_owned(); 3], ..Process::default() }
}

fn file(path: &str, n: u64) -> FileInfo<'_> {
    FileInfo {
        path: path.into(),
        basename: path.rsplit('/').next().unwrap_or_default().into(),
        inode: 1_000_000 + 3 * n,
        ctime: 1_790_000_000_000_000_000 + n * 7_919_317,
        mtime: 1_790_000_000_000_000_000 + n * 7_919_317,
        mode: 0o100_644,
        mount_id: 60,
        filesystem: "overlay".into(),
        in_upper_layer: true,
        ..FileInfo::default()
    }
}

fn insert(tree: &mut Tree, process: &Process, what: What<'_>, tag: &str, at_ns: u64) {
    let activity = Activity {
        lineage: &[process],
        what,
        image_tag: tag,
        at_ns,
        generation: Generation::Runtime,
        rules: &[],
        adds_processes: true,
    };
    assert!(tree.insert(&activity).is_ok());
}

fn opened(tree: &mut Tree, process: &Process, paths: &[String], tag: &str) {
    for (n, path) in (0..).zip(paths) {
        let open = Open { retval: 3 + n % 20, flags: 0o2_001_101, mode: 0o644 };
        let file = file(path, n.unsigned_abs());
        insert(
            tree,
            process,
            What::Open { path, file: Some(&file), open },
            tag,
            1_790_000_000_000_000_000 + n.unsigned_abs(),
        );
    }
}

fn twin_of(processes: &[Process], paths: &[String]) -> Vec<Twin> {
    let seen = || HashMap::from([("v1".to_owned(), Times::at(1))]);
    let node = || Twin { _seen: seen(), _generation: Generation::Runtime, ..Twin::default() };
    processes
        .iter()
        .map(|_| {
            let mut root = Twin::default();
            for (n, path) in (0..).zip(paths) {
                let mut at = &mut root;
                for segment in path.split('/').skip(1) {
                    at = at.children.entry(segment.to_owned()).or_insert_with(node);
                }
                at._file = Some(file(path, n).into_owned());
                at._open = Some(Open::default());
            }
            root
        })
        .collect()
}

/// Random names, and paths as programs open them.
fn random_names(n: u64) -> Vec<String> {
    (0..n).map(|n| format!("/tmp/{:012x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16)).collect()
}

fn libraries() -> Vec<String> {
    (0..400).map(|n| format!("/usr/lib/x86_64-linux-gnu/module-{}/lib{n}.so.6", n % 20)).collect()
}

fn text_of(paths: &[String]) -> usize {
    let names: std::collections::HashSet<&str> = paths.iter().flat_map(|path| path.split('/')).collect();
    names.into_iter().map(str::len).sum()
}

#[test]
fn memory_is_what_the_allocator_gave() {
    // To the byte, after anything.
    let names = random_names(3000);
    let (mut tree, _) = exact(|| {
        let mut tree = Tree::new(Options { dns_match_max_depth: 3, ..Options::default() });
        for n in 0..7 {
            opened(&mut tree, &process(n), &names[n * 100..], ["v1", "v2"][n % 2]);
            let question = |n: u16| Question {
                name: format!("h{n}.example.org").into(),
                qtype: n % 3,
                ..Question::default()
            };
            (0..50).for_each(|at| insert(&mut tree, &process(n), What::Dns(question(at)), "v1", at.into()));
            insert(&mut tree, &process(n), What::Syscalls(&[1, 2, 3, 59]), "v3", 1 << 60);
            insert(&mut tree, &process(n), What::Capability(21, true), "v1", 3);
        }
        tree
    });
    let (copy, _) = exact(|| tree.clone());
    let (merged, _) = exact(|| tree.merge(&copy).unwrap());
    let (compact, _) = exact(|| {
        let mut compact = tree.clone();
        compact.compact();
        compact
    });
    assert!(compact.bytes() <= tree.bytes());
    let before = tree.bytes();
    let region = Region::new(ALLOCATOR);
    tree.evict("v1");
    let change = region.change();
    let freed = change.bytes_deallocated - change.bytes_allocated;
    assert_eq!(freed, before - tree.bytes());
    drop((tree, copy, merged, compact));

    // And little.
    for (what, processes, paths) in [
        ("a flood of random names", 1, random_names(100_000)),
        ("30 programs with the same libraries", 30, libraries()),
    ] {
        let processes: Vec<Process> = (0..processes).map(process).collect();
        let (tree, given) = exact(|| {
            let mut tree = Tree::new(Options::default());
            processes.iter().for_each(|process| opened(&mut tree, process, &paths, "v1"));
            tree
        });
        let (twin, twin_given) = allocated(|| twin_of(&processes, &paths));
        let (files, text) = (tree.stats().files, text_of(&paths));
        println!(
            "{what}: {files} file nodes, {given} bytes, {} of them texts and records; {:.1} bytes a node without its text, {:.1} \
             without its metadata; the twin takes {:.1} times as much",
            tree.text_bytes(),
            (given - text) as f64 / files as f64,
            (given - tree.text_bytes()) as f64 / files as f64,
            twin_given as f64 / given as f64,
        );
        assert!(given - text <= 64 * files, "{what}: {} bytes a node", (given - text) / files);
        assert!(twin_given >= 5 * given, "{what}: {twin_given} bytes of the twin, {given} here");
        drop((tree, twin));
    }
}
