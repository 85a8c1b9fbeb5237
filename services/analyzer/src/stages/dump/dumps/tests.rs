//! Who is recorded, until when, and what is said of it.

use std::num::{NonZeroU32, NonZeroUsize};

use event::{
    Exec, File, LossCause, NotObserved, Open, PerKind, ProcessKey, Runtime, Task, What, Workload,
    WorkloadLoss,
};
use process_tree::{Limits as TreeLimits, Tree};
use wire::batch::News;

use super::*;
use crate::context::tags::{ImageName, Tags};
use crate::metrics::Metrics;
use crate::stages::dispatch::Marks;

const SECOND: u64 = 1_000_000_000;

struct Bench {
    dumps: Dumps,
    processes: Tree,
    metrics: DumpMetrics,
    now_ns: u64,
    news: News,
}

fn config(change: impl FnOnce(&mut ActivityDumpConfig)) -> ActivityDumpConfig {
    let mut config = ActivityDumpConfig { enabled: true, ..ActivityDumpConfig::default() };
    change(&mut config);
    config
}

fn bench(change: impl FnOnce(&mut ActivityDumpConfig)) -> Bench {
    let metrics = Metrics::new().dumps;
    let mut dumps = Dumps::new(config(change), true, metrics.clone());
    dumps.begin(&Arc::new(Host { boot_id: "boot".into(), wall_offset_ns: 5, ..Host::default() }));
    dumps.tick(SECOND);
    let processes = Tree::new(TreeLimits::default());
    Bench { dumps, processes, metrics, now_ns: SECOND, news: News::default() }
}

/// A request for a container for so many seconds.
fn wanted(container: &str, seconds: u64) -> Request {
    Request {
        wanted: Wanted::Container(container.to_owned()),
        timeout: Some(Duration::from_secs(seconds)),
        differentiate_args: false,
        formats: Vec::new(),
        is_packed: None,
    }
}

fn tags(name: &str) -> Arc<Tags> {
    Arc::new(Tags::new(&format!("{name}-1"), ImageName::parse(&format!("{name}:2")), []))
}

fn image(path: &str) -> Arc<File> {
    Arc::new(File { path: path.into(), inode: 7, ..File::default() })
}

impl Bench {
    /// Something that a container does with a process of its own.
    fn does(&mut self, container: &str, what: What, tags: Option<Arc<Tags>>) -> bool {
        self.now_ns += 1;
        let workload = Workload::Container { id: container.into(), runtime: Runtime::Podman, pod_uid: None };
        let cgroup =
            Arc::new(Cgroup { id: 1, path: format!("/{container}").into(), workload, created_ns: 0 });
        let tgid = 10 + u32::try_from(container.len()).unwrap();
        let process = ProcessKey { start_ns: 2, tgid };
        let task = Arc::new(Task { process, tid: tgid, cgroup, ..Task::default() });
        let event = Event { boot_ns: self.now_ns, task, what };
        let run = self.processes.apply(&event);
        let is_covered = self.dumps.covers(&event);
        self.dumps.take(&Dispatched { number: 1, event, run, tags, marks: Marks::default() });
        is_covered
    }

    fn execs(&mut self, container: &str) -> bool {
        self.does(
            container,
            What::Exec(Arc::new(Exec { executable: image("/bin/x"), ..Exec::default() })),
            None,
        )
    }

    fn opens(&mut self, container: &str, path: &str) -> bool {
        self.does(container, What::Open(Open { file: image(path), flags: 0, mode: 0, retval: 3 }), None)
    }

    fn end_of_batch(&mut self) {
        let news = std::mem::take(&mut self.news);
        let ending = Ending { news: &news, last_ns: self.now_ns, processes: &self.processes };
        self.dumps.end_of_batch(&ending, || ending.processes.living());
    }

    fn at(&mut self, second: u64) {
        self.now_ns = self.now_ns.max(second * SECOND);
        self.dumps.tick(self.now_ns);
    }

