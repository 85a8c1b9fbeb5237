//! What the watched copy of the test program does.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use nix::libc;

pub(super) const COUNT: usize = 2000;
pub(super) const FEW: usize = 20;
pub(super) const FEW_ARGUMENTS: usize = 10_000;
pub(super) const PROCESSES: usize = 200;
/// Processes that start programs with as many arguments as are reported, and how many each starts.
pub(super) const STARTERS: usize = 5;
pub(super) const STARTED: usize = 120;
pub(super) const SAME_PID: usize = 20;
pub(super) const THREADS: usize = 2;
pub(super) const FLIPS: usize = 10_000;
/// Longest list of arguments that is reported whole, with the name of the program and all zero bytes.
pub(super) const WHOLE_ARGUMENTS: usize = 65_536 - "/bin/true\0".len() - 1;

pub(super) const PAGE_ARGUMENTS: usize = 8;
pub(super) const PAGE_ARGUMENT: usize = 3000;

#[test]
#[ignore = "the other tests run it"]
fn run() {
    let Some(what) = std::env::var_os("SHRIKE_WORKLOAD") else { return };
    let directory = PathBuf::from(std::env::var_os("SHRIKE_DIRECTORY").unwrap());
    // Made before it is watched, so that the tests know every open.
    std::fs::write(directory.join("file"), b"x").unwrap();
    if let Some(table) = std::env::var_os("SHRIKE_TABLE") {
        take_table(table == "wide");
    }
    std::fs::write(std::env::var_os("SHRIKE_PROCS").unwrap(), "0").unwrap();
    match what.to_str().unwrap() {
        "nothing" => (),
        "wait" => loop {
            std::thread::park();
        },
        "counts" => counts(&directory),
        "opens" => opens(&directory.join("file"), COUNT),
        "few-opens" => opens(&directory.join("file"), FEW),
        "forks" => forks(COUNT),
        "churn" => churn(&directory),
        "exec" => drop(Command::new("/bin/true").arg("z".repeat(FEW_ARGUMENTS)).status().unwrap()),
        "threads" => threads(&directory),
        "thread-race" => thread_race(),
        "one-pid" => one_pid(),
        "arguments" => arguments(),
        "long-arguments" => long_arguments(),
        "page-arguments" => page_arguments(),
        "heavy-execs" => heavy_execs(),
        "deep" => deep(&directory),
        "kinds" => kinds(&directory),
        "sockets" => super::sockets::work(&directory),
        "names" => super::names::work(&directory),
        "names-flip" => super::names::flip(&directory),
        "openat2" => openat2(&directory),
        "relative" => relative(&directory),
        "times" => times(&directory),
        "flip" => flip(&directory),
        "scripts" => scripts(&directory),
        "compat" => compat(&directory),
        "chroot" => super::paths::chroot(&directory),
        "empty-path" => super::paths::empty_path(),
        "no-call" => super::paths::no_call(&directory),
        "by-handle" => super::paths::by_handle(&directory),
        "deleted" => deleted(&directory),
        "detached" => super::paths::detached(&directory),
        "forged-memfd" => super::paths::forged_memfd(),
        "cost" => super::cost::measure(&directory),
        other => panic!("{other}"),
    }
    // SAFETY: ends the process at once, so that nothing of the test harness is watched.
    unsafe { libc::_exit(0) }
}

