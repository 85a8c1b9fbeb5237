//! Paths that somebody tries to forge or to hide, and paths of calls that failed.

use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::fs::MetadataExt as _;

use event::PathState;
use nix::libc;

use super::truth::path_of;
use super::workload::c_path;
use super::*;

/// Runs a program from a memfd whose name is that of another one, written as records write paths, and opens it.
pub(super) fn forged_memfd() {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the name lives through the call, and the descriptor is nobody else's.
    let mut memory = unsafe { File::from_raw_fd(libc::memfd_create(c"sh/bin/usr/".as_ptr(), 0)) };
    std::io::copy(&mut File::open("/bin/true").unwrap(), &mut memory).unwrap();
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    // Not for writing, or it could not be run.
    let program = File::open(&path).unwrap();
    drop(memory);
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    assert!(Command::new(path).arg0("true").status().unwrap().success());
}

/// Opens a file and runs a program in a tree that is a copy of a part of another one, and makes a file in one that is new;
/// neither is mounted anywhere.
pub(super) fn detached(directory: &Path) {
    let inner = directory.join("tree/inner");
    std::fs::create_dir_all(&inner).unwrap();
    nix::sys::stat::mknod(
        &inner.join("file"),
        nix::sys::stat::SFlag::S_IFREG,
        nix::sys::stat::Mode::S_IRWXU,
        0,
    )
    .unwrap();
    std::fs::copy("/bin/true", directory.join("copy")).unwrap();
    std::fs::rename(directory.join("copy"), inner.join("program")).unwrap();
    let call = |number, arguments: [i64; 5]| {
        let [first, second, third, fourth, fifth] = arguments;
        // SAFETY: what the arguments point to lives through the call.
        let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth) };
        assert!(result >= 0, "{}", std::io::Error::last_os_error());
        i32::try_from(result).unwrap()
    };
    let at = |text: &std::ffi::CStr| text.as_ptr() as i64;
    let path = c_path(&inner);
    const OPEN_TREE_CLONE: i64 = 1;
    let tree = call(libc::SYS_open_tree, [libc::AT_FDCWD.into(), at(&path), OPEN_TREE_CLONE, 0, 0]);
    call(libc::SYS_openat, [tree.into(), at(c"file"), libc::O_RDONLY.into(), 0, 0]);
    assert!(Command::new(format!("/proc/self/fd/{tree}/program")).status().unwrap().success());
    const FSCONFIG_CMD_CREATE: i64 = 6;
    let context = call(libc::SYS_fsopen, [at(c"tmpfs"), 0, 0, 0, 0]);
    call(libc::SYS_fsconfig, [context.into(), FSCONFIG_CMD_CREATE, 0, 0, 0]);
    let mount = call(libc::SYS_fsmount, [context.into(), 0, 0, 0, 0]);
    let flags = libc::O_CREAT | libc::O_WRONLY;
    call(libc::SYS_openat, [mount.into(), at(c"made"), flags.into(), 0o600, 0]);
}

/// Calls that fail, below another root: by a path from there, and by one from a directory there.
pub(super) fn chroot(directory: &Path) {
    let jail = directory.join("jail");
    std::fs::create_dir_all(jail.join("inner")).unwrap();
    nix::unistd::chroot(&jail).unwrap();
    std::env::set_current_dir("/inner").unwrap();
    File::open("/missing/a").unwrap_err();
    std::fs::remove_file("/missing/b").unwrap_err();
    File::open("missing").unwrap_err();
}

pub(super) fn empty_path() {
    // SAFETY: the path lives through the call.
    assert_eq!(unsafe { libc::openat(libc::AT_FDCWD, c"".as_ptr(), libc::O_RDONLY) }, -1);
}

/// open(2) by its number for x32, which few kernels have.
pub(super) fn no_call(directory: &Path) {
    const X32: i64 = 0x4000_0000;
    let path = c_path(&directory.join("file"));
    // SAFETY: the path lives through the call.
    let result = unsafe { libc::syscall(X32 | libc::SYS_open, path.as_ptr(), libc::O_RDONLY) };
    let error = nix::errno::Errno::last() as i32;
    let text = if result < 0 { format!("{}", -error) } else { result.to_string() };
    std::fs::write(directory.join("result"), text).unwrap();
}

/// Opens a file by its handle, then by one that no file has.
pub(super) fn by_handle(directory: &Path) {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        data: [u8; 128],
    }
    let path = c_path(&directory.join("file"));
    std::fs::write(directory.join("file"), b"x").unwrap();
    let place = File::open(directory).unwrap();
    let mut handle = Handle { bytes: 128, kind: 0, data: [0; 128] };
    let mut mount = 0_i32;
    // SAFETY: what the arguments point to lives through the call, and the handle has the room that it says.
    let named = unsafe {
        libc::syscall(libc::SYS_name_to_handle_at, libc::AT_FDCWD, path.as_ptr(), &mut handle, &mut mount, 0)
    };
    assert_eq!(named, 0, "{}", std::io::Error::last_os_error());
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW;
    let open = |handle: &Handle| {
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_open_by_handle_at, place.as_raw_fd(), handle, flags) }
    };
    assert!(open(&handle) >= 0, "{}", std::io::Error::last_os_error());
    handle.data.fill(0xff);
    assert_eq!(open(&handle), -1);
}

