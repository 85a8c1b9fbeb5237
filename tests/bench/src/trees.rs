//! What activity trees cost: a look-up and an insertion beside the plain tree of hash maps and one hash probe, and files
//! beside the same messages by prost.
//!
//! Everything is measured in one run, in rounds whose order is that of the list, so that a slow minute hits all alike.
//! Invariant: before anything is measured, every tree knows every path that it is asked for.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use activity_tree::{Activity, Dump, FileInfo, Generation, Open, Options, Process, Tree, What};
use anyhow::Context;
use prost::Message as _;

use crate::report::Report;
use crate::spread::Spread;

/// The messages of dump files, as prost makes them.
#[expect(missing_docs, clippy::all, reason = "generated code; the .proto file holds the documentation")]
pub mod dumpsv1 {
    include!(concat!(env!("OUT_DIR"), "/datadog.cws.dumpsv1.rs"));
}

const ROUNDS: usize = 7;
const AT_LEAST: Duration = Duration::from_millis(100);

/// Workloads, and paths in each.
const SHAPES: [(usize, usize); 4] = [(1, 1_000), (1, 100_000), (100, 1_000), (10_000, 10)];

/// The tree that one writes first: a map of names in each node.
#[derive(Default)]
struct Plain {
    children: HashMap<String, Self>,
    flags: u32,
}

impl Plain {
    fn insert(&mut self, path: &str, flags: u32) {
        let mut node = self;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            node = node.children.entry(segment.to_owned()).or_default();
        }
        node.flags |= flags;
    }

    fn has(&self, path: &str) -> bool {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        segments.try_fold(self, |node, segment| node.children.get(segment)).is_some()
    }
}

struct Workload {
    tree: Tree,
    plain: Plain,
}

fn path(n: usize) -> String {
    format!("/usr/lib/package-{}/module-{}/file-{n}.so", n % 97, n % 31)
}

fn shell() -> Process {
    let file = FileInfo { path: "/usr/bin/server".into(), ..FileInfo::default() };
    Process { file, argv0: "server".to_owned(), ..Process::default() }
}

fn activity<'a>(lineage: &'a [&'a Process], path: &'a str) -> Activity<'a> {
    Activity {
        lineage,
        what: What::Open { path, file: None, open: Open { flags: 0o2, ..Open::default() } },
        image_tag: "1.0",
        at_ns: 1_700_000_000_000_000_000,
        generation: Generation::Runtime,
        rules: &[],
        adds_processes: true,
    }
}

/// Measures all of it.
///
/// # Errors
/// When a tree does not hold what was put in, or files are not read back.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    report.title("activity trees, one core, opens that are known");
    let mut medians = Vec::new();
    for (workloads, paths) in SHAPES {
        medians.push(shape(report, workloads, paths)?);
    }
    if let [_, _, few, many] = medians.as_slice() {
        let growth = many / few;
        report.target(
            "10 000 workloads, beside 100",
            format!("{growth:.2}×"),
            String::new(),
            "≤ 1.3×",
            growth <= 1.3,
        );
    }
    files(report)
}

/// A number of workloads with so many paths each; gives the look-up in hash probes.
fn shape(report: &mut Report, n: usize, paths: usize) -> anyhow::Result<f64> {
    let shell = shell();
    let lineage = [&shell];
    let texts: Vec<String> = (0..paths).map(path).collect();
    let mut all: HashMap<usize, Workload> = HashMap::new();
    let mut floor: HashMap<(usize, String), u32> = HashMap::new();
    for workload in 0..n {
        let mut one = Workload { tree: Tree::new(Options::default()), plain: Plain::default() };
        for text in &texts {
            one.tree.insert(&activity(&lineage, text)).context("a path is refused")?;
            one.plain.insert(text, 2);
            floor.insert((workload, text.clone()), 2);
        }
        all.insert(workload, one);
    }
    // In an order that no cache foresees, as workloads and paths come.
    let asked: Vec<(usize, String)> = (0..20_000)
        .map(|at| {
            let mixed = at * 7_919;
            (mixed % n, path(mixed / 3 % paths))
        })
        .collect();
    for (workload, text) in &asked {
        let one = all.get(workload).context("no such workload")?;
        let is_known = one.tree.contains(&activity(&lineage, text)).is_ok_and(|verdict| !verdict.is_new());
        anyhow::ensure!(is_known && one.plain.has(text), "{text} is not known");
    }
    let mut rounds: HashMap<&str, Vec<f64>> = HashMap::new();
    for _ in 0..ROUNDS {
        let mut add = |name: &'static str, ns: f64| rounds.entry(name).or_default().push(ns);
        add(
            "probe",
            per_event(&asked, |asked| {
                black_box(floor.get(asked));
            }),
        );
        add(
            "look",
            per_event(&asked, |(workload, text)| {
                black_box(all.get(workload).map(|one| one.tree.contains(&activity(&lineage, text))));
            }),
        );
        add(
            "plain",
            per_event(&asked, |(workload, text)| {
                black_box(all.get(workload).map(|one| one.plain.has(text)));
            }),
        );
        add(
            "insert",
            per_event(&asked, |(workload, text)| {
                black_box(all.get_mut(workload).map(|one| one.tree.insert(&activity(&lineage, text))));
            }),
        );
        add(
            "grow",
            grow(&lineage, &texts, |tree, activity| {
                black_box(tree.insert(activity).is_ok());
            }),
        );
        add("plain grow", plain_grow(&texts));
    }
    let of = |name: &str| rounds.get(name).cloned().and_then(Spread::of).context("no rounds");
    let (probe, look) = (of("probe")?, of("look")?);
    let name = format!("{n} workloads of {paths} paths");
    report.line(
        &format!("{name}: one hash probe of a path, the floor"),
        format!("{probe:.1} ns"),
        String::new(),
    );
    let probes = look.median / probe.median;
    report.target(
        &format!("{name}: look-up"),
        format!("{look:.0} ns"),
        format!("{probes:.1} probes"),
        "≤ 6 probes",
        probes <= 6.0,
    );
    report.line(
        &format!("{name}: the same in maps of maps"),
        format!("{:.0} ns", of("plain")?),
        String::new(),
    );
    report.line(
        &format!("{name}: insertion of what is known"),
        format!("{:.0} ns", of("insert")?),
        String::new(),
    );
    report.line(
        &format!("{name}: insertion of what is new"),
        format!("{:.0} ns", of("grow")?),
        format!("{:.0} in maps of maps", of("plain grow")?),
    );
    Ok(probes)
}

