//! Records built by hand.

use event::{File, PathState, What};
use event_abi::{
    event_header, event_kind, exec_event, exec_strings_event, file_info, fork_event, open_event,
};
use zerocopy::IntoBytes;

use super::*;

fn bytes_of(fixed: &(impl IntoBytes + zerocopy::Immutable), parts: &[&[u8]]) -> Vec<u8> {
    let mut record = fixed.as_bytes().to_vec();
    record.extend(parts.concat());
    let size = u32::try_from(record.len()).unwrap();
    record[8..12].copy_from_slice(&size.to_ne_bytes());
    record
}

fn header(kind: u16, cpu: u16) -> event_header {
    event_header { boot_ns: 5, kind, cpu, ..Default::default() }
}

fn chunk(cpu: u16, exec_id: u64, list: u16, bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap();
    bytes_of(
        &exec_strings_event {
            header: header(u16::try_from(event_kind::EVENT_EXEC_STRINGS.0).unwrap(), cpu),
            exec_id,
            len,
            list,
            pad: 0,
        },
        &[bytes],
    )
}

fn exec(cpu: u16, exec_id: u64, args_len: u32, envs_len: u32) -> Vec<u8> {
    let executable = file_info { flags: 1, path_len: 8, nlink: 1, inode: 9, ..Default::default() };
    let event =
        exec_event { header: header(1, cpu), exec_id, args_len, envs_len, executable, ..Default::default() };
    bytes_of(&event, &[b"env/bin/"])
}

fn decoded_exec(decoder: &mut Decoder, record: &[u8]) -> Arc<Exec> {
    match decoder.decode(record) {
        Ok(Some(Decoded::Event(Event { what: What::Exec(exec), .. }))) => exec,
        other => panic!("{other:?}"),
    }
}

fn texts(strings: &event::Strings) -> Vec<String> {
    strings.items.iter().map(ToString::to_string).collect()
}

fn decoded_file(record: &[u8]) -> Arc<File> {
    match Decoder::default().decode(record) {
        Ok(Some(Decoded::Event(Event { what: What::Open(open), .. }))) => open.file,
        other => panic!("{other:?}"),
    }
}

fn open(file: file_info, parts: &[&[u8]]) -> Vec<u8> {
    bytes_of(&open_event { header: header(4, 0), file, ..Default::default() }, parts)
}

#[test]
fn chunks_of_two_cpus_join_their_own_exec() {
    let mut decoder = Decoder::default();
    for record in [
        chunk(0, 70, 0, b"a\0b"),
        chunk(1, 71, 0, b"x\0"),
        chunk(0, 70, 0, b"c\0"),
        chunk(0, 70, 1, b"E=1\0"),
    ] {
        assert_eq!(decoder.decode(&record), Ok(None));
    }
    let first = decoded_exec(&mut decoder, &exec(0, 70, 5, 4));
    assert_eq!((texts(&first.args), texts(&first.envs)), (vec!["a".into(), "bc".into()], vec!["E=1".into()]));
    assert!(!first.args.truncated && !first.envs.truncated);
    let second = decoded_exec(&mut decoder, &exec(1, 71, 2, 0));
    assert_eq!(texts(&second.args), ["x"]);
}

#[test]
fn a_missing_chunk_is_told_and_never_filled_with_those_of_another_exec() {
    let mut decoder = Decoder::default();
    decoder.decode(&chunk(0, 70, 0, b"lost\0")).unwrap();
    let exec = decoded_exec(&mut decoder, &exec(0, 72, 5, 0));
    assert!(exec.args.truncated);
    assert_eq!(texts(&exec.args), Vec::<String>::new());
}

#[test]
fn an_empty_argument_is_kept() {
    let mut decoder = Decoder::default();
    decoder.decode(&chunk(0, 1, 0, b"\0\0a\0")).unwrap();
    let exec = decoded_exec(&mut decoder, &exec(0, 1, 4, 0));
    assert_eq!(texts(&exec.args), ["", "", "a"]);
}

#[test]
fn strings_of_many_execs_wait_until_their_execs_come() {
    let mut decoder = Decoder::default();
    for id in 1..=500 {
        decoder.decode(&chunk(0, id, 0, format!("{id}\0").as_bytes())).unwrap();
        decoder.decode(&chunk(0, id, 1, b"E=1\0")).unwrap();
    }
    for id in (1..=500).rev() {
        let name = id.to_string();
        let exec = decoded_exec(&mut decoder, &exec(0, id, u32::try_from(name.len()).unwrap() + 1, 4));
        assert_eq!((texts(&exec.args), texts(&exec.envs)), (vec![name], vec!["E=1".to_owned()]));
        assert!(!exec.args.truncated && !exec.envs.truncated);
    }
}

#[test]
fn strings_whose_exec_never_comes_make_room_for_newer_ones() {
    let mut decoder = Decoder::default();
    let megabytes = |count: u64| count * 256;
    for id in 1..=megabytes(100) {
        decoder.decode(&chunk(0, id, 0, &[b'a'; 4096])).unwrap();
    }
    let mut is_whole = |id| !decoded_exec(&mut decoder, &exec(0, id, 4096, 0)).args.truncated;
    assert!(is_whole(megabytes(100)) && is_whole(megabytes(80)));
    assert!(!is_whole(megabytes(60)) && !is_whole(1));
}

