//! Columns → domain. Every dictionary is built once and shared by the events that use it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use event::{
    Address, AddressState, Cgroup, Credentials, Endpoint, Exec, ExecKind, File, KnownProcess, Namespaces,
    ProcessKey, Runtime, Strings, Task, Text, Workload,
};

use super::column::{Column, row};
use super::events::{self, Parts};
use super::{Decoded, MAX_ROWS, files};
use crate::{WireError, v1};

pub(super) type Result<T> = std::result::Result<T, WireError>;

/// Opens the columns of a table: `name` and the table give the column, checked against the number of rows.
macro_rules! columns {
    ($table:ident, $rows:expr, $name:literal: $($column:ident)+) => {
        $( let mut $column = Column::new(concat!($name, ".", stringify!($column)), &$table.$column, $rows)?; )+
    };
}
pub(super) use columns;

pub(super) fn decode(batch: &v1::Batch) -> Result<Decoded> {
    let texts = decode_texts(batch.texts.as_ref())?;
    let cgroups = table(batch.cgroups.as_ref(), |table| decode_cgroups(table, &texts))?;
    let credentials = table(batch.credentials.as_ref(), decode_credentials)?;
    let namespaces = table(batch.namespaces.as_ref(), decode_namespaces)?;
    let keys = table(batch.keys.as_ref(), decode_keys)?;
    let parts = TaskParts { texts: &texts, cgroups, credentials, namespaces, keys: &keys };
    let tasks = table(batch.tasks.as_ref(), |table| decode_tasks(table, &parts))?;
    let files = files::decode(batch, &texts)?;
    let execs = table(batch.execs.as_ref(), |table| decode_execs(table, &texts, &files))?;
    let processes = table(batch.processes.as_ref(), |table| decode_processes(table, &tasks, &keys, &execs))?;
    let addresses = table(batch.addresses.as_ref(), |table| decode_addresses(table, &texts))?;
    let parts = Parts {
        tasks: &tasks,
        keys: &keys,
        files: &files,
        execs: &execs,
        addresses: &addresses,
        texts: &texts,
    };
    let events = table(batch.events.as_ref(), |table| events::decode(table, &parts))?;
    let rows = batch.events.as_ref().map_or(0, |table| table.kind.len());
    let unknown_kinds = rows.saturating_sub(events.len()) as u64;
    Ok(Decoded { seq: batch.seq, processes, events, unknown_kinds, news: super::news::decode(batch) })
}

/// The number of rows of a table, if it is one that an encoder makes.
pub(super) fn row_count(table: &'static str, rows: usize) -> Result<usize> {
    if rows > MAX_ROWS { Err(WireError::TooManyRows { table, rows }) } else { Ok(rows) }
}

/// The rows of a table; none when the table is not there.
fn table<T, R>(table: Option<&T>, decode: impl FnOnce(&T) -> Result<Vec<R>>) -> Result<Vec<R>> {
    table.map_or_else(|| Ok(Vec::new()), decode)
}

fn decode_texts(table: Option<&v1::TextTable>) -> Result<Vec<Text>> {
    let (lengths, content) = table.map_or((&[][..], &[][..]), |table| (&table.lengths, &table.content));
    row_count("texts", lengths.len())?;
    let wrong = || WireError::Lengths {
        column: "texts.content",
        claimed: lengths.iter().try_fold(0_u64, |sum, length| sum.checked_add(*length)).unwrap_or(u64::MAX),
        got: content.len(),
    };
    let shared = table.map_or(&[][..], |table| &table.shared);
    let mut shared = Column::new("texts.shared", shared, lengths.len())?;
    let shared_end = table.map_or(&[][..], |table| &table.shared_end);
    let mut shared_end = Column::new("texts.shared_end", shared_end, lengths.len())?;
    let mut texts = Vec::with_capacity(lengths.len() + 1);
    texts.push(Text::default());
    let (mut rest, mut text) = (content, Vec::new());
    for length in lengths {
        let split = usize::try_from(*length).ok().and_then(|length| rest.split_at_checked(length));
        let (own, after) = split.ok_or_else(wrong)?;
        // One byte wide, so that texts in memory are at most some hundred times what they are on the wire.
        let start = usize::from(shared.narrow::<u8>()?);
        let end = usize::from(shared_end.narrow::<u8>()?);
        // What is shared with the end begins behind what is shared with the start.
        let Some(gone) = text.len().checked_sub(start + end) else {
            let column = if end == 0 { "texts.shared" } else { "texts.shared_end" };
            return Err(WireError::Lengths { column, claimed: (start + end) as u64, got: text.len() });
        };
        text.splice(start..start + gone, own.iter().copied());
        texts.push(Text::from(text.as_slice()));
        rest = after;
    }
    if rest.is_empty() { Ok(texts) } else { Err(wrong()) }
}

