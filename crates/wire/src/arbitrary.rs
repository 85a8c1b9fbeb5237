//! Property-test strategies for the whole domain: everything that an event can hold, with the sharing and the
//! extremes (non-UTF-8 text, `u64::MAX`) that an encoding could get wrong.

use std::convert::Infallible;
use std::sync::Arc;

use event::{
    Address, AddressState, Builder, Cgroup, Credentials, Endpoint, Event, Exec, ExecKind, ExitStatus, Field,
    File, Flags, Kind, KnownProcess, Layer, Names, Namespaces, PathState, ProcessKey, Runtime, Strings, Task,
    Text, What, Workload,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Known processes and events that share their parts, as one batch or capture holds them.
pub fn stream() -> impl Strategy<Value = (Vec<KnownProcess>, Vec<Event>)> {
    let files = vec(file().prop_map(Arc::new), 1..4);
    let tasks = vec(cgroup().prop_map(Arc::new), 1..3)
        .prop_flat_map(|cgroups| vec(task(cgroups).prop_map(Arc::new), 1..4));
    (files, tasks).prop_flat_map(|(files, tasks)| {
        let execs = vec(exec(files.clone()).prop_map(Arc::new), 1..4);
        execs.prop_flat_map(move |execs| {
            (
                vec(process(tasks.clone(), execs.clone()), 0..4),
                vec(event(tasks.clone(), files.clone(), execs), 0..20),
            )
        })
    })
}

/// Text: short names that repeat, paths, and any bytes.
pub fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        select(vec!["", "sh", "/etc/passwd", "/usr/bin/env", "überall\u{0}\n\"\\"]).prop_map(Text::from),
        vec(any::<u8>(), 0..24).prop_map(Text::from),
    ]
}

/// Numbers: small ones, the largest, and any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, Just(u64::MAX), Just(1 << 63), any::<u64>()]
}

fn number32() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, Just(u32::MAX), any::<u32>()]
}

fn signed() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0_i64), Just(i64::MIN), Just(i64::MAX), any::<i64>()]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    "[a-f0-9é.]{0,12}".prop_map(Arc::from)
}

fn cgroup() -> impl Strategy<Value = Cgroup> {
    let runtime = select(Runtime::ALL.to_vec());
    let workload = prop_oneof![
        Just(Workload::Host),
        name().prop_map(|unit| Workload::Service { unit }),
        (name(), runtime, option::of(name())).prop_map(|(id, runtime, pod_uid)| Workload::Container {
            id,
            runtime,
            pod_uid
        }),
    ];
    (number(), text(), workload, signed()).prop_map(|(id, path, workload, created_ns)| Cgroup {
        id,
        path,
        workload,
        created_ns,
    })
}

fn credentials() -> impl Strategy<Value = Credentials> {
    let ids = [(); 6].map(|()| number32());
    (ids, number(), number()).prop_map(
        |([uid, gid, euid, egid, fsuid, fsgid], cap_effective, cap_permitted)| Credentials {
            uid,
            gid,
            euid,
            egid,
            fsuid,
            fsgid,
            cap_effective,
            cap_permitted,
        },
    )
}

fn key() -> impl Strategy<Value = ProcessKey> {
    (number(), number32()).prop_map(|(start_ns, tgid)| ProcessKey { start_ns, tgid })
}

fn task(cgroups: Vec<Arc<Cgroup>>) -> impl Strategy<Value = Task> {
    let namespaces = [(); 4].map(|()| number32());
    (key(), option::of(number32()), number32(), text(), credentials(), select(cgroups), namespaces).prop_map(
        |(process, tid, ppid, comm, credentials, cgroup, [mount, pid, network, user])| Task {
            process,
            tid: tid.unwrap_or(process.tgid),
            ppid,
            comm,
            credentials,
            cgroup,
            namespaces: Namespaces { mount, pid, network, user },
        },
    )
}