fn is_placeless(file: &event::File) -> bool {
    file.path_state == PathState::NoPlace
}

#[test]
fn a_memfd_that_is_called_like_a_program_is_not_taken_for_it() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("forged", table);
        assert!(watch.run("forged-memfd").success());
        let name = "memfd:sh/bin/usr/";
        let opened: Vec<&event::File> = watch.opens().map(|open| &*open.file).collect();
        let run: Vec<&event::File> = watch.execs().map(|exec| &*exec.executable).collect();
        for files in [opened, run] {
            let forged: Vec<_> = files.iter().filter(|file| is_placeless(file)).collect();
            assert!(forged.iter().any(|file| file.path.to_string() == name), "{forged:?}");
            assert!(forged.iter().all(|file| file.path.to_string() == name), "{forged:?}");
            assert!(!files.iter().any(|file| file.path.to_lossy().ends_with("memfd:sh")), "{files:?}");
        }
    }
}

#[test]
fn a_file_in_a_detached_tree_is_marked_and_has_the_path_of_its_file_system() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("detached", table);
        assert!(watch.run("detached").success());
        let inode = std::fs::metadata(watch.path("tree/inner/file")).unwrap().ino();
        let read: Vec<_> = watch.opens().map(|open| &open.file).filter(|file| file.inode == inode).collect();
        let run: Vec<_> = watch.execs().map(|exec| &exec.executable).collect();
        assert_eq!((read.len(), run.len()), (1, 1));
        for file in [read[0], run[0]] {
            assert_eq!(file.path_state, PathState::Detached, "{file:?}");
            let path = file.path.to_string();
            assert!(!path.starts_with('/'), "{path}");
            // The rest of its path depends on what is mounted where the test runs.
            let (directory, name) = path.rsplit_once('/').unwrap();
            assert!(directory.ends_with("tree/inner") && ["file", "program"].contains(&name), "{path}");
        }
        let made: Vec<_> = watch.opens().filter(|open| path_of(open) == "made").collect();
        let states: Vec<_> =
            made.iter().map(|open| (open.file.path_state, open.file.filesystem.to_string())).collect();
        assert_eq!(states, [(PathState::Detached, "tmpfs".to_owned())]);
    }
}

#[test]
fn a_failed_open_in_a_chroot_is_told_with_the_directory_that_is_the_root_there() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("chroot", table);
        assert!(watch.run("chroot").success());
        let asked: Vec<(String, i32)> = watch
            .events
            .iter()
            .filter_map(|event| {
                if let What::Open(open) = &event.what {
                    let is_argument = open.file.path_state == PathState::Argument;
                    return is_argument.then(|| (path_of(open), open.retval));
                }
                let What::Unlink(unlink) = &event.what else { return None };
                Some((unlink.file.path.to_string(), unlink.retval))
            })
            .collect();
        let jail = watch.path("jail");
        let inside = |path: &str| jail.to_string_lossy().into_owned() + path;
        assert_eq!(
            asked,
            [(inside("/missing/a"), -2), (inside("/missing/b"), -2), (inside("/inner/missing"), -2)]
        );
    }
}

#[test]
fn the_empty_path_is_not_the_working_directory() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("empty", table);
        assert!(watch.run("empty-path").success());
        let failed: Vec<_> = watch
            .opens()
            .filter(|open| open.retval < 0)
            .map(|open| (path_of(open), open.file.path_state, open.retval))
            .collect();
        assert_eq!(failed, [(String::new(), PathState::Argument, -2)]);
    }
}

#[test]
fn a_number_that_is_no_call_here_is_not_an_open() {
    if !can_load() {
        return;
    }
    let mut watch = Watch::new("no-call");
    assert!(watch.run("no-call").success());
    let result = std::fs::read_to_string(watch.path("result")).unwrap();
    if result != "-38" {
        return skipped("this kernel has the system calls of x32");
    }
    let path = watch.path("file");
    assert_eq!(watch.opens().filter(|open| path_of(open) == path.to_string_lossy()).count(), 0);
    watch.assert_nothing_lost();
}

#[test]
fn a_file_that_is_opened_by_its_handle_has_its_path_and_a_wrong_handle_none() {
    if !can_load() {
        return;
    }
    for table in Table::BOTH {
        let mut watch = Watch::with_table("handle", table);
        assert!(watch.run("by-handle").success());
        let path = watch.path("file");
        let opened: Vec<&Open> = watch
            .opens()
            .filter(|open| {
                path_of(open) == path.to_string_lossy() || open.file.path_state == PathState::Unreadable
            })
            .collect();
        // The first is the workload's own, which makes the file.
        let [_, open, failed] = opened.as_slice() else { panic!("{opened:?}") };
        assert_eq!((open.file.path_state, open.flags), (PathState::Resolved, 0o400_000));
        assert_eq!(open.file.inode, std::fs::metadata(&path).unwrap().ino());
        assert!(open.retval >= 0 && failed.retval < 0 && path_of(failed).is_empty(), "{failed:?}");
        watch.assert_nothing_lost();
    }
}