/// Nanoseconds for each path of a tree that begins empty.
#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts stay far below 2^52")]
fn grow(lineage: &[&Process], texts: &[String], insert: impl Fn(&mut Tree, &Activity<'_>)) -> f64 {
    let (start, mut count) = (Instant::now(), 0_usize);
    while start.elapsed() < AT_LEAST {
        let mut tree = Tree::new(Options::default());
        texts.iter().for_each(|text| insert(&mut tree, &activity(lineage, text)));
        count += texts.len();
        black_box(&tree);
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts stay far below 2^52")]
fn plain_grow(texts: &[String]) -> f64 {
    let (start, mut count) = (Instant::now(), 0_usize);
    while start.elapsed() < AT_LEAST {
        let mut plain = Plain::default();
        texts.iter().for_each(|text| plain.insert(text, 2));
        count += texts.len();
        black_box(&plain);
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Encoding and decoding beside prost, in megabytes of the file a second.
#[expect(clippy::cast_precision_loss, reason = "a rate for people; sizes stay far below 2^52")]
fn files(report: &mut Report) -> anyhow::Result<()> {
    let shell = shell();
    let mut dump = Dump::new(Options::default());
    for n in 0..20_000 {
        dump.tree.insert(&activity(&[&shell], &path(n))).context("a path is refused")?;
    }
    let bytes = dump.to_protobuf();
    let message = dumpsv1::SecDump::decode(bytes.as_slice()).context("prost does not read the file")?;
    let read = Dump::from_protobuf(&bytes, Options::default()).context("the file is not read back")?;
    anyhow::ensure!(read.to_protobuf() == bytes, "the file is not the same again");
    let mut rounds: HashMap<&str, Vec<f64>> = HashMap::new();
    let speed = |act: &mut dyn FnMut()| {
        let (start, mut times) = (Instant::now(), 0_usize);
        while start.elapsed() < AT_LEAST {
            act();
            times += 1;
        }
        (times * bytes.len()) as f64 / start.elapsed().as_secs_f64() / 1e6
    };
    for _ in 0..ROUNDS {
        let mut add = |name: &'static str, mb: f64| rounds.entry(name).or_default().push(mb);
        add("encode", speed(&mut || drop(black_box(dump.to_protobuf()))));
        add("prost encode", speed(&mut || drop(black_box(message.encode_to_vec()))));
        add("decode", speed(&mut || drop(black_box(Dump::from_protobuf(&bytes, Options::default())))));
        add("prost decode", speed(&mut || drop(black_box(dumpsv1::SecDump::decode(bytes.as_slice())))));
    }
    let of = |name: &str| rounds.get(name).cloned().and_then(Spread::of).context("no rounds");
    for (name, beside) in [("encode", "prost encode"), ("decode", "prost decode")] {
        let (ours, theirs) = (of(name)?, of(beside)?);
        report.line(
            &format!("{name} a dump of 20 000 files"),
            format!("{ours:.0} MB/s"),
            format!("{theirs:.0} by prost, from and to messages and not a tree"),
        );
    }
    Ok(())
}

/// Nanoseconds that `one` takes for each of these.
#[expect(clippy::cast_precision_loss, reason = "a rate for people; counts stay far below 2^52")]
fn per_event<T>(over: &[T], mut one: impl FnMut(&T)) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < AT_LEAST {
        over.iter().for_each(&mut one);
        count += over.len() as u64;
    }
    start.elapsed().as_nanos() as f64 / count as f64
}
