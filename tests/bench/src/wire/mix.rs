//! A stream as containers make it, the same on every run.
//!
//! Four containers, each with a long-running server that opens the files it serves, and a shell that runs commands
//! one after the other: fork, exec with 20 variables, the opens of the loader and of a few data files, exit. Some
//! opens fail. The shares follow from that: of 100 events about 75 are opens, 8 each forks, execs and exits.

use std::sync::Arc;

use event::{
    Cgroup, Credentials, Event, Exec, ExitStatus, File, Layer, Namespaces, Open, PathState, ProcessKey,
    Runtime, Strings, Task, Text, What, Workload,
};

/// Opened by every command before it does anything.
const LOADER: [&str; 4] = [
    "/etc/ld.so.cache",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
    "/usr/lib/x86_64-linux-gnu/libselinux.so.1.0.7",
    "/usr/lib/locale/locale-archive",
];
const COMMANDS: [&str; 6] = ["ls", "cat", "grep", "sed", "date", "mktemp"];
const VARIABLES: usize = 20;
const CONTAINERS: u32 = 4;
/// `O_RDONLY|O_CLOEXEC`.
const READ: u32 = 0o2_000_000;

/// The first `count` events of the stream.
#[must_use]
pub fn events(count: usize) -> Vec<Event> {
    let containers: Vec<Container> = (0..CONTAINERS).map(Container::new).collect();
    let mut stream = Stream {
        events: Vec::with_capacity(count),
        count,
        boot_ns: 86_400_000_000_000,
        random: 1,
        pid: 20_000,
    };
    while stream.has_room() {
        for container in &containers {
            container.serve(&mut stream);
            container.command(&mut stream);
        }
    }
    stream.events
}

/// What is made so far.
struct Stream {
    events: Vec<Event>,
    count: usize,
    boot_ns: u64,
    random: u64,
    pid: u32,
}

impl Stream {
    fn has_room(&self) -> bool {
        self.events.len() < self.count
    }

    /// A number below `bound` (multiplicative congruential generator of Lehmer, constant of L'Ecuyer 1999).
    fn below(&mut self, bound: u32) -> u32 {
        self.random = self.random.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        let high = u32::try_from(self.random >> 32).unwrap_or(0);
        high % bound
    }

    fn push(&mut self, task: &Task, what: What) {
        self.boot_ns += 3_000 + u64::from(self.below(20_000));
        if self.has_room() {
            self.events.push(Event { boot_ns: self.boot_ns, task: Arc::new(task.clone()), what });
        }
    }

    fn open(&mut self, task: &Task, path: &str, device: u64) {
        let file = Arc::new(file(path, device, 0o100_644));
        self.push(task, What::Open(Open { file, flags: READ, mode: 0, retval: 3 }));
    }
}

/// A container and its two processes that stay.
struct Container {
    index: u32,
    server: Task,
    shell: Task,
    device: u64,
}

impl Container {
    fn new(index: u32) -> Self {
        let id: Arc<str> = format!("{:064x}", 0x9e37_79b9_7f4a_7c15_u128 * u128::from(index + 3)).into();
        let cgroup = Arc::new(Cgroup {
            id: 8_000 + u64::from(index),
            path: Text::from(format!("/kubepods.slice/kubepods-burstable.slice/cri-containerd-{id}.scope")),
            workload: Workload::Container {
                id,
                runtime: Runtime::Containerd,
                pod_uid: Some(format!("7f5c1a9e-0d3b-4a52-9c1e-00000000000{index}").into()),
            },
            created_ns: 1_767_000_000_000_000_000 + i64::from(index) * 1_234_567_891,
        });
        let uid = index * 1000;
        let caps = if uid == 0 { 0xa80_425fb } else { 0 };
        let task = |offset: u32, comm: &str| Task {
            process: ProcessKey {
                start_ns: 4_000_000_000_000 + u64::from(index * 7 + offset) * 1_234_567,
                tgid: 3_000 + index * 10 + offset,
            },
            tid: 3_000 + index * 10 + offset,
            ppid: 2_900 + index,
            comm: Text::from(comm),
            credentials: Credentials {
                uid,
                gid: uid,
                euid: uid,
                egid: uid,
                fsuid: uid,
                fsgid: uid,
                cap_effective: caps,
                cap_permitted: caps,
            },
            cgroup: Arc::clone(&cgroup),
            namespaces: Namespaces {
                mount: 4_026_532_500 + index * 5,
                pid: 4_026_532_501 + index * 5,
                network: 4_026_532_502 + index * 5,
                user: 4_026_531_837,
            },
        };
        Self { index, server: task(1, "nginx"), shell: task(2, "sh"), device: 0x30 + u64::from(index) }
    }