fn decode_addresses(table: &v1::AddressTable, texts: &[Text]) -> Result<Vec<Address>> {
    let rows = row_count("addresses", table.form.len())?;
    columns!(table, rows, "addresses": form state port high low text);
    let mut addresses = Vec::with_capacity(rows);
    for _ in 0..rows {
        let port: u16 = port.narrow()?;
        let (first, second) = (high.take(), low.take());
        let text = text.entry(texts)?.clone();
        let endpoint = match form.take() {
            0 => Endpoint::Family(port),
            1 => {
                let bits = u32::try_from(second).ok().ok_or_else(|| low.out_of_range(second))?;
                Endpoint::Ip(Ipv4Addr::from_bits(bits).into(), port)
            }
            2 => {
                let bits = u128::from(first) << 64 | u128::from(second);
                Endpoint::Ip(Ipv6Addr::from_bits(bits).into(), port)
            }
            3 => Endpoint::Path(text),
            4 => Endpoint::Abstract(text),
            other => {
                return Err(WireError::UnknownValue { column: "addresses.form", value: other.into() });
            }
        };
        addresses.push(Address { endpoint, state: state.known(AddressState::from_u8)? });
    }
    Ok(addresses)
}

fn decode_cgroups(table: &v1::CgroupTable, texts: &[Text]) -> Result<Vec<Arc<Cgroup>>> {
    let rows = row_count("cgroups", table.id.len())?;
    columns!(table, rows, "cgroups": id path workload name runtime pod_uid created_ns);
    let mut cgroups = Vec::with_capacity(rows);
    for _ in 0..rows {
        let path = path.entry(texts)?.clone();
        let kind = workload.take();
        let name_index = name.take();
        let name = utf8("cgroups.name", texts, name_index)?;
        let runtime = runtime.known(Runtime::from_u8)?;
        let pod_index = pod_uid.take().checked_sub(1);
        let pod_uid = pod_index.map(|index| utf8("cgroups.pod_uid", texts, index)).transpose()?;
        let workload = match kind {
            0 => Workload::Host,
            1 => Workload::Container { id: name.into(), runtime, pod_uid: pod_uid.map(Arc::from) },
            2 => Workload::Service { unit: name.into() },
            other => {
                return Err(WireError::UnknownValue { column: "cgroups.workload", value: other.into() });
            }
        };
        cgroups.push(Arc::new(Cgroup { id: id.take(), path, workload, created_ns: created_ns.take() }));
    }
    Ok(cgroups)
}

fn utf8<'t>(column: &'static str, texts: &'t [Text], index: u32) -> Result<&'t str> {
    let text = row(column, texts, index)?;
    std::str::from_utf8(text.as_bytes()).ok().ok_or(WireError::NotUtf8 { column, index })
}

fn decode_credentials(table: &v1::CredentialsTable) -> Result<Vec<Credentials>> {
    let rows = row_count("credentials", table.uid.len())?;
    columns!(table, rows, "credentials": uid gid euid egid fsuid fsgid cap_effective cap_permitted);
    let next = |_| Credentials {
        uid: uid.take(),
        gid: gid.take(),
        euid: euid.take(),
        egid: egid.take(),
        fsuid: fsuid.take(),
        fsgid: fsgid.take(),
        cap_effective: cap_effective.take(),
        cap_permitted: cap_permitted.take(),
    };
    Ok((0..rows).map(next).collect())
}

fn decode_namespaces(table: &v1::NamespacesTable) -> Result<Vec<Namespaces>> {
    let rows = row_count("namespaces", table.mount.len())?;
    columns!(table, rows, "namespaces": mount pid network user);
    let next =
        |_| Namespaces { mount: mount.take(), pid: pid.take(), network: network.take(), user: user.take() };
    Ok((0..rows).map(next).collect())
}