/// Goes on in a child whose table of descriptors is the small one inside the kernel's structure, or a larger one.
///
/// A table keeps its size for as long as its process lives, so this one's is not known.
fn take_table(is_wide: bool) {
    // SAFETY: nothing uses the descriptors beyond the standard ones any more.
    unsafe { libc::close_range(3, u32::MAX, 0) };
    // SAFETY: only this thread goes on, in the child; the others hold no lock while the harness waits for this test.
    if let nix::unistd::ForkResult::Parent { child } = unsafe { nix::unistd::fork() }.unwrap() {
        let is_done =
            matches!(nix::sys::wait::waitpid(child, None).unwrap(), nix::sys::wait::WaitStatus::Exited(_, 0));
        // SAFETY: ends the process at once, so that nothing of the test harness is watched.
        unsafe { libc::_exit(i32::from(!is_done)) }
    }
    if is_wide {
        // SAFETY: both numbers are free or standard.
        assert_eq!(unsafe { libc::dup2(0, 200) }, 200);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(status.contains("FDSize:\t64\n"), !is_wide, "{status}");
}

fn opens(path: &Path, count: usize) {
    for _ in 0..count {
        File::open(path).unwrap();
    }
}

fn forks(count: usize) {
    for _ in 0..count {
        // SAFETY: the child only ends itself, which is allowed after a fork of a process with threads.
        match unsafe { nix::unistd::fork() }.unwrap() {
            // SAFETY: as above.
            nix::unistd::ForkResult::Child => unsafe { libc::_exit(3) },
            nix::unistd::ForkResult::Parent { child } => drop(nix::sys::wait::waitpid(child, None).unwrap()),
        }
    }
}

/// Processes that come and go until a file says that it is enough; some become another program.
fn churn(directory: &Path) {
    let (stop, begin) = (directory.join("stop"), std::time::Instant::now());
    let goes_on = || !stop.exists() && begin.elapsed() < std::time::Duration::from_secs(120);
    // SAFETY: as in `forks`.
    let fork = |what: &dyn Fn()| match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            what();
            // SAFETY: as in `forks`.
            unsafe { libc::_exit(0) }
        }
        nix::unistd::ForkResult::Parent { child } => child,
    };
    let wait = |child| {
        nix::sys::wait::waitpid(child, None).unwrap();
    };
    let work = || {
        for round in 0_u32.. {
            if !goes_on() {
                return;
            }
            wait(fork(&|| {
                // Nobody waits for this one, which may outlive the one between.
                fork(&|| drop(File::open("/dev/null")));
                if round % 8 == 0 {
                    nix::unistd::execv(c"/bin/true", &[c"true"]).unwrap();
                }
            }));
        }
    };
    let workers: Vec<_> = (0..3).map(|_| fork(&work)).collect();
    File::create(directory.join("churns")).unwrap();
    workers.into_iter().for_each(wait);
}

fn counts(directory: &Path) {
    for _ in 0..COUNT {
        // SAFETY: the child only ends itself, which is allowed after a fork of a process with threads.
        match unsafe { nix::unistd::fork() }.unwrap() {
            // SAFETY: as above.
            nix::unistd::ForkResult::Child => unsafe { libc::_exit(3) },
            nix::unistd::ForkResult::Parent { child } => drop(nix::sys::wait::waitpid(child, None).unwrap()),
        }
        assert!(Command::new("/bin/true").status().unwrap().success());
    }
    opens(&directory.join("file"), COUNT);
    for _ in 0..COUNT {
        File::open(directory.join("missing")).unwrap_err();
    }
}

fn threads(directory: &Path) {
    for n in 0..PROCESSES {
        // Two threads race best; more of them make it less likely that the leader is among the last.
        let more = if n % 4 == 0 { THREADS } else { 0 };
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bpf::tests::workload::run", "--ignored", "--nocapture", "--test-threads=1"])
            .env("SHRIKE_WORKLOAD", "thread-race")
            .env("SHRIKE_THREADS", more.to_string())
            .env("SHRIKE_DIRECTORY", directory)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(5));
    }
}

/// The test harness runs this in a second thread; the first one, the leader, is sent out by a signal handler. All spin
/// until the last is there, so that two of them end at once on two CPUs.
fn thread_race() {
    static HERE: AtomicUsize = AtomicUsize::new(0);
    static ALL: AtomicUsize = AtomicUsize::new(0);
    fn leave() {
        HERE.fetch_add(1, Ordering::SeqCst);
        for spins in 1_u64.. {
            if HERE.load(Ordering::SeqCst) >= ALL.load(Ordering::SeqCst) {
                break;
            }
            if spins % 10_000 == 0 {
                std::thread::yield_now();
            }
        }
        // SAFETY: ends this thread only.
        unsafe { libc::syscall(libc::SYS_exit, 5) };
    }
    extern "C" fn leave_as_leader(_: libc::c_int) {
        leave();
    }
    let more: usize = std::env::var("SHRIKE_THREADS").unwrap().parse().unwrap();
    ALL.store(2 + more, Ordering::SeqCst);
    for _ in 0..more {
        std::thread::spawn(leave);
    }
    let handler = leave_as_leader as extern "C" fn(libc::c_int);
    // SAFETY: the handler waits and ends its thread; what it interrupts never goes on, so no lock is taken twice.
    unsafe {
        libc::signal(libc::SIGUSR1, handler as libc::sighandler_t);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::getpid(), libc::SIGUSR1);
    }
    leave();
}