    /// The server opens some of the files it serves.
    fn serve(&self, stream: &mut Stream) {
        for _ in 0..12 {
            let page = stream.below(40);
            stream.open(&self.server, &format!("/srv/www/static/assets/page-{page}.html"), self.device);
        }
    }

    /// The shell runs one command.
    fn command(&self, stream: &mut Stream) {
        let number = stream.below(6);
        let name = COMMANDS.into_iter().cycle().nth(usize::try_from(number).unwrap_or(0)).unwrap_or("ls");
        stream.pid += 1 + stream.below(3);
        let start_ns = stream.boot_ns + 2_000;
        let mut task = Task {
            process: ProcessKey { start_ns, tgid: stream.pid },
            tid: stream.pid,
            ppid: self.shell.process.tgid,
            ..self.shell.clone()
        };
        stream.push(&task, What::Fork(self.shell.process));
        task.comm = Text::from(name);
        let argument = stream.below(200);
        stream.push(&task, What::Exec(Arc::new(self.exec(name, argument))));
        for path in LOADER {
            stream.open(&task, path, self.device);
        }
        for _ in 0..4 {
            let data = stream.below(30);
            stream.open(&task, &format!("/var/lib/app/data/chunk-{data:04}.bin"), self.device);
        }
        if stream.below(4) == 0 {
            let path = Text::from("/etc/app/override.conf");
            let file = Arc::new(File { path, path_state: PathState::Argument, ..File::default() });
            stream.push(&task, What::Open(Open { file, flags: READ, mode: 0, retval: -2 }));
        }
        let code = u8::from(stream.below(10) == 0);
        stream.push(&task, What::Exit(ExitStatus::Exited(code)));
    }

    fn exec(&self, name: &str, argument: u32) -> Exec {
        let envs = (0..VARIABLES).map(|number| {
            Text::from(format!("APP_SETTING_{number}=value-{}-of-setting-{number}", self.index))
        });
        let args = [name.to_owned(), "-l".to_owned(), format!("/var/lib/app/data/{argument}")];
        Exec {
            executable: Arc::new(file(&format!("/usr/bin/{name}"), self.device, 0o100_755)),
            args: Strings { items: args.map(Text::from).to_vec(), truncated: false },
            envs: Strings { items: envs.collect(), truncated: false },
            ..Exec::default()
        }
    }
}

fn file(path: &str, device: u64, mode: u16) -> File {
    // Any numbers will do that are the same for the same file.
    let hash = path.bytes().fold(device, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let time_ns = 1_760_000_000_000_000_000 + i64::try_from(hash % 1_000_000_000_000_000).unwrap_or(0);
    File {
        path: Text::from(path),
        path_state: PathState::Resolved,
        inode: 1_000_000 + hash % 500_000,
        generation: 0,
        mount_id: 600 + u32::try_from(device).unwrap_or(0),
        device,
        mode,
        nlink: 1,
        uid: 0,
        gid: 0,
        filesystem: Text::from("overlay"),
        layer: Layer::Lower,
        access_ns: time_ns + 77_000_000_123,
        modification_ns: time_ns,
        change_ns: time_ns + 11_000_000_456,
    }
}
