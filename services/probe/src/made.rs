//! Events, and a source of them, for the tests of this crate.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use event::{
    Cgroup, Event, Exec, ExitStatus, File, Kind, KnownProcess, LossCause, Open, PerKind, ProcessKey, Strings,
    Task, Text, What,
};

use crate::bpf::{CgroupLoss, HookReport, SensorError};
use crate::decode::Decoded;
use crate::flow::source::{Drained, KernelCounts, Source};

pub(crate) fn key(tgid: u32) -> ProcessKey {
    ProcessKey { start_ns: u64::from(tgid) * 10, tgid }
}

pub(crate) fn task_in(tgid: u32, cgroup: u64) -> Arc<Task> {
    Arc::new(Task {
        process: key(tgid),
        tid: tgid,
        comm: Text::from("test"),
        cgroup: Arc::new(Cgroup { id: cgroup, ..Cgroup::default() }),
        ..Task::default()
    })
}

fn event(tgid: u32, boot_ns: u64, what: What) -> Event {
    Event { boot_ns, task: task_in(tgid, 1), what }
}

pub(crate) fn open(tgid: u32, boot_ns: u64) -> Event {
    let file = Arc::new(File { path: Text::from("/etc/hostname"), ..File::default() });
    event(tgid, boot_ns, What::Open(Open { file, flags: 0, mode: 0, retval: 3 }))
}

pub(crate) fn exit(tgid: u32, boot_ns: u64) -> Event {
    event(tgid, boot_ns, What::Exit(ExitStatus::Exited(0)))
}

pub(crate) fn fork(tgid: u32, parent: u32, boot_ns: u64) -> Event {
    event(tgid, boot_ns, What::Fork(key(parent)))
}

pub(crate) fn image(path: &str, args: &[&str]) -> Arc<Exec> {
    let items = args.iter().map(|arg| Text::from(*arg)).collect();
    Arc::new(Exec {
        executable: Arc::new(File { path: Text::from(path), ..File::default() }),
        args: Strings { items, truncated: false },
        ..Exec::default()
    })
}

pub(crate) fn exec(tgid: u32, boot_ns: u64, path: &str) -> Event {
    event(tgid, boot_ns, What::Exec(image(path, &[path])))
}

pub(crate) fn known(tgid: u32, parent: Option<u32>, path: &str) -> KnownProcess {
    KnownProcess {
        task: task_in(tgid, 1),
        parent: parent.map(key),
        exec_ns: 1,
        exec: Some(image(path, &[path])),
    }
}

/// A source that gives what a test puts into it.
#[derive(Clone, Default)]
pub(crate) struct FakeSource(Arc<Mutex<Fake>>);

#[derive(Default)]
struct Fake {
    waiting: Vec<Decoded>,
    counts: KernelCounts,
    undecodable: PerKind<u64>,
    decisions: Vec<(u64, bool)>,
    forgotten: Vec<u64>,
    living: Option<Vec<ProcessKey>>,
    oldest: HashMap<u64, u64>,
    is_stopped: bool,
    switched: Vec<(Kind, bool)>,
    refuses_to_switch: bool,
}

impl FakeSource {
    /// The hooks saw this; it is counted as the kernel counts it.
    pub(crate) fn see(&self, event: Event) {
        let mut fake = self.0.lock().unwrap();
        assert!(!fake.is_stopped, "no hook is attached any more");
        *fake.counts.all.generated.get_mut(event.kind()) += 1;
        fake.waiting.push(Decoded::Event(event));
    }

    /// The hooks saw this, and its record found no room in the ring.
    pub(crate) fn see_and_lose(&self, kind: Kind) {
        self.see_and_lose_in(1, LossCause::RingFull, kind);
    }

    /// The hooks saw this in a control group, and it was lost for a cause that the kernel counts.
    pub(crate) fn see_and_lose_in(&self, cgroup: u64, cause: LossCause, kind: Kind) {
        let mut fake = self.0.lock().unwrap();
        let counts = &mut fake.counts;
        *counts.all.generated.get_mut(kind) += 1;
        let mut one = PerKind::default();
        *one.get_mut(kind) += 1;
        counts.all.lost.add(cause, &one);
        let is_it = |loss: &&mut CgroupLoss| (loss.cgroup, loss.cause) == (cgroup, cause);
        if let Some(loss) = counts.by_cgroup.iter_mut().find(is_it) {
            *loss.counts.get_mut(kind) += 1;
            return;
        }
        counts.by_cgroup.push(CgroupLoss { cgroup, cause, counts: one });
    }

    /// These and no others are alive from now on.
    pub(crate) fn set_living(&self, living: Vec<ProcessKey>) {
        self.0.lock().unwrap().living = Some(living);
    }

    /// These are the oldest processes of control groups from now on.
    pub(crate) fn set_oldest(&self, oldest: HashMap<u64, u64>) {
        self.0.lock().unwrap().oldest = oldest;
    }

    /// The hooks saw this, and its record is damaged.
    pub(crate) fn see_and_damage(&self, kind: Kind) {
        let mut fake = self.0.lock().unwrap();
        *fake.counts.all.generated.get_mut(kind) += 1;
        *fake.undecodable.get_mut(kind) += 1;
    }

    /// A record that is not an event.
    pub(crate) fn tell(&self, decoded: Decoded) {
        self.0.lock().unwrap().waiting.push(decoded);
    }

    /// Kinds that were attached and detached.
    pub(crate) fn switched(&self) -> Vec<(Kind, bool)> {
        self.0.lock().unwrap().switched.clone()
    }

    pub(crate) fn refuse_to_switch(&self, refuses: bool) {
        self.0.lock().unwrap().refuses_to_switch = refuses;
    }

    pub(crate) fn decisions(&self) -> Vec<(u64, bool)> {
        self.0.lock().unwrap().decisions.clone()
    }

    pub(crate) fn forgotten(&self) -> Vec<u64> {
        self.0.lock().unwrap().forgotten.clone()
    }
}

impl Source for FakeSource {
    fn drain(&mut self, out: &mut Vec<Decoded>) -> Drained {
        let mut fake = self.0.lock().unwrap();
        let records = fake.waiting.len();
        out.append(&mut fake.waiting);
        let undecodable = std::mem::take(&mut fake.undecodable);
        let damaged = usize::try_from(undecodable.total()).unwrap();
        Drained { records, damaged, undecodable }
    }

    fn counts(&mut self) -> KernelCounts {
        self.0.lock().unwrap().counts.clone()
    }

    fn hooks(&self) -> Vec<HookReport> {
        Vec::new()
    }

    fn switchable(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| kind.ring() == event::Ring::Bulk).collect()
    }

    fn switch(&mut self, kind: Kind, is_on: bool) -> Result<(), SensorError> {
        let mut fake = self.0.lock().unwrap();
        if fake.refuses_to_switch {
            return Err(SensorError::NotOptional { kind });
        }
        fake.switched.push((kind, is_on));
        Ok(())
    }

    fn living(&mut self) -> Option<Vec<ProcessKey>> {
        self.0.lock().unwrap().living.clone()
    }

    fn oldest(&mut self) -> HashMap<u64, u64> {
        self.0.lock().unwrap().oldest.clone()
    }

    fn decide(&mut self, cgroup: u64, watch: bool) {
        self.0.lock().unwrap().decisions.push((cgroup, watch));
    }

    fn forget(&mut self, cgroup: u64) {
        self.0.lock().unwrap().forgotten.push(cgroup);
    }

    fn stop(&mut self) {
        self.0.lock().unwrap().is_stopped = true;
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
