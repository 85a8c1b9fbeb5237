//! Domain → columns. Each distinct part is written once and referred to by its row.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use event::{
    Address, Cgroup, Credentials, Endpoint, Event, Exec, File, KnownProcess, Namespaces, ProcessKey, Runtime,
    Strings, Task, Workload,
};
use foldhash::fast::RandomState;

use super::column::drop_if_zero;
use super::events::Columns;
use super::files::FileRows;
use crate::v1;

/// Collects the columns of one batch. Borrows what it encodes: nothing is copied before its column is written.
#[derive(Default)]
pub(super) struct Encoder<'a> {
    texts: Dictionary<&'a [u8]>,
    cgroups: Shared<'a, Cgroup>,
    credentials: Dictionary<Credentials>,
    namespaces: Dictionary<Namespaces>,
    keys: Dictionary<ProcessKey>,
    task_rows: HashMap<*const Task, u32, RandomState>,
    tasks: Dictionary<TaskRow>,
    files: Shared<'a, File>,
    execs: Shared<'a, Exec>,
    addresses: Dictionary<&'a Address>,

    text_table: v1::TextTable,
    cgroup_table: v1::CgroupTable,
    credentials_table: v1::CredentialsTable,
    namespaces_table: v1::NamespacesTable,
    key_table: v1::ProcessKeyTable,
    task_table: v1::TaskTable,
    file_rows: FileRows,
    exec_table: v1::ExecTable,
    address_table: v1::AddressTable,
    process_table: v1::KnownProcessTable,
    event_table: v1::EventTable,
    pub(super) columns: Columns,

    last_start_ns: u64,
    last_text: &'a [u8],
    last_boot_ns: u64,
}

/// A task with its parts already replaced by rows: cheap to hash, unlike the task itself.
#[derive(PartialEq, Eq, Hash)]
struct TaskRow {
    key: u32,
    tid: u32,
    ppid: u32,
    comm: u32,
    credentials: u32,
    cgroup: u32,
    namespaces: u32,
}

impl<'a> Encoder<'a> {
    /// One with room for this many events, each perhaps of a file of its own.
    pub(super) fn for_events(events: usize) -> Self {
        let mut encoder = Self::default();
        encoder.texts.0.reserve(events);
        encoder.files.by_pointer.reserve(events);
        encoder.files.by_value.0.reserve(events);
        encoder
    }

    /// Adds a process that runs already.
    pub(super) fn process(&mut self, process: &'a KnownProcess) {
        let start_ns = process.task.process.start_ns;
        let task = self.task(&process.task);
        let parent = process.parent.map_or(0, |key| self.key(key) + 1);
        let exec = process.exec.as_ref().map_or(0, |exec| self.exec(exec) + 1);
        let table = &mut self.process_table;
        table.task.push(task);
        table.parent.push(parent);
        table.exec_ns.push(delta(process.exec_ns, start_ns));
        table.exec.push(exec);
    }

    /// Adds an event.
    pub(super) fn event(&mut self, event: &'a Event) {
        let task = self.task(&event.task);
        Columns::push(self, &event.what);
        let table = &mut self.event_table;
        // Numbers of kinds are below 256.
        table.kind.push(u8::try_from(event.kind().number()).unwrap_or(0));
        table.time.push(delta(event.boot_ns, self.last_boot_ns));
        table.task.push(task);
        self.last_boot_ns = event.boot_ns;
    }

    pub(super) fn text(&mut self, text: &'a [u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let (row, is_new) = self.texts.row(text);
        if is_new {
            let (start, own, end) = apart(self.last_text, text);
            self.text_table.shared.push(start.into());
            self.text_table.shared_end.push(end.into());
            self.text_table.lengths.push(u64::try_from(own.len()).unwrap_or(u64::MAX));
            self.text_table.content.extend_from_slice(own);
            self.last_text = text;
        }
        row + 1
    }

    fn cgroup(&mut self, cgroup: &'a Arc<Cgroup>) -> u32 {
        let (row, is_new) = self.cgroups.row(cgroup);
        if is_new {
            let path = self.text(cgroup.path.as_bytes());
            let (workload, name, runtime, pod_uid) = match &cgroup.workload {
                Workload::Host => (0, "", Runtime::Unknown, None),
                Workload::Container { id, runtime, pod_uid } => (1, &**id, *runtime, pod_uid.as_deref()),
                Workload::Service { unit } => (2, &**unit, Runtime::Unknown, None),
            };
            let name = self.text(name.as_bytes());
            let pod_uid = pod_uid.map_or(0, |uid| self.text(uid.as_bytes()) + 1);
            let table = &mut self.cgroup_table;
            table.id.push(cgroup.id);
            table.path.push(path);
            table.workload.push(workload);
            table.name.push(name);
            table.runtime.push(runtime as u32);
            table.pod_uid.push(pod_uid);
            table.created_ns.push(cgroup.created_ns);
        }
        row
    }