/// Processes that have the same pid one after the other; then, in the last one, a thread that is not the leader execs.
fn one_pid() {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the child only ends itself, which is allowed after a fork of a process with threads.
    let pid = match unsafe { nix::unistd::fork() }.unwrap() {
        // SAFETY: as above.
        nix::unistd::ForkResult::Child => unsafe { libc::_exit(5) },
        nix::unistd::ForkResult::Parent { child } => child,
    };
    nix::sys::wait::waitpid(pid, None).unwrap();
    for _ in 1..SAME_PID {
        fork_as(pid);
        nix::sys::wait::waitpid(pid, None).unwrap();
    }
    panic!("{}", Command::new("/bin/true").exec());
}

/// Forks a child with this pid, which ends at once.
fn fork_as(pid: nix::unistd::Pid) {
    let wanted = [pid.as_raw()];
    // SAFETY: zero is a good value for every field.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.set_tid = wanted.as_ptr() as u64;
    arguments.set_tid_size = 1;
    // SAFETY: the structure lives through the call and has the size that is said; the child only ends itself.
    unsafe {
        match libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) {
            0 => libc::_exit(5),
            made => assert_eq!(made, i64::from(pid.as_raw()), "{}", std::io::Error::last_os_error()),
        }
    }
}

fn arguments() {
    for length in [WHOLE_ARGUMENTS, WHOLE_ARGUMENTS + 1] {
        Command::new("/bin/true").arg("y".repeat(length)).env_clear().env("A", "b").status().unwrap();
    }
}

/// Two arguments as long as the kernel takes them, and short ones between and after them.
fn long_arguments() {
    let long = |letter: &str| letter.repeat(130_000);
    let mut command = Command::new("/bin/true");
    command.args([&long("x"), "--flag", &long("y"), "last"]).env_clear().env("A", "b");
    assert!(command.status().unwrap().success());
}

/// Arguments that fill some pages, each of a letter of its own.
fn page_arguments() {
    let argument = |n| char::from(b'a' + u8::try_from(n).unwrap()).to_string().repeat(PAGE_ARGUMENT);
    let mut command = Command::new("/bin/true");
    command.args((0..PAGE_ARGUMENTS).map(argument)).env_clear().env("A", "b");
    assert!(command.status().unwrap().success());
}

/// Each starts programs with arguments and environment of one letter of its own.
fn heavy_execs() {
    let starters: Vec<_> = (0..STARTERS)
        .map(|n| {
            std::thread::spawn(move || {
                let text = char::from(b'a' + u8::try_from(n).unwrap()).to_string().repeat(WHOLE_ARGUMENTS);
                for _ in 0..STARTED {
                    let status =
                        Command::new("/bin/true").arg(&text).env_clear().env("E", &text).status().unwrap();
                    assert!(status.success());
                }
            })
        })
        .collect();
    starters.into_iter().for_each(|starter| starter.join().unwrap());
}

/// Sixty names of sixty bytes fit, a hundred do not; made one by one, because no call takes such a path.
fn deep(directory: &Path) {
    std::env::set_current_dir(directory).unwrap();
    let name = "d".repeat(60);
    for depth in 1..=100 {
        std::fs::create_dir(&name).unwrap();
        std::env::set_current_dir(&name).unwrap();
        if depth == 60 || depth == 100 {
            File::create("leaf").unwrap();
        }
    }
    for depth in (1..=100).rev() {
        if depth == 60 || depth == 100 {
            std::fs::remove_file("leaf").unwrap();
        }
        std::env::set_current_dir("..").unwrap();
        std::fs::remove_dir(&name).unwrap();
    }
}

