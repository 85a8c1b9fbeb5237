//! What ended is written, with its tags or without them, and shown to who listens.

use std::path::Path;

use activity_tree::{Activity, Generation, Options, Process, Tree, What};
use actix::{Actor, Context, Handler};
use dump::{Missed, Target};
use event::{Cgroup, Host, Runtime, Workload};

use super::*;
use crate::config::StorageConfig;
use crate::context::tags::{Directory, ImageName, Resolve, Tags};
use crate::dumps::store;
use crate::metrics::Metrics;

struct Nobody;

impl Actor for Nobody {
    type Context = Context<Self>;
}

impl Handler<Resolve> for Nobody {
    type Result = ();

    fn handle(&mut self, _: Resolve, _: &mut Self::Context) {}
}

struct Bench {
    dir: tempfile::TempDir,
    directory: Directory,
    metrics: DumpMetrics,
    finished: broadcast::Receiver<Arc<Finished>>,
    parcels: mpsc::Sender<Parcel>,
    asks: mpsc::Sender<Ask>,
    task: tokio::task::JoinHandle<()>,
}

fn config(dir: &Path) -> StorageConfig {
    StorageConfig { output_directory: dir.join("dumps"), ..StorageConfig::default() }
}

fn bench(dir: tempfile::TempDir) -> Bench {
    let config = config(dir.path());
    store::prepare(&config).unwrap();
    let count = std::num::NonZeroUsize::new(8).unwrap();
    let directory = Directory::new(count, Duration::from_secs(30), Duration::from_millis(500));
    let metrics = Metrics::new().dumps;
    let (sender, finished) = broadcast::channel(4);
    let manager = DumpManager::new(DumpManagerParts {
        store: Some(Store::open(&config).unwrap()),
        workloads: Workloads::new(directory.clone(), Nobody.start().recipient()),
        finished: sender,
        wait: Duration::from_secs(60),
        tags: vec!["env:test".to_owned(), "host:not-mine".to_owned()],
        distribution: "Test OS".to_owned(),
        metrics: metrics.clone(),
    });
    let (parcels, from_stages) = mpsc::channel(4);
    let (asks, from_api) = mpsc::channel(4);
    let task = tokio::spawn(manager.run(from_stages, from_api));
    Bench { dir, directory, metrics, finished, parcels, asks, task }
}

fn tags() -> Arc<Tags> {
    Arc::new(Tags::new("web-1", ImageName::parse("web:2"), []))
}

fn parcel(name: &str, formats: &[Format]) -> Parcel {
    let mut tree = Tree::new(Options::default());
    let mut shell = Process::default();
    shell.file.path = "/bin/sh".into();
    let activity = Activity {
        lineage: &[&shell],
        what: What::Exec,
        image_tag: "",
        at_ns: 5,
        generation: Generation::Runtime,
        rules: &[],
        adds_processes: true,
    };
    tree.insert(&activity).unwrap();
    let workload = Workload::Container { id: "abc".into(), runtime: Runtime::Podman, pod_uid: None };
    let cgroup = Arc::new(Cgroup { path: "/abc".into(), workload, ..Cgroup::default() });
    Parcel {
        name: name.to_owned(),
        is_end: true,
        is_awaited: false,
        workload: Some((Target::of(&cgroup), cgroup)),
        tags: None,
        tree,
        missed: Missed::default(),
        host: Arc::new(Host { hostname: "node".into(), ..Host::default() }),
        start_ns: 1_000,
        end_ns: 2_000,
        formats: formats.to_vec(),
        is_packed: false,
    }
}

impl Bench {
    fn files(&self, below: &str) -> Vec<String> {
        let mut files: Vec<String> = std::fs::read_dir(self.dir.path().join("dumps").join(below))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        files
    }

    /// Ends the stages, and waits for the task.
    async fn end(self) -> tempfile::TempDir {
        drop(self.parcels);
        self.task.await.unwrap();
        self.dir
    }

    async fn ask(&self, file: &str, formats: &[Format]) -> Transcoded {
        let (answer, written) = oneshot::channel();
        let ask = Ask { file: file.to_owned(), formats: formats.to_vec(), is_packed: true, answer };
        self.asks.send(ask).await.unwrap();
        written.await.unwrap()
    }
}

fn read(dir: &Path, file: &str) -> activity_tree::Dump {
    let path = dir.join("dumps").join(file);
    dump::read(&path, &std::fs::read(&path).unwrap()).unwrap().into_dump()
}

#[actix::test]
async fn a_dump_is_written_in_every_format_with_its_tags_and_shown() {
    let mut bench = bench(tempfile::tempdir().unwrap());
    let parcel = Parcel { tags: Some(tags()), ..parcel("d", &Format::ALL) };
    bench.parcels.send(parcel).await.unwrap();
    let finished = bench.finished.recv().await.unwrap();
    assert_eq!(
        (finished.name.as_str(), finished.selector.clone()),
        ("d", ("web".to_owned(), "2".to_owned()))
    );
    let shown = dump::read(Path::new("x.protobuf"), &finished.data).unwrap().into_dump();
    assert_eq!(bench.files(""), ["d.dot", "d.html", "d.json", "d.profile", "d.protobuf", "running"]);
    let written = read(bench.dir.path(), "d.protobuf");
    assert_eq!(shown.to_protobuf(), written.to_protobuf());
    for tag in ["image_name:web", "image_tag:2", "env:test", "host:node", "container_id:abc"] {
        assert!(written.tags.iter().any(|known| known == tag), "{tag}: {:?}", written.tags);
    }
    assert_eq!(written.metadata.linux_distribution, "Test OS");
    assert_eq!(written.tree.image_tags().iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), ["2"]);
    assert_eq!((bench.metrics.stored.get(), bench.metrics.failed.get()), (5, 0));
    bench.end().await;
}

