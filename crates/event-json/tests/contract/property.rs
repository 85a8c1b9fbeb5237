//! Properties of arbitrary streams of events.

use std::sync::Arc;

use event::{
    Cgroup, Credentials, Event, Exec, ExecKind, ExitStatus, File, Host, Kind, Layer, Lineage, Namespaces,
    Open, PathState, ProcessKey, Run, Runtime, Source, Strings, Task, Text, What, Workload,
};
use event_json::{Names, Writer, write_uncached};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::check::parse;
use crate::made::{Maker, Way};

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        "[ -~]{0,20}".prop_map(Text::from),
        "/([a-z]{1,6}/){0,3}[a-z.]{1,8}".prop_map(Text::from),
        vec(any::<u8>(), 0..20).prop_map(Text::from),
        (250..300_usize).prop_map(|length| Text::from("é".repeat(length / 2))),
    ]
}

fn strings() -> impl Strategy<Value = Strings> {
    let items = prop_oneof![9 => vec(text(), 0..5), 1 => vec("[a-z]{0,2}".prop_map(Text::from), 120..140)];
    (items, any::<bool>()).prop_map(|(items, truncated)| Strings { items, truncated })
}

fn file() -> impl Strategy<Value = File> {
    let names = (text(), select(&PathState::ALL[..]), text(), select(&Layer::ALL[..]));
    let numbers = (any::<u64>(), any::<u32>(), any::<u64>(), any::<u16>(), 0..2_000_u32, 0..2_u32);
    let times = (any::<i64>(), any::<i64>(), any::<i64>());
    (names, numbers, times, any::<bool>()).prop_map(|(names, numbers, times, has_inode)| {
        let (path, path_state, filesystem, layer) = names;
        let (inode, mount_id, device, mode, uid, gid) = numbers;
        let (access_ns, modification_ns, change_ns) = times;
        let inode = if has_inode { inode } else { 0 };
        let (generation, nlink) = (0, 1);
        File {
            path,
            path_state,
            inode,
            generation,
            mount_id,
            device,
            mode,
            nlink,
            uid,
            gid,
            filesystem,
            layer,
            access_ns,
            modification_ns,
            change_ns,
        }
    })
}

fn exec() -> impl Strategy<Value = Arc<Exec>> {
    (file(), option::of(file()), strings(), strings(), text()).prop_map(
        |(executable, script, args, envs, tty)| {
            let (executable, script) = (Arc::new(executable), script.map(Arc::new));
            Arc::new(Exec { executable, script, kind: ExecKind::File, args, envs, tty })
        },
    )
}

fn cgroup() -> impl Strategy<Value = Arc<Cgroup>> {
    let workload = prop_oneof![
        Just(Workload::Host),
        "[0-9a-f]{64}".prop_map(|id| Workload::Container {
            id: id.into(),
            runtime: Runtime::Docker,
            pod_uid: None
        }),
        "\\PC{0,8}".prop_map(|id| Workload::Container {
            id: id.into(),
            runtime: Runtime::Unknown,
            pod_uid: None
        }),
        Just(Workload::Service { unit: "nginx.service".into() }),
    ];
    (workload, any::<i64>()).prop_map(|(workload, created_ns)| {
        Arc::new(Cgroup { id: 1, path: Text::default(), workload, created_ns })
    })
}

fn task() -> impl Strategy<Value = Arc<Task>> {
    let ids = (0..4_u32, 0..2_000_u32, any::<u32>(), any::<u32>());
    (ids, (0..4_u32, 0..4_u32, any::<u32>()), (any::<u64>(), any::<u64>()), text(), cgroup()).prop_map(
        |((uid, gid, euid, fsgid), (tgid, ppid, tid), (cap_effective, cap_permitted), comm, cgroup)| {
            let credentials =
                Credentials { uid, gid, euid, egid: gid, fsuid: uid, fsgid, cap_effective, cap_permitted };
            let process = ProcessKey { start_ns: 5, tgid };
            Arc::new(Task {
                process,
                tid,
                ppid,
                comm,
                credentials,
                cgroup,
                namespaces: Namespaces::default(),
            })
        },
    )
}