/// Two rounds of every kind, and what they must say.
fn kinds(directory: &Path) {
    let inner = directory.join("inner");
    std::fs::create_dir(&inner).unwrap();
    let mut said = std::collections::BTreeMap::<&str, Vec<String>>::new();
    for kind in event::Kind::ALL.into_iter().chain(event::Kind::ALL) {
        for (kind, says) in workloads::kinds::round(kind, &inner).unwrap() {
            said.entry(kind.name()).or_default().push(format!("{says:?}"));
        }
    }
    std::fs::write(directory.join("said"), serde_json::to_string(&said).unwrap()).unwrap();
}

pub(super) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn openat2(directory: &Path) {
    let path = c_path(&directory.join("made"));
    let how: [u64; 3] = [(libc::O_CREAT | libc::O_RDWR | libc::O_EXCL | libc::O_CLOEXEC) as u64, 0o640, 0];
    // SAFETY: path and structure live through the call, and the size is that of the structure.
    let result = unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), how.as_ptr(), 24) };
    assert!(result >= 0);
}

fn relative(directory: &Path) {
    std::fs::create_dir(directory.join("inner")).unwrap();
    let inner = File::open(directory.join("inner")).unwrap();
    // SAFETY: the path lives through the call.
    let result = unsafe { libc::openat(inner.as_raw_fd(), c"../missing/name".as_ptr(), libc::O_WRONLY) };
    assert_eq!(result, -1);
}

/// Opens through a path of which another thread changes the last letter, and notes which file each open got.
fn flip(directory: &Path) {
    static LETTER_CHANGES: AtomicBool = AtomicBool::new(true);
    for name in ["flip-a", "flip-b"] {
        File::create(directory.join(name)).unwrap();
    }
    let bytes = c_path(&directory.join("flip-a")).into_bytes_with_nul();
    let path: &'static [AtomicU8] = bytes.into_iter().map(AtomicU8::new).collect::<Vec<_>>().leak();
    let letter = &path[path.len() - 2];
    let flipper = std::thread::spawn(move || {
        while LETTER_CHANGES.load(Ordering::Relaxed) {
            letter.fetch_xor(b'a' ^ b'b', Ordering::Relaxed);
        }
    });
    let mut opened = Vec::new();
    for _ in 0..FLIPS {
        // SAFETY: the bytes end with a zero that never changes, and live as long as the process.
        let fd = unsafe { libc::openat(libc::AT_FDCWD, path.as_ptr().cast(), libc::O_RDONLY) };
        assert!(fd >= 0);
        let target = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        opened.push(*target.as_os_str().as_bytes().last().unwrap());
        // SAFETY: it was opened above and is used by nobody else.
        unsafe { libc::close(fd) };
    }
    LETTER_CHANGES.store(false, Ordering::Relaxed);
    flipper.join().unwrap();
    std::fs::write(directory.join("opened"), opened).unwrap();
}

fn scripts(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let make = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let inner = make("inner.sh", "#!/bin/sh\nexit 0\n".to_owned());
    let outer = make("outer.sh", format!("#!{}\n", inner.display()));
    for script in [&inner, &outer] {
        assert!(Command::new(script).status().unwrap().success());
    }
    std::os::unix::fs::symlink(&inner, directory.join("link")).unwrap();
    std::env::set_current_dir(directory).unwrap();
    assert!(Command::new("./link").status().unwrap().success());
}

/// open(2) of 32-bit programs, from a 64-bit one.
fn compat(directory: &Path) {
    let path = c_path(&directory.join("file")).into_bytes_with_nul();
    let result = super::names::call_of_i386(5, &path, |low| [low, 0, 0]);
    std::fs::write(directory.join("result"), result.to_string()).unwrap();
}

fn deleted(directory: &Path) {
    let path = directory.join("gone");
    let file = File::create(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    // SAFETY: the name lives through the call.
    let memory = unsafe { libc::memfd_create(c"secret".as_ptr(), 0) };
    File::open(format!("/proc/self/fd/{memory}")).unwrap();
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    File::open(format!("/proc/self/fd/{}", reader.as_raw_fd())).unwrap();
    File::open("/proc/self/ns/net").unwrap();
}

/// Opens a file whose times were asked for before and after they changed, as `ls` and backups do all the time.
fn times(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.join("timed");
    std::fs::write(&path, b"x").unwrap();
    std::fs::metadata(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::metadata(&path).unwrap();
    File::open(&path).unwrap();
}