    fn credentials(&mut self, credentials: Credentials) -> u32 {
        let (row, is_new) = self.credentials.row(credentials);
        if is_new {
            let table = &mut self.credentials_table;
            table.uid.push(credentials.uid);
            table.gid.push(credentials.gid);
            table.euid.push(credentials.euid);
            table.egid.push(credentials.egid);
            table.fsuid.push(credentials.fsuid);
            table.fsgid.push(credentials.fsgid);
            table.cap_effective.push(credentials.cap_effective);
            table.cap_permitted.push(credentials.cap_permitted);
        }
        row
    }

    fn namespaces(&mut self, namespaces: Namespaces) -> u32 {
        let (row, is_new) = self.namespaces.row(namespaces);
        if is_new {
            let table = &mut self.namespaces_table;
            table.mount.push(namespaces.mount);
            table.pid.push(namespaces.pid);
            table.network.push(namespaces.network);
            table.user.push(namespaces.user);
        }
        row
    }

    pub(super) fn key(&mut self, key: ProcessKey) -> u32 {
        let (row, is_new) = self.keys.row(key);
        if is_new {
            self.key_table.start_ns.push(delta(key.start_ns, self.last_start_ns));
            self.key_table.tgid.push(key.tgid);
            self.last_start_ns = key.start_ns;
        }
        row
    }

    fn task(&mut self, task: &'a Arc<Task>) -> u32 {
        if let Some(row) = self.task_rows.get(&Arc::as_ptr(task)) {
            return *row;
        }
        let parts = TaskRow {
            key: self.key(task.process),
            tid: task.tid,
            ppid: task.ppid,
            comm: self.text(task.comm.as_bytes()),
            credentials: self.credentials(task.credentials),
            cgroup: self.cgroup(&task.cgroup),
            namespaces: self.namespaces(task.namespaces),
        };
        let table = &mut self.task_table;
        let next = (parts.key, parts.comm, parts.credentials, parts.cgroup, parts.namespaces);
        let (row, is_new) = self.tasks.row(parts);
        if is_new {
            let (key, comm, credentials, cgroup, namespaces) = next;
            table.key.push(key);
            table.tid.push(i64::from(task.tid) - i64::from(task.process.tgid));
            table.ppid.push(task.ppid);
            table.comm.push(comm);
            table.credentials.push(credentials);
            table.cgroup.push(cgroup);
            table.namespaces.push(namespaces);
        }
        self.task_rows.insert(Arc::as_ptr(task), row);
        row
    }

    pub(super) fn file(&mut self, file: &'a Arc<File>) -> u32 {
        let (row, is_new) = self.files.row(file);
        if is_new {
            let path = self.text(file.path.as_bytes());
            let filesystem = self.text(file.filesystem.as_bytes());
            self.file_rows.push(file, path, filesystem);
        }
        row
    }

    pub(super) fn exec(&mut self, exec: &'a Arc<Exec>) -> u32 {
        let (row, is_new) = self.execs.row(exec);
        if is_new {
            let executable = self.file(&exec.executable);
            let script = exec.script.as_ref().map_or(0, |script| self.file(script) + 1);
            let tty = self.text(exec.tty.as_bytes());
            let args = self.strings(&exec.args);
            let envs = self.strings(&exec.envs);
            let table = &mut self.exec_table;
            table.executable.push(executable);
            table.script.push(script);
            table.kind.push(exec.kind as u32);
            table.tty.push(tty);
            table.args.push(args);
            table.envs.push(envs);
        }
        row
    }

    pub(super) fn address(&mut self, address: &'a Address) -> u32 {
        let (row, is_new) = self.addresses.row(address);
        if is_new {
            let (form, port, bits, text) = match &address.endpoint {
                Endpoint::Family(family) => (0, *family, 0, &[][..]),
                Endpoint::Ip(IpAddr::V4(ip), port) => (1, *port, ip.to_bits().into(), &[][..]),
                Endpoint::Ip(IpAddr::V6(ip), port) => (2, *port, ip.to_bits(), &[][..]),
                Endpoint::Path(path) => (3, 0, 0, path.as_bytes()),
                Endpoint::Abstract(name) => (4, 0, 0, name.as_bytes()),
            };
            let text = self.text(text);
            let table = &mut self.address_table;
            table.form.push(form);
            table.state.push(address.state as u32);
            table.port.push(port.into());
            let [high, low] = halves(bits);
            table.high.push(high);
            table.low.push(low);
            table.text.push(text);
        }
        row
    }