fn decode_keys(table: &v1::ProcessKeyTable) -> Result<Vec<ProcessKey>> {
    let rows = row_count("keys", table.start_ns.len())?;
    columns!(table, rows, "keys": start_ns tgid);
    let mut last = 0_u64;
    let next = |_| {
        last = last.wrapping_add_signed(start_ns.take());
        ProcessKey { start_ns: last, tgid: tgid.take() }
    };
    Ok((0..rows).map(next).collect())
}

/// The dictionaries that tasks refer to.
struct TaskParts<'a> {
    texts: &'a [Text],
    cgroups: Vec<Arc<Cgroup>>,
    credentials: Vec<Credentials>,
    namespaces: Vec<Namespaces>,
    keys: &'a [ProcessKey],
}

fn decode_tasks(table: &v1::TaskTable, parts: &TaskParts<'_>) -> Result<Vec<Arc<Task>>> {
    let rows = row_count("tasks", table.key.len())?;
    columns!(table, rows, "tasks": key tid ppid comm credentials cgroup namespaces);
    let mut tasks = Vec::with_capacity(rows);
    for _ in 0..rows {
        let process = *key.entry(parts.keys)?;
        let tid = i128::from(process.tgid) + i128::from(tid.take());
        tasks.push(Arc::new(Task {
            process,
            tid: u32::try_from(tid).ok().ok_or(WireError::OutOfRange { column: "tasks.tid", value: tid })?,
            ppid: ppid.take(),
            comm: comm.entry(parts.texts)?.clone(),
            credentials: *credentials.entry(&parts.credentials)?,
            cgroup: Arc::clone(cgroup.entry(&parts.cgroups)?),
            namespaces: *namespaces.entry(&parts.namespaces)?,
        }));
    }
    Ok(tasks)
}

fn decode_execs(table: &v1::ExecTable, texts: &[Text], files: &[Arc<File>]) -> Result<Vec<Arc<Exec>>> {
    let rows = row_count("execs", table.executable.len())?;
    columns!(table, rows, "execs": executable script kind tty args envs);
    row_count("execs.strings", table.strings.len())?;
    let mut execs = Vec::with_capacity(rows);
    let mut strings = StringColumn { rest: &table.strings, texts };
    for _ in 0..rows {
        execs.push(Arc::new(Exec {
            executable: Arc::clone(executable.entry(files)?),
            script: script.optional(files)?.cloned(),
            kind: kind.known(|value| {
                [ExecKind::File, ExecKind::Unlinked].into_iter().find(|kind| *kind as u8 == value)
            })?,
            tty: tty.entry(texts)?.clone(),
            args: strings.take("execs.args", args.take())?,
            envs: strings.take("execs.envs", envs.take())?,
        }));
    }
    if strings.rest.is_empty() {
        Ok(execs)
    } else {
        let got = table.strings.len();
        let claimed = u64::try_from(got - strings.rest.len()).unwrap_or(u64::MAX);
        Err(WireError::Lengths { column: "execs.strings", claimed, got })
    }
}

/// The strings of all execs, one list after the other.
struct StringColumn<'a> {
    rest: &'a [u32],
    texts: &'a [Text],
}

impl StringColumn<'_> {
    /// The next list; `count` is its number of strings * 2 + truncated.
    fn take(&mut self, column: &'static str, count: u64) -> Result<Strings> {
        let claimed = count / 2;
        let split = usize::try_from(claimed).ok().and_then(|count| self.rest.split_at_checked(count));
        let (list, rest) = split.ok_or(WireError::Lengths { column, claimed, got: self.rest.len() })?;
        self.rest = rest;
        let items = list.iter().map(|index| row("execs.strings", self.texts, *index).cloned());
        Ok(Strings { items: items.collect::<Result<_>>()?, truncated: count % 2 == 1 })
    }
}

fn decode_processes(
    table: &v1::KnownProcessTable,
    tasks: &[Arc<Task>],
    keys: &[ProcessKey],
    execs: &[Arc<Exec>],
) -> Result<Vec<KnownProcess>> {
    let rows = row_count("processes", table.task.len())?;
    columns!(table, rows, "processes": task parent exec_ns exec);
    let mut processes = Vec::with_capacity(rows);
    for _ in 0..rows {
        let task = Arc::clone(task.entry(tasks)?);
        processes.push(KnownProcess {
            parent: parent.optional(keys)?.copied(),
            exec_ns: task.process.start_ns.wrapping_add_signed(exec_ns.take()),
            exec: exec.optional(execs)?.cloned(),
            task,
        });
    }
    Ok(processes)
}