/// What a run is made of; its ancestor is one of the runs before it.
type ImagePlan = (Arc<Task>, Option<Arc<Exec>>, bool, Option<Index>, (u64, u64, u64), Source);

fn image_plan() -> impl Strategy<Value = ImagePlan> {
    let times = (0..9_u64, any::<u64>(), 0..2_u64);
    let source = select(vec![Source::Unknown, Source::Event, Source::Snapshot]);
    (task(), option::of(exec()), any::<bool>(), option::weighted(0.8, any::<Index>()), times, source)
}

fn runs(plans: Vec<ImagePlan>) -> Vec<Arc<Run>> {
    let mut runs: Vec<Arc<Run>> = Vec::new();
    for (task, exec, inherits, ancestor, (fork_ns, exec_ns, exit_ns), source) in plans {
        let ancestor = ancestor.filter(|_| !runs.is_empty()).map(|index| Arc::clone(index.get(&runs)));
        let inherited = ancestor.as_ref().filter(|_| inherits).and_then(|ancestor| ancestor.exec.clone());
        runs.push(Arc::new(Run {
            key: task.process,
            task,
            fork_ns,
            exec_ns,
            exit_ns,
            is_own_exec: inherited.is_none() && exec.is_some(),
            exec: inherited.or(exec),
            depth: ancestor.as_ref().map_or(0, |ancestor| ancestor.depth + 1),
            ancestor,
            lineage: Lineage::Complete,
            source,
        }));
    }
    runs
}

fn what() -> impl Strategy<Value = What> {
    let open = (file(), any::<u32>(), any::<u32>(), -40..40_i32);
    let open =
        open.prop_map(|(file, flags, mode, retval)| Open { file: Arc::new(file), flags, mode, retval });
    prop_oneof![
        exec().prop_map(What::Exec),
        Just(What::Fork(ProcessKey::default())),
        any::<u8>().prop_map(|code| What::Exit(ExitStatus::Exited(code))),
        any::<u8>().prop_map(|signal| What::Exit(ExitStatus::Signaled(signal))),
        any::<u8>().prop_map(|signal| What::Exit(ExitStatus::CoreDumped(signal))),
        open.prop_map(What::Open),
        (select(Kind::ALL.to_vec()), select(Way::ALL.to_vec())).prop_map(|(kind, way)| {
            let Ok(what) = What::build(kind, &mut Maker::new(way));
            what
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    /// One writer, with a cache too small for everything, over events of runs that share programs and
    /// ancestors: every document is valid, and is what serde alone writes.
    #[test]
    fn every_document_is_valid_and_the_same_with_and_without_cache(
        plans in vec(image_plan(), 1..7),
        events in vec((any::<u64>(), option::of(task()), what(), any::<Index>()), 1..12),
        wall_offset_ns in any::<i64>(),
        cache_bytes in select(vec![0, 40_000, 1 << 20]),
    ) {
        let runs = runs(plans);
        let host = Host { wall_offset_ns, ..Host::default() };
        let names = Names::parse(b"app:x:1:1:::\n\"q\\:x:2:2:::\n", b"app:x:1:\n");
        let mut writer = Writer::new(&host).with_names(names.clone()).with_cache_bytes(cache_bytes);
        for (boot_ns, task, what, index) in events {
            let run = index.get(&runs);
            let task = task.unwrap_or_else(|| Arc::clone(&run.task));
            let event = Event { boot_ns, task, what };
            let mut plain = Vec::new();
            write_uncached(&mut plain, &event, run, &host, &names);
            let mut written = Vec::new();
            writer.write(&mut written, &event, run);
            prop_assert_eq!(String::from_utf8(plain).unwrap(), String::from_utf8(written.clone()).unwrap());
            parse(&written);
            let mut parted = Vec::new();
            if let Some(tail) = writer.write_parted(&mut parted, &event, run) {
                parted.extend_from_slice(tail.strip_suffix(b"\n").unwrap());
                prop_assert!(cache_bytes > 0);
            }
            prop_assert!(parted == written);
        }
        prop_assert!(writer.cache().bytes <= cache_bytes);
    }
}