#[test]
fn chunks_without_an_exec_stay_bounded() {
    let mut decoder = Decoder::default();
    for _ in 0..1000 {
        decoder.decode(&chunk(0, 70, 0, &[b'a'; 4096])).unwrap();
    }
    let exec = decoded_exec(&mut decoder, &exec(0, 70, 4096 * 1000, 0));
    assert_eq!(exec.args.items.iter().map(Text::len).sum::<usize>(), 65536);
    assert!(exec.args.truncated);
}

#[test]
fn paths_have_a_root_only_if_the_kernel_found_one() {
    let path_on = |filesystem: &[u8; 6], flags: u8, path_state: u8, names: &[u8], argument: &[u8]| {
        let mut name = [0; 16];
        name[..6].copy_from_slice(filesystem);
        let path_len = u16::try_from(names.len()).unwrap();
        let argument_len = u16::try_from(argument.len()).unwrap();
        let info = file_info {
            flags,
            path_state,
            path_len,
            argument_len,
            inode: 7,
            filesystem: name,
            ..Default::default()
        };
        decoded_file(&open(info, &[names, argument])).clone()
    };
    let path = |flags: u8, path_state: u8, names: &[u8], argument: &[u8]| {
        path_on(b"pipefs", flags, path_state, names, argument).path.to_string()
    };
    assert_eq!(path(1, 0, b"b/a/", b""), "/a/b");
    assert_eq!(path(1, 1, b"b/a/", b""), "a/b");
    assert_eq!(path(3, 5, b"b/a/", b""), "a/b");
    assert_eq!(path(3, 4, b"memfd:x/", b""), "memfd:x");
    assert_eq!(path(3, 4, b"memfd:sh/bin/usr//", b""), "memfd:sh/bin/usr/");
    assert_eq!(path(3, 4, b"/", b""), "pipe:[7]");
    assert_eq!(path(0, 2, b"b/a/", b"c/d"), "/a/b/c/d");
    assert_eq!(path(0, 3, b"", b""), "");
    assert_eq!(path(2, 2, b"", b""), "", "the empty path is not that of the directory");
    for (filesystem, state, names, expect) in [
        (b"nsfs\0\0", 4, &b"mnt"[..], "mnt:[7]"),
        (b"nsfs\0\0", 4, b"", "ns:[7]"),
        (b"pidfs\0", 1, b"", "pid:[7]"),
    ] {
        let object = path_on(filesystem, 3, state, names, b"");
        assert_eq!((object.path.to_string().as_str(), object.path_state), (expect, PathState::NoPlace));
    }
}

#[test]
fn an_unknown_path_state_is_an_error_of_its_kind() {
    let record = open(file_info { path_state: 9, ..Default::default() }, &[]);
    let error = Decoder::default().decode(&record).unwrap_err();
    assert_eq!((error, error.kind()), (DecodeError::PathState(9, Kind::Open), Some(Kind::Open)));
    assert_ne!(PathState::from_u8(3), None);
}

#[test]
fn equal_tasks_and_files_are_shared_and_different_ones_are_not() {
    let mut decoder = Decoder::default();
    let file = file_info { flags: 1, inode: 3, path_len: 2, ..Default::default() };
    let mut get = |file: file_info, tid: u32| {
        let mut event = open_event { header: header(4, 0), file, ..Default::default() };
        event.task.tid = tid;
        match decoder.decode(&bytes_of(&event, &[b"a/"])) {
            Ok(Some(Decoded::Event(Event { what: What::Open(open), task, .. }))) => (open.file, task),
            other => panic!("{other:?}"),
        }
    };
    let (first, task) = get(file, 1);
    let (again, same_task) = get(file, 1);
    let (touched, other_task) = get(file_info { modification_ns: 1, ..file }, 2);
    assert!(Arc::ptr_eq(&first, &again) && Arc::ptr_eq(&task, &same_task));
    assert!(!Arc::ptr_eq(&first, &touched) && !Arc::ptr_eq(&task, &other_task));
}

#[test]
fn the_end_of_a_process_is_told_as_wait_tells_it() {
    use event::ExitStatus::{CoreDumped, Exited, Signaled};
    assert_eq!(convert::exit_status(3 << 8), Exited(3));
    assert_eq!(convert::exit_status(9), Signaled(9));
    assert_eq!(convert::exit_status(0x8b), CoreDumped(11));
}

#[test]
fn a_fork_names_its_parent_by_start_and_pid() {
    let mut event = fork_event { header: header(2, 0), parent_start_ns: 11, ..Default::default() };
    event.task.ppid = 42;
    match Decoder::default().decode(&bytes_of(&event, &[])) {
        Ok(Some(Decoded::Event(Event { what: What::Fork(parent), boot_ns: 5, .. }))) => {
            assert_eq!(parent, ProcessKey { start_ns: 11, tgid: 42 });
        }
        other => panic!("{other:?}"),
    }
}