    /// Appends the strings and returns the value of the column that counts them.
    fn strings(&mut self, strings: &'a Strings) -> u64 {
        for item in &strings.items {
            let text = self.text(item.as_bytes());
            self.exec_table.strings.push(text);
        }
        u64::try_from(strings.items.len()).unwrap_or(u64::MAX / 2) * 2 + u64::from(strings.truncated)
    }

    /// The finished batch. Columns that are 0 in every row are left out, except the one that counts the rows.
    pub(super) fn finish(mut self, seq: u64) -> v1::Batch {
        macro_rules! trim {
            ($($table:ident: $($column:ident)+;)+) => { $($( drop_if_zero(&mut self.$table.$column); )+)+ };
        }
        trim! {
            text_table: shared shared_end;
            cgroup_table: path workload name runtime pod_uid created_ns;
            credentials_table: gid euid egid fsuid fsgid cap_effective cap_permitted;
            namespaces_table: pid network user;
            key_table: tgid;
            task_table: tid ppid comm credentials cgroup namespaces;
            exec_table: script kind tty args envs;
            address_table: state port high low text;
            process_table: parent exec_ns exec;
            event_table: time task;
        }
        self.event_table.kinds = self.columns.finish();
        let (files, file_shapes) = self.file_rows.finish();
        v1::Batch {
            seq,
            texts: Some(self.text_table),
            cgroups: Some(self.cgroup_table),
            credentials: Some(self.credentials_table),
            namespaces: Some(self.namespaces_table),
            keys: Some(self.key_table),
            tasks: Some(self.task_table),
            files: Some(files),
            file_shapes: Some(file_shapes),
            execs: Some(self.exec_table),
            addresses: (!self.address_table.form.is_empty()).then_some(self.address_table),
            processes: Some(self.process_table),
            events: Some(self.event_table),
            ..v1::Batch::default()
        }
    }
}

/// How many bytes `text` begins with that `before` begins with too, what is its own, and how many it ends with that
/// `before` ends with too. Each is at most what one byte says, and nothing of either text counts twice.
fn apart<'t>(before: &[u8], text: &'t [u8]) -> (u8, &'t [u8], u8) {
    let same = before.iter().zip(text).take_while(|(before, text)| before == text).count();
    let start = u8::try_from(same).unwrap_or(u8::MAX);
    let (_, before) = before.split_at_checked(start.into()).unwrap_or_default();
    let (_, rest) = text.split_at_checked(start.into()).unwrap_or_default();
    let same = before.iter().rev().zip(rest.iter().rev()).take_while(|(before, text)| before == text).count();
    let end = u8::try_from(same).unwrap_or(u8::MAX);
    let (own, _) = rest.split_at_checked(rest.len().saturating_sub(end.into())).unwrap_or_default();
    (start, own, end)
}

/// The first and the second half.
fn halves(bits: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, low @ ..] = bits.to_be_bytes();
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(low)]
}

/// `value - base` modulo 2^64, as the signed number that is nearest to 0.
fn delta(value: u64, base: u64) -> i64 {
    value.wrapping_sub(base).cast_signed()
}

/// Rows by value.
struct Dictionary<K>(HashMap<K, u32, RandomState>);

impl<K> Default for Dictionary<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Hash + Eq> Dictionary<K> {
    /// The row of `key`, and whether it is new.
    fn row(&mut self, key: K) -> (u32, bool) {
        // A batch cannot hold 2^32 rows: it would not fit any message long before.
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let row = *self.0.entry(key).or_insert(next);
        (row, row == next)
    }
}

/// Rows by value, found without hashing the value when the same allocation comes again.
struct Shared<'a, T> {
    by_pointer: HashMap<*const T, u32, RandomState>,
    by_value: Dictionary<&'a T>,
}

impl<T> Default for Shared<'_, T> {
    fn default() -> Self {
        Self { by_pointer: HashMap::default(), by_value: Dictionary::default() }
    }
}

impl<'a, T: Hash + Eq> Shared<'a, T> {
    fn row(&mut self, item: &'a Arc<T>) -> (u32, bool) {
        // The batch's events are borrowed, so an address cannot be reused while the encoder lives.
        if let Some(row) = self.by_pointer.get(&Arc::as_ptr(item)) {
            return (*row, false);
        }
        let (row, is_new) = self.by_value.row(&**item);
        self.by_pointer.insert(Arc::as_ptr(item), row);
        (row, is_new)
    }
}
