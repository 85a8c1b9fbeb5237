//! What the hooks add to a system call; prints numbers, asserts nothing.

use std::path::Path;
use std::time::Instant;

use nix::libc;

use super::*;

const CALLS: u32 = 500;
const ROUNDS: usize = 400;

/// Best of many short rounds, because everything that disturbs only adds.
pub(super) fn measure(directory: &Path) {
    let best = |work: &dyn Fn()| {
        (0..ROUNDS)
            .map(|_| {
                let begin = Instant::now();
                for _ in 0..CALLS {
                    work();
                }
                begin.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
            })
            .fold(f64::MAX, f64::min)
    };
    let getpid = best(&|| {
        // SAFETY: getpid cannot fail and touches nothing.
        unsafe { libc::syscall(libc::SYS_getpid) };
    });
    let open = best(&|| {
        // SAFETY: the path is constant; the descriptor is closed at once.
        unsafe { libc::close(libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY)) };
    });
    std::fs::write(directory.join("cost"), format!("getpid {getpid:.0} ns, open+close {open:.0} ns"))
        .unwrap();
}

#[test]
#[ignore = "takes seconds and only prints"]
fn cost_of_the_hooks() {
    if !can_load() {
        return;
    }
    let read = |path: &Path| std::fs::read_to_string(path.join("cost")).unwrap();
    let run = |procs: &Path| {
        let directory = tempfile::tempdir().unwrap();
        assert!(spawn(procs, directory.path(), "cost").wait().unwrap().success());
        read(directory.path())
    };
    for _ in 0..3 {
        let other = OwnCgroup::new("cost-outside").unwrap();
        println!("nothing attached: {}", run(&other.procs()));
        let mut watch = Watch::new("cost-inside");
        println!("out of scope:     {}", run(&other.procs()));
        let procs = watch.cgroup.procs();
        assert!(watch.run_in(&procs, "cost").success());
        println!("in scope:         {}  {:?}", read(&watch.path("")), watch.sensor.counters());
    }
}

fn processor_time() -> Duration {
    let used = nix::sys::time::TimeVal::from;
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let total = used(*usage.user_time().as_ref()) + used(*usage.system_time().as_ref());
    Duration::from_micros(nix::sys::time::TimeValLike::num_microseconds(&total).try_into().unwrap())
}

/// Wall and processor time, because a busy machine makes the first one useless.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (begin, used) = (Instant::now(), processor_time());
    let done = work();
    println!("{what}: {:.1?}, of a processor {:.1?}", begin.elapsed(), processor_time() - used);
    done
}

#[test]
#[ignore = "only prints"]
fn cost_of_the_start() {
    if !can_load() {
        return;
    }
    let config = SensorConfig {
        never_drop_bytes: 8 << 20,
        strings_bytes: 8 << 20,
        bulk_bytes: 16 << 20,
        ..SensorConfig::of_nothing()
    };
    for _ in 0..3 {
        let types = timed("types of the kernel", || loader::kernel_types().unwrap());
        let mut ebpf =
            timed("maps and relocation", || loader::open(EbpfLoader::new(), &config, &types).unwrap());
        let attached = timed("programs", || loader::attach(&mut ebpf, &config.kinds, &types).unwrap());
        for (name, program) in ebpf.programs() {
            let Ok(info) = program.info() else { continue };
            println!("  {name}: {} instructions verified", info.verified_instruction_count().unwrap_or(0));
        }
        timed("end", || drop((attached, ebpf)));
        timed("all", || drop(Sensor::load(&config).unwrap()));
    }
    let mut sensor = Sensor::load(&config).unwrap();
    timed("list of the living", || sensor.living().unwrap());
}