#[actix::test]
async fn tags_that_come_late_are_waited_for_and_a_dump_is_never_lost_for_them() {
    let bench = bench(tempfile::tempdir().unwrap());
    let (parcels, directory) = (bench.parcels.clone(), bench.directory.clone());
    parcels.send(parcel("late", &[Format::Profile])).await.unwrap();
    parcels.send(Parcel { is_packed: true, ..parcel("never", &[Format::Profile]) }).await.unwrap();
    // An answer to an ask comes behind both.
    assert!(bench.ask("none", &[Format::Json]).await.is_err());
    assert_eq!(bench.files("running"), ["late.protobuf", "never.protobuf"], "a kill would lose neither");
    assert_eq!(bench.files(""), ["running"]);
    directory.answer(&"abc".into(), Some(tags()), Instant::now());
    let metrics = bench.metrics.clone();
    drop(parcels);
    let dir = bench.end().await;
    let late = read(dir.path(), "late.profile");
    assert!(late.metadata.name == "late" && read(dir.path(), "never.profile.gz").metadata.name == "never");
    assert_eq!((metrics.untagged.get(), metrics.stored.get()), (2, 2), "at its end it waits no longer");
}

#[actix::test]
async fn whoever_waits_for_a_dump_of_a_container_that_nobody_knows_gets_it_at_once() {
    let mut bench = bench(tempfile::tempdir().unwrap());
    bench.directory.answer(&"abc".into(), None, Instant::now());
    bench.parcels.send(Parcel { is_awaited: true, ..parcel("d", &[Format::Json]) }).await.unwrap();
    assert_eq!(bench.finished.recv().await.unwrap().selector, (String::new(), String::new()));
    assert_eq!(
        (bench.files(""), bench.metrics.untagged.get()),
        (vec!["d.json".to_owned(), "running".to_owned()], 1)
    );
    bench.end().await;
}

#[actix::test]
async fn an_empty_dump_is_shown_and_not_written() {
    let mut bench = bench(tempfile::tempdir().unwrap());
    let empty =
        Parcel { tree: Tree::new(Options::default()), workload: None, ..parcel("d", &[Format::Json]) };
    bench.parcels.send(empty).await.unwrap();
    assert_eq!(bench.finished.recv().await.unwrap().name, "d");
    assert_eq!((bench.files(""), bench.metrics.empty.get()), (vec!["running".to_owned()], 1));
    bench.end().await;
}

#[actix::test]
async fn what_ran_when_the_analyzer_was_killed_is_finished_as_partial_and_what_had_ended_as_whole() {
    let first = bench(tempfile::tempdir().unwrap());
    let formats = [Format::Profile, Format::Json];
    first.parcels.send(Parcel { is_end: false, is_packed: true, ..parcel("ran", &formats) }).await.unwrap();
    first.parcels.send(parcel("ended", &formats)).await.unwrap();
    assert!(first.ask("none", &[Format::Json]).await.is_err());
    first.task.abort();
    let Bench { dir, .. } = first;
    let again = bench(dir);
    assert!(again.ask("none", &[Format::Json]).await.is_err());
    let expected = ["ended.json", "ended.profile", "ran.json.gz", "ran.profile.gz", "running"];
    assert_eq!((again.files(""), again.files("running")), (expected.map(str::to_owned).to_vec(), Vec::new()));
    let missed = |file: &str| {
        let tags = read(again.dir.path(), file).tags;
        tags.into_iter().filter(|tag| tag.starts_with(dump::PREFIX)).collect::<Vec<_>>()
    };
    let ran = missed("ran.json.gz");
    assert_eq!(ran.len(), 2);
    assert_eq!(ran[0], "dump_partial:killed");
    assert!(
        ran[1].starts_with("dump_not_observed:1970-01-01T00:00:00.000002Z/")
            && ran[1].ends_with(":analyzer_killed"),
        "{ran:?}"
    );
    assert_eq!(missed("ended.json"), Vec::<String>::new());
    assert_eq!(again.metrics.recovered.get(), 2);
    again.end().await;
}

#[actix::test]
async fn a_damaged_copy_is_counted_and_does_not_stand_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    store::prepare(&config(dir.path())).unwrap();
    std::fs::write(dir.path().join("dumps/running/x.protobuf"), [0xff; 9]).unwrap();
    let bench = bench(dir);
    assert!(bench.ask("none", &[Format::Json]).await.is_err());
    assert_eq!((bench.metrics.failed.get(), bench.files("running").len()), (1, 0));
    bench.end().await;
}

#[actix::test]
async fn a_dump_of_the_directory_is_written_in_another_format() {
    let mut bench = bench(tempfile::tempdir().unwrap());
    bench.parcels.send(Parcel { tags: Some(tags()), ..parcel("d", &[Format::Protobuf]) }).await.unwrap();
    bench.finished.recv().await.unwrap();
    let written = bench.ask("d.protobuf", &[Format::Json, Format::Dot]).await.unwrap();
    assert_eq!(written.iter().map(|(format, _)| *format).collect::<Vec<_>>(), [Format::Json, Format::Dot]);
    assert_eq!(bench.files(""), ["d.dot.gz", "d.json.gz", "d.protobuf", "running"]);
    assert!(bench.ask("d.dot.gz", &[Format::Json]).await.unwrap_err().contains("drawing"));
    assert!(bench.ask("/etc/passwd", &[Format::Json]).await.unwrap_err().contains("/etc/passwd"));
    bench.end().await;
}