    fn running(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .dumps
            .list()
            .iter()
            .map(|info| info.target.as_ref().and_then(Target::container_id).unwrap_or("?").to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// Everything that ended: container, paths, and what was missed.
    fn ended(&mut self) -> Vec<(String, usize, Vec<String>)> {
        let mut ended = Vec::new();
        while let Some(parcel) = self.dumps.next_parcel() {
            if parcel.is_end {
                let id =
                    parcel.workload.as_ref().and_then(|(target, _)| target.container_id()).unwrap_or("?");
                ended.push((id.to_owned(), parcel.tree.stats().files, parcel.missed.tags()));
            }
        }
        ended
    }
}

fn ids(ended: &[(String, usize, Vec<String>)]) -> Vec<&str> {
    ended.iter().map(|(id, ..)| id.as_str()).collect()
}

#[test]
fn those_whose_time_is_over_end_and_the_others_stay() {
    // Which of up to five dumps are over: none, one, all, every second, the first two, the last two.
    for over in [&[][..], &[0], &[0, 1, 2, 3, 4], &[1, 3], &[0, 1], &[3, 4]] {
        let mut bench = bench(|_| ());
        let names = ["a", "bb", "ccc", "dddd", "eeeee"];
        for (place, name) in names.iter().enumerate() {
            let seconds = if over.contains(&place) { 5 } else { 50 };
            bench.dumps.request(wanted(name, seconds)).unwrap();
            bench.execs(name);
        }
        bench.at(7);
        let (gone, left): (Vec<_>, Vec<_>) = (0..5).partition(|place| over.contains(place));
        assert_eq!(ids(&bench.ended()), gone.iter().map(|place| names[*place]).collect::<Vec<_>>());
        assert_eq!(bench.running(), left.iter().map(|place| names[*place]).collect::<Vec<_>>());
    }
}

#[test]
fn a_new_container_is_recorded_once_in_a_while_and_as_many_as_there_are_places() {
    let mut bench = bench(|config| config.traced_cgroups_count = NonZeroUsize::new(2).unwrap());
    for name in ["a", "bb", "ccc"] {
        bench.execs(name);
    }
    assert_eq!(bench.running(), ["a", "bb"]);
    bench.at(902);
    assert_eq!(ids(&bench.ended()), ["a", "bb"]);
    for name in ["a", "bb", "ccc"] {
        bench.execs(name);
    }
    assert_eq!(bench.running(), ["ccc"], "the others had their turn");
    bench.at(4502);
    bench.execs("a");
    assert_eq!(bench.running(), ["a"]);
}

#[test]
fn nothing_begins_by_itself_unless_it_is_enabled_and_can_be_kept() {
    let mut off = bench(|config| config.enabled = false);
    off.execs("a");
    assert!(off.running().is_empty() && !off.dumps.is_busy());
    let metrics = Metrics::new().dumps;
    let unkept = Dumps::new(config(|_| ()), false, metrics.clone());
    let mut bench = Bench {
        dumps: unkept,
        processes: Tree::new(TreeLimits::default()),
        metrics,
        now_ns: 1,
        news: News::default(),
    };
    assert!(matches!(bench.dumps.request(wanted("a", 5)), Err(Refused::NoProbe)));
    bench.execs("a");
    assert!(bench.running().is_empty());
    bench.dumps.tick(2);
    bench.dumps.request(wanted("a", 5)).unwrap();
    bench.execs("a");
    assert_eq!(bench.running(), ["a"], "requests always work");
}

#[test]
fn a_denied_image_and_one_with_enough_dumps_are_not_recorded_also_when_the_tags_come_late() {
    let mut bench = bench(|config| {
        config.workload_deny_list = vec!["bad".to_owned()];
        config.max_dump_count_per_workload = NonZeroU32::new(1).unwrap();
    });
    let exec = || What::Exec(Arc::new(Exec { executable: image("/bin/x"), ..Exec::default() }));
    bench.does("a", exec(), Some(tags("bad")));
    assert!(bench.running().is_empty());
    bench.execs("bb");
    assert_eq!(bench.running(), ["bb"], "nobody knows yet what it is");
    bench.does("bb", exec(), Some(tags("bad")));
    assert!(bench.running().is_empty() && bench.ended().is_empty());
    bench.does("ccc", exec(), Some(tags("web")));
    bench.does("dddd", exec(), Some(tags("web")));
    assert_eq!(bench.running(), ["ccc"]);
    assert_eq!((bench.metrics.refused_denied.get(), bench.metrics.refused_count.get()), (2, 1));
    bench.dumps.stop_image("web", "2");
    assert_eq!((bench.running().len(), ids(&bench.ended())), (0, vec!["ccc"]));
    bench.dumps.request(wanted("dddd", 5)).unwrap();
    bench.does("dddd", exec(), Some(tags("web")));
    assert_eq!(bench.running(), ["dddd"], "who asks gets it all the same");
}

#[test]
fn a_request_waits_for_its_workload_by_id_prefix_name_or_path_and_is_not_met_twice() {
    let mut bench = bench(|config| config.enabled = false);
    let whoever = wanted("", 30);
    let by = |wanted| Request { wanted, ..whoever.clone() };
    bench.dumps.request(wanted("aaa", 30)).unwrap();
    bench.dumps.request(wanted("web-1", 30)).unwrap();
    bench.dumps.request(by(Wanted::Cgroup("/c".into()))).unwrap();
    assert_eq!(bench.running(), ["?", "?", "?"]);
    bench.execs("aaaa");
    let exec = || What::Exec(Arc::new(Exec { executable: image("/bin/x"), ..Exec::default() }));
    bench.does("bb", exec(), Some(tags("web")));
    bench.execs("c");
    bench.execs("other");
    assert_eq!(bench.running(), ["aaaa", "bb", "c"]);
    for again in [
        Wanted::Container("aa".into()),
        Wanted::Container("bb".into()),
        Wanted::Container("web-1".into()),
        Wanted::Cgroup("/c".into()),
        Wanted::Container("c".into()),
    ] {
        assert!(matches!(bench.dumps.request(by(again.clone())), Err(Refused::AlreadyRuns(_))), "{again:?}");
    }
    bench.dumps.request(wanted("x", 30)).unwrap();
    bench.dumps.request(wanted("y", 30)).unwrap();
    assert!(matches!(bench.dumps.request(wanted("z", 30)), Err(Refused::TooMany(5))));
    assert!(bench.dumps.stop(&Which::Of(Wanted::Container("aa".into()))).is_ok());
    assert!(
        matches!(bench.dumps.stop(&Which::Name("nobody".into())), Err(Refused::NotFound(name)) if name == "nobody")
    );
    assert_eq!(ids(&bench.ended()), ["aaaa"]);
}

#[test]
fn only_events_that_go_into_a_running_dump_are_marked() {
    let mut bench = bench(|config| config.enabled = false);
    bench.dumps.request(wanted("a", 30)).unwrap();
    assert!(!bench.execs("a"), "nobody knew yet that it is wanted");
    assert!(bench.opens("a", "/x") && !bench.opens("bb", "/x"));
    assert!(!bench.does("a", What::Fork(ProcessKey::default()), None), "a fork has no place in a dump");
    bench.dumps.stop(&Which::Of(Wanted::Container("a".into()))).unwrap();
    assert!(!bench.opens("a", "/x"));
}

#[test]
fn a_dump_that_is_full_pauses_and_goes_on_with_less_and_says_so() {
    let mut bench = bench(|config| config.max_dump_size = NonZeroUsize::new(100).unwrap());
    bench.dumps.request(wanted("a", 900)).unwrap();
    bench.execs("a");
    let mut paths = 0;
    while bench.dumps.list()[0].status == Status::Running {
        paths += 1;
        // As many as fit into the rate.
        bench.now_ns += SECOND / 100;
        bench.opens("a", &format!("/d/{paths}"));
        assert!(paths < 100_000, "it is never full");
    }
    assert!(bench.dumps.list()[0].stats.bytes <= 100 * 1024 * 17 / 16);
    assert!(!bench.opens("a", "/more"));
    assert!(bench.opens("a", "/more2") == bench.opens("a", "/d/1"), "a paused dump covers nothing");
    bench.at(bench.now_ns / SECOND + 61);
    let running = bench.dumps.list();
    assert_eq!((running.len(), running[0].status), (1, Status::Running));
    assert_eq!(
        running[0].missed,
        ["dump_reduced:rate:500:375", "dump_reduced:timeout:823s:617s", "dump_reduced:event_types:imds"].map(
            |tag| {
                // How much time was left depends on how many paths fit.
                if tag.contains("timeout") { running[0].missed[1].clone() } else { tag.to_owned() }
            }
        )
    );
    let ended = bench.ended();
    assert_eq!(ended.len(), 1);
    assert!(ended[0].1 > 500, "{}", ended[0].1);
    assert_eq!(ended[0].2[0], "dump_partial:overload");
    assert!(ended[0].2.contains(&"dump_lost:open:paused:2".to_owned()), "{:?}", ended[0].2);
    assert_eq!(bench.metrics.partial.get(), 1);
    bench.opens("a", "/after");
    bench.dumps.stop(&Which::Of(Wanted::Container("a".into()))).unwrap();
    let last = bench.ended();
    assert_eq!((last[0].1, last[0].2.len()), (1, 3), "it has what came after, and what was taken away");
}

#[test]
fn those_that_are_full_are_split_and_the_others_go_on() {
    for full in [&[][..], &[0], &[0, 1], &[1]] {
        let mut bench = bench(|config| config.max_dump_size = NonZeroUsize::new(100).unwrap());
        let names = ["a", "bb"];
        for (place, name) in names.iter().enumerate() {
            bench.dumps.request(wanted(name, 90_000)).unwrap();
            bench.execs(name);
            let n = if full.contains(&place) { 5_000 } else { 10 };
            for path in 0..n {
                bench.now_ns += SECOND / 100;
                bench.opens(name, &format!("/d/{path}"));
            }
        }
        bench.at(bench.now_ns / SECOND + 61);
        assert_eq!(bench.running(), names);
        assert_eq!(ids(&bench.ended()), full.iter().map(|place| names[*place]).collect::<Vec<_>>());
    }
}

#[test]
fn more_than_the_rate_is_counted_and_what_is_known_costs_nothing() {
    let mut bench = bench(|config| config.rate_limiter = NonZeroU32::new(10).unwrap());
    bench.dumps.request(wanted("a", 30)).unwrap();
    bench.execs("a");
    for path in 0..25 {
        bench.opens("a", &format!("/{path}"));
        bench.opens("a", "/0");
    }
    bench.dumps.stop(&Which::Of(Wanted::Container("a".into()))).unwrap();
    let ended = bench.ended();
    assert_eq!(ended[0], ("a".to_owned(), 10, vec!["dump_lost:open:rate_limiter:15".to_owned()]));
}

#[test]
fn losses_of_the_own_workload_and_times_that_nobody_observed_are_part_of_the_dump() {
    let mut bench = bench(|_| ());
    bench.dumps.request(wanted("a", 30)).unwrap();
    bench.execs("a");
    let loss = |workload: &str| WorkloadLoss {
        cgroup: 9,
        workload: workload.into(),
        cause: LossCause::RingFull,
        counts: PerKind::from([(Kind::Open, 3)]),
    };
    let gap = |from_ns, to_ns| NotObserved { from_ns, to_ns, reason: "probe killed".into() };
    bench.news.lost = vec![loss("a"), loss("bb")];
    bench.news.not_observed = vec![gap(0, SECOND / 2), gap(SECOND / 2, 2 * SECOND)];
    bench.end_of_batch();
    bench.dumps.stop(&Which::Of(Wanted::Container("a".into()))).unwrap();
    let ended = bench.ended();
    let expected = [
        "dump_lost:open:ring_full:3",
        "dump_not_observed:1970-01-01T00:00:01.000000005Z/1970-01-01T00:00:02.000000005Z:probe_killed",
    ];
    assert_eq!(ended[0].2, expected, "what was over before it began is none of its business");
}

#[test]
fn processes_that_ran_before_are_in_a_dump_that_begins_later() {
    let mut bench = bench(|config| config.enabled = false);
    for container in ["a", "bb"] {
        bench.execs(container);
    }
    bench.at(3);
    bench.dumps.request(wanted("a", 30)).unwrap();
    // It binds the dump, and has no node itself.
    bench.does("a", What::Fork(ProcessKey { start_ns: 2, tgid: 999 }), None);
    assert_eq!(bench.dumps.list()[0].stats.processes, 0);
    bench.end_of_batch();
    assert_eq!(bench.dumps.list()[0].stats.processes, 1, "the one of the other container is not");
}

#[test]
fn a_running_dump_is_copied_when_it_has_grown_and_ends_as_one_parcel() {
    let mut bench = bench(|_| ());
    bench.dumps.request(wanted("a", 60)).unwrap();
    bench.execs("a");
    bench.at(7);
    let copy = bench.dumps.next_parcel().unwrap();
    assert!(!copy.is_end && !copy.tree.is_empty() && bench.dumps.next_parcel().is_none());
    bench.at(13);
    assert!(bench.dumps.next_parcel().is_none(), "nothing was added");
    bench.opens("a", "/x");
    bench.at(19);
    bench.opens("a", "/y");
    bench.at(25);
    assert_eq!(bench.dumps.parcels.len(), 1, "a newer copy takes the place of the older one");
    bench.at(90);
    let end = bench.dumps.next_parcel().unwrap();
    assert!(end.is_end && end.name == copy.name && bench.dumps.next_parcel().is_none());
    assert_eq!(end.end_ns - end.start_ns, 60 * SECOND);
}

#[test]
fn when_nobody_takes_what_ended_nothing_new_begins() {
    let mut bench = bench(|_| ());
    for n in 0..MAX_PARCELS {
        bench.dumps.request(wanted("a", 60)).unwrap();
        bench.execs("a");
        bench.dumps.stop(&Which::Of(Wanted::Container("a".into()))).unwrap();
        assert_eq!(bench.dumps.parcels.len(), n + 1);
    }
    assert!(matches!(bench.dumps.request(wanted("a", 60)), Err(Refused::Behind(MAX_PARCELS))));
    bench.execs("new");
    assert!(bench.running().is_empty());
    assert_eq!(bench.ended().len(), MAX_PARCELS);
    bench.dumps.request(wanted("a", 60)).unwrap();
}

#[test]
fn another_boot_ends_what_ran_and_the_end_of_the_analyzer_too() {
    let mut bench = bench(|_| ());
    for name in ["a", "bb"] {
        bench.dumps.request(wanted(name, 60)).unwrap();
        bench.execs(name);
    }
    bench.dumps.begin(&Arc::new(Host { boot_id: "boot".into(), ..Host::default() }));
    assert_eq!(bench.running().len(), 2, "the same boot: they go on");
    bench.dumps.begin(&Arc::new(Host { boot_id: "other".into(), ..Host::default() }));
    let ended = bench.ended();
    assert_eq!(ids(&ended), ["a", "bb"]);
    assert!(ended.iter().all(|(.., missed)| missed == &["dump_partial:ending"]));
}

#[test]
fn a_silent_workload_is_asked_for_when_there_is_a_place_and_nothing_ended_just_now() {
    let mut bench = bench(|config| config.traced_cgroups_count = NonZeroUsize::new(1).unwrap());
    assert_eq!(bench.dumps.silent_places(), 0, "nothing is quiet yet");
    bench.at(12);
    assert_eq!(bench.dumps.silent_places(), 0, "the first time is a period away");
    bench.at(23);
    assert_eq!((bench.dumps.silent_places(), bench.dumps.silent_places()), (1, 0));
    let workload = Workload::Container { id: "a".into(), runtime: Runtime::Podman, pod_uid: None };
    let cgroup = Arc::new(Cgroup { workload, ..Cgroup::default() });
    bench.dumps.start_silent(&cgroup);
    bench.dumps.start_silent(&cgroup);
    assert_eq!(bench.running(), ["a"]);
    bench.at(34);
    assert_eq!(bench.dumps.silent_places(), 0, "there is no place");
}
