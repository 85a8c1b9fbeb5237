//! Names of calls that leave no file behind are those that the kernel took, or said to be unreadable.

use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use nix::libc;
use nix::sys::stat::{Mode, SFlag, mknod};

use super::*;

/// What each event must say: its names in order, then flags and result.
type Says = Vec<Vec<String>>;

const ROUNDS: usize = 3000;

/// Makes a file without opening one.
fn touch(path: &Path) {
    mknod(path, SFlag::S_IFREG, Mode::S_IRWXU, 0).unwrap();
}

/// A call by the numbers of i386, with `bytes` where 32 bits reach; the arguments are given their address.
pub(super) fn call_of_i386(number: i64, bytes: &[u8], arguments: impl Fn(u64) -> [u64; 3]) -> i32 {
    assert!(bytes.len() <= 4096);
    // SAFETY: a new mapping; then bytes are copied into it, which it has room for.
    let low = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let low = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        assert_ne!(low, libc::MAP_FAILED);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), low.cast(), bytes.len());
        low as u64
    };
    let [first, second, third] = arguments(low);
    let result: i64;
    // SAFETY: the call reads what its arguments point to; rbx belongs to the compiler and is put back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) first => _,
            inout("rax") number => result,
            in("rcx") second,
            in("rdx") third,
        );
    }
    i32::try_from(result).unwrap()
}

/// By descriptors of directories, with flags, and as a 32-bit program does it.
pub(super) fn work(directory: &Path) {
    let mut said = Says::new();
    let names = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let asked = |name: &str| format!("{} (asked for)", directory.join(name).display());
    let here = std::fs::File::open(directory).unwrap();
    let rename = |from: &std::ffi::CStr, to: &std::ffi::CStr, flags: u32| {
        // SAFETY: both names live through the call.
        match unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                here.as_raw_fd(),
                from.as_ptr(),
                here.as_raw_fd(),
                to.as_ptr(),
                flags,
            )
        } {
            0 => 0,
            _ => -(nix::errno::Errno::last() as i32),
        }
    };
    for name in ["one", "two"] {
        touch(&directory.join(name));
    }
    assert_eq!(rename(c"one", c"two", libc::RENAME_NOREPLACE), -libc::EEXIST);
    said.push(names(&[&asked("one"), &asked("two"), "RENAME_NOREPLACE", "-17"]));
    assert_eq!(rename(c"one", c"two", libc::RENAME_EXCHANGE), 0);
    said.push(names(&[&asked("one"), &asked("two"), "RENAME_EXCHANGE", "0"]));
    // SAFETY: the name lives through the call.
    assert_eq!(unsafe { libc::unlinkat(here.as_raw_fd(), c"one".as_ptr(), 0) }, 0);
    said.push(names(&[&asked("one"), "0", "0"]));
    let path = [directory.join("two").as_os_str().as_bytes(), b"\0"].concat();
    let result = call_of_i386(10, &path, |low| [low, 0, 0]);
    if result == -libc::ENOSYS {
        std::fs::remove_file(directory.join("two")).unwrap();
    } else {
        assert_eq!(result, 0);
    }
    said.push(names(&[&asked("two"), "0", "0"]));
    std::fs::write(directory.join("said"), serde_json::to_string(&said).unwrap()).unwrap();
}