fn file() -> impl Strategy<Value = File> {
    let identity = (text(), select(PathState::ALL.to_vec()), number(), number32(), number32(), number());
    let inode = (any::<u16>(), number32(), number32(), number32(), text(), select(Layer::ALL.to_vec()));
    let times = [(); 3].map(|()| signed());
    (identity, inode, times).prop_map(|(identity, inode, [access_ns, modification_ns, change_ns])| {
        let (path, path_state, number, generation, mount_id, device) = identity;
        let (mode, nlink, uid, gid, filesystem, layer) = inode;
        File {
            path,
            path_state,
            inode: number,
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

fn strings() -> impl Strategy<Value = Strings> {
    (vec(text(), 0..5), any::<bool>()).prop_map(|(items, truncated)| Strings { items, truncated })
}

fn exec(files: Vec<Arc<File>>) -> impl Strategy<Value = Exec> {
    let kind = select(vec![ExecKind::File, ExecKind::Unlinked]);
    (select(files.clone()), option::of(select(files)), kind, strings(), strings(), text()).prop_map(
        |(executable, script, kind, args, envs, tty)| Exec { executable, script, kind, args, envs, tty },
    )
}

fn process(tasks: Vec<Arc<Task>>, execs: Vec<Arc<Exec>>) -> impl Strategy<Value = KnownProcess> {
    (select(tasks), option::of(key()), number(), option::of(select(execs)))
        .prop_map(|(task, parent, exec_ns, exec)| KnownProcess { task, parent, exec_ns, exec })
}

fn event(
    tasks: Vec<Arc<Task>>,
    files: Vec<Arc<File>>,
    execs: Vec<Arc<Exec>>,
) -> impl Strategy<Value = Event> {
    // As many as any kind has fields, and an address takes four.
    let words = vec(number(), 4 * Kind::ALL.map(|kind| kind.fields().len()).into_iter().max().unwrap_or(0));
    (number(), select(tasks), select(Kind::ALL.to_vec()), words).prop_map(
        move |(boot_ns, task, kind, words)| {
            let mut pool = Pool { files: &files, execs: &execs, words: words.into_iter() };
            let Ok(what) = What::build(kind, &mut pool);
            Event { boot_ns, task, what }
        },
    )
}

/// Makes every field from a number.
struct Pool<'a> {
    files: &'a [Arc<File>],
    execs: &'a [Arc<Exec>],
    words: std::vec::IntoIter<u64>,
}

impl Pool<'_> {
    fn word(&mut self) -> u64 {
        self.words.next().unwrap_or_default()
    }

    /// Half of the bits, so that the extremes stay extreme.
    fn half(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.word().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        let at = usize::try_from(self.word()).unwrap_or(usize::MAX) % items.len();
        items.get(at).cloned().expect("the remainder is a position")
    }
}

impl Builder for Pool<'_> {
    type Error = Infallible;

    fn file(&mut self, _: &'static Field) -> Result<Arc<File>, Infallible> {
        Ok(self.one_of(self.files))
    }

    fn program(&mut self, _: &'static Field) -> Result<Arc<Exec>, Infallible> {
        Ok(self.one_of(self.execs))
    }

    fn process(&mut self, _: &'static Field) -> Result<ProcessKey, Infallible> {
        let start_ns = self.word();
        let [.., a, b, c, d] = start_ns.to_le_bytes();
        Ok(ProcessKey { start_ns, tgid: u32::from_le_bytes([a, b, c, d]) })
    }

    fn status(&mut self, _: &'static Field) -> Result<ExitStatus, Infallible> {
        let [value, cause, ..] = self.word().to_le_bytes();
        Ok(match cause % 3 {
            0 => ExitStatus::Exited(value),
            1 => ExitStatus::Signaled(value),
            _ => ExitStatus::CoreDumped(value),
        })
    }

    fn address(&mut self, field: &'static Field) -> Result<Address, Infallible> {
        let Ok(text) = self.text(field);
        let (high, low) = (self.word(), self.word());
        let [a, b, form, state, ..] = high.to_le_bytes();
        let (port, ipv4) = (u16::from_le_bytes([a, b]), self.half());
        let bits = u128::from(high) << 64 | u128::from(low);
        let endpoint = match form % 5 {
            0 => Endpoint::Family(port),
            1 => Endpoint::Ip(std::net::Ipv4Addr::from_bits(ipv4).into(), port),
            2 => Endpoint::Ip(std::net::Ipv6Addr::from_bits(bits).into(), port),
            3 => Endpoint::Path(text),
            _ => Endpoint::Abstract(text),
        };
        let state = AddressState::ALL.into_iter().cycle().nth(state.into()).unwrap_or_default();
        Ok(Address { endpoint, state })
    }

    fn text(&mut self, _: &'static Field) -> Result<Text, Infallible> {
        Ok(self.one_of(&["", "a", "/run/\u{e9}.sock"].map(Text::from)))
    }

    fn number(&mut self, _: &'static Field, _: &'static Names) -> Result<u32, Infallible> {
        Ok(self.half())
    }

    fn flags(&mut self, _: &'static Field, _: &'static Flags) -> Result<u32, Infallible> {
        Ok(self.half())
    }

    fn mode(&mut self, _: &'static Field) -> Result<u32, Infallible> {
        Ok(self.half())
    }

    fn descriptor(&mut self, _: &'static Field) -> Result<i32, Infallible> {
        Ok(self.half().cast_signed())
    }

    fn errno(&mut self, _: &'static Field) -> Result<i32, Infallible> {
        Ok(self.half().cast_signed())
    }
}