/// Removes a file and renames another, by names of which a second thread changes the last letter, once and at any moment
/// of the call; notes the letters that the kernel took.
pub(super) fn flip(directory: &Path) {
    static ROUND: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let leak = |name: &str| -> &'static [AtomicU8] {
        let bytes = [directory.join(name).as_os_str().as_bytes(), b"\0"].concat();
        bytes.into_iter().map(AtomicU8::new).collect::<Vec<_>>().leak()
    };
    let (gone, moved) = (leak("gone-a"), leak("moved-a"));
    let letters = [&gone[gone.len() - 2], &moved[moved.len() - 2]];
    std::thread::spawn(move || {
        for round in 1..=2 * ROUNDS {
            while ROUND.load(Ordering::Acquire) < round {
                std::thread::yield_now();
            }
            for _ in 0..round % 500 {
                std::hint::spin_loop();
            }
            letters[round % 2].store(b'b', Ordering::Relaxed);
            DONE.store(round, Ordering::Release);
        }
    });
    let is_there =
        |name: &str| nix::unistd::access(&directory.join(name), nix::unistd::AccessFlags::F_OK).is_ok();
    let source = [directory.join("source").as_os_str().as_bytes(), b"\0"].concat();
    let mut took = String::new();
    for round in 1..=2 * ROUNDS {
        letters[round % 2].store(b'a', Ordering::Relaxed);
        let is_removal = round % 2 == 0;
        let made: &[&str] = if is_removal { &["gone-a", "gone-b"] } else { &["source"] };
        made.iter().filter(|name| !is_there(name)).for_each(|name| touch(&directory.join(name)));
        ROUND.store(round, Ordering::Release);
        // SAFETY: the bytes end with a zero that never changes, and live as long as the process.
        let result = unsafe {
            if is_removal {
                libc::unlink(gone.as_ptr().cast())
            } else {
                libc::rename(source.as_ptr().cast(), moved.as_ptr().cast())
            }
        };
        assert_eq!(result, 0);
        while DONE.load(Ordering::Acquire) < round {
            std::thread::yield_now();
        }
        let is_a = if is_removal { !is_there("gone-a") } else { is_there("moved-a") };
        took.push(if is_a { 'a' } else { 'b' });
        if !is_removal {
            // By another call, that is told apart by its name.
            nix::unistd::unlink(&directory.join(if is_a { "moved-a" } else { "moved-b" })).unwrap();
        }
    }
    std::fs::write(directory.join("took"), took).unwrap();
}

fn files(event: &Event) -> Option<Vec<&event::File>> {
    if let What::Unlink(unlink) = &event.what {
        Some(vec![&unlink.file])
    } else if let What::Rename(rename) = &event.what {
        Some(vec![&rename.file, &rename.destination])
    } else {
        None
    }
}

#[test]
fn names_by_descriptors_with_flags_and_of_32_bit_callers_are_whole() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("names", table);
        assert!(watch.run("names").success());
        let text = std::fs::read_to_string(watch.path("said")).unwrap();
        let wanted: Says = serde_json::from_str(&text).unwrap();
        let said: Says = watch
            .events
            .iter()
            .filter(|event| files(event).is_some())
            .map(|event| workloads::kinds::said(&event.what).into_iter().map(|(_, text)| text).collect())
            .collect();
        assert_eq!(said, wanted);
        watch.assert_nothing_lost();
    }
}

#[test]
fn a_name_that_another_thread_changes_is_the_one_that_the_kernel_took_or_unreadable() {
    if !can_load() {
        return;
    }
    // Both threads may have to share one CPU for a whole run; then nothing changes in the middle of a call.
    let raced =
        (0..10).any(|_| names_are_true_while_they_change().into_iter().all(|unreadable| unreadable > 0));
    assert!(raced, "the race did not happen");
}

/// How many names of removed and of renamed files were unreadable; the others are true.
fn names_are_true_while_they_change() -> [usize; 2] {
    let mut watch = Watch::new("names-flip");
    assert!(watch.run("names-flip").success());
    let took = std::fs::read_to_string(watch.path("took")).unwrap();
    let last = |file: &event::File| {
        let is_told = file.path_state == event::PathState::Argument;
        is_told.then(|| char::from(*file.path.as_bytes().last().unwrap()))
    };
    let is_cleared = |file: &event::File| file.path.to_lossy().contains("/moved-");
    let of_rounds =
        watch.events.iter().filter_map(files).filter(|files| files.len() == 2 || !is_cleared(files[0]));
    let said: Vec<Option<char>> = of_rounds.map(|files| last(files[files.len() - 1])).collect();
    assert_eq!(said.len(), took.len());
    let wrong = said.iter().zip(took.chars()).filter(|(said, took)| said.is_some_and(|said| said != *took));
    assert_eq!(wrong.count(), 0);
    watch.assert_nothing_lost();
    [1, 0].map(|first| said.iter().skip(first).step_by(2).filter(|said| said.is_none()).count())
}
