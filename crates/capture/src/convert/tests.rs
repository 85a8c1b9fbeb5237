use event::{
    Cgroup, Credentials, ExitStatus, Host, Kind, PathState, ProcessKey, Runtime, Text, What, Workload,
};
use proptest::prelude::*;

use super::*;

/// What a stream of items holds, whatever the batches.
fn contents(items: impl IntoIterator<Item = Item>) -> (Vec<Host>, Vec<KnownProcess>, Vec<Event>) {
    let (mut hosts, mut processes, mut events) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Hello(host) => hosts.push(host),
            Item::Status(_) => {}
            Item::Batch(message) => {
                let decoded = batch::decode(&message).unwrap();
                processes.extend(decoded.processes);
                events.extend(decoded.events);
            }
        }
    }
    (hosts, processes, events)
}

fn parse(lines: &str) -> (Vec<Host>, Vec<KnownProcess>, Vec<Event>) {
    contents(JsonLines::new(lines.as_bytes()).map(|item| item.unwrap()))
}

/// The events of lines that follow a host line.
fn events(lines: &str) -> Vec<Event> {
    parse(&format!("{{\"kind\":\"host\",\"capture\":1}}\n{lines}")).2
}

/// The error of lines that follow a host line.
fn refused(lines: &str) -> String {
    let lines = format!("{{\"kind\":\"host\",\"capture\":1}}\n{lines}");
    from_jsonl(lines.as_bytes(), io::sink()).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn converting_to_json_lines_and_back_gives_the_same_events(
        (processes, events) in wire::arbitrary::stream(),
    ) {
        let host = Host { hostname: "h".to_owned(), wall_offset_ns: i64::MIN, ..Host::default() };
        let mut writer = Writer::new(Vec::new(), &status::hello(&host, "1")).unwrap();
        writer.write_batch(batch::encode(1, &processes, &events)).unwrap();
        let capture = writer.finish().unwrap();

        let mut lines = Vec::new();
        to_jsonl(Reader::new(capture.as_slice()).unwrap(), &mut lines).unwrap();
        let mut again = Vec::new();
        let converted = from_jsonl(lines.as_slice(), &mut again).unwrap();
        prop_assert_eq!(converted.events, events.len() as u64);

        let items = Reader::new(again.as_slice()).unwrap().map(|item| item.unwrap());
        prop_assert_eq!(contents(items), (vec![host], processes, events));
        let mut same_lines = Vec::new();
        to_jsonl(Reader::new(again.as_slice()).unwrap(), &mut same_lines).unwrap();
        prop_assert_eq!(same_lines, lines);
    }

    #[test]
    fn arbitrary_lines_never_panic(text in "[ -~é\n]{0,200}") {
        drop(from_jsonl(text.as_bytes(), io::sink()));
        drop(from_jsonl(format!("{{\"kind\":\"host\",\"capture\":1}}\n{text}").as_bytes(), io::sink()));
    }
}

#[test]
fn the_example_of_the_documentation_is_what_the_documentation_says() {
    let (hosts, processes, events) = parse(include_str!("../../../../docs/example.capture.jsonl"));
    assert_eq!(hosts[0].hostname, "web-1");
    assert_eq!(processes.len(), 1);
    let kinds: Vec<Kind> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, [Kind::Fork, Kind::Exec, Kind::Open, Kind::Open, Kind::Exit]);

    let What::Exec(exec) = &events[1].what else { panic!("{events:?}") };
    assert_eq!(exec.executable.path, Text::from("/bin/cat"));
    assert_eq!(events[1].task.comm, Text::from("cat"));
    let What::Open(failed) = &events[3].what else { panic!("{events:?}") };
    assert_eq!((failed.retval, failed.file.path_state), (-13, PathState::Argument));
    for event in &events {
        let Workload::Container { id, runtime, .. } = &event.task.cgroup.workload else {
            panic!("{event:?}")
        };
        assert_eq!((id.len(), *runtime), (64, Runtime::Docker));
        assert_eq!(event.task.credentials.uid, 33);
    }
    assert_eq!(events[0].what, What::Fork(processes[0].task.process));
}

#[test]
fn the_documentation_shows_the_tested_example() {
    let documentation = include_str!("../../../../docs/captures.md");
    assert!(documentation.contains(include_str!("../../../../docs/example.capture.jsonl").trim_end()));
}

#[test]
fn what_a_person_leaves_out_has_sensible_defaults() {
    let events = events(concat!(
        r#"{"kind":"exec","pid":7,"exec":{"path":"/usr/bin/a-very-long-program-name"}}"#,
        "\n",
        r#"{"kind":"open","pid":7,"open":{"path":"/etc/hosts"}}"#,
        "\n\n# a comment\n",
        r#"{"kind":"exit","pid":7}"#,
    ));
    let [exec, open, exit] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!([exec, open, exit].map(|event| event.boot_ns), [1_000_000_000, 1_001_000_000, 1_002_000_000]);
    assert_eq!(exec.task.process, ProcessKey { start_ns: 1_000_000_000, tgid: 7 });
    assert_eq!((exec.task.tid, exec.task.comm.clone()), (7, Text::from("a-very-long-pro")));
    assert_eq!(open.task, exec.task);
    let What::Open(result) = &open.what else { panic!("{open:?}") };
    assert_eq!((result.retval, result.flags, result.file.mode), (3, 0, 0o100_644));
    assert_ne!(result.file.inode, 0);
    assert_eq!(exit.what, What::Exit(ExitStatus::Exited(0)));
}

#[test]
fn a_child_inherits_from_its_parent_and_a_reused_pid_does_not() {
    let events = events(concat!(
        r#"{"kind":"exec","pid":1,"credentials":{"uid":5},"cgroup":{"path":"/a"},"exec":{"path":"/bin/sh"}}"#,
        "\n",
        r#"{"kind":"fork","pid":2,"ppid":1}"#,
        "\n",
        r#"{"kind":"exit","pid":2}"#,
        "\n",
        r#"{"kind":"exit","pid":1}"#,
        "\n",
        r#"{"kind":"exit","pid":2}"#,
    ));
    let child = &events[1].task;
    assert_eq!((child.comm.clone(), child.credentials.fsgid, child.ppid), (Text::from("sh"), 5, 1));
    assert_eq!(child.cgroup.path, Text::from("/a"));
    assert_eq!(events[2].task, *child);
    assert_eq!(events[4].task.credentials, Credentials::default());
    assert_eq!(*events[4].task.cgroup, Cgroup::default());
}

#[test]
fn the_form_reads_numbers_names_and_bytes() {
    let events = events(concat!(
        r#"{"kind":"open","pid":1,"credentials":{"uid":0,"cap_effective":"0x1ff"},"comm":{"hex":"ff41"},"#,
        r#""open":{"path":"/x","flags":"O_WRONLY|O_CREAT","mode":"644"}}"#,
        "\n",
        r#"{"kind":"open","pid":1,"open":{"path":"/x","flags":577}}"#,
    ));
    assert_eq!(events[0].task.comm, Text::from(&[0xff, 0x41][..]));
    assert_eq!(events[0].task.credentials.cap_permitted, 0x1ff);
    let [What::Open(named), What::Open(number)] = [&events[0].what, &events[1].what] else {
        panic!("{events:?}")
    };
    assert_eq!((named.flags, named.mode, number.flags), (0o101, 0o644, 577));
}

#[test]
fn an_unknown_key_is_an_error_with_its_line_and_name() {
    let error = refused("{\"kind\":\"exit\",\"pid\":1}\n{\"kind\":\"exit\",\"pdi\":1}");
    assert!(error.starts_with("line 3, column ") && error.contains("`pdi`"), "{error}");
    let error = refused(r#"{"kind":"open","pid":1,"open":{"path":"/x","file":{"inod":3}}}"#);
    assert!(error.starts_with("line 2, column ") && error.contains("`inod`"), "{error}");
    assert!(!error.contains("line 1"), "{error}");
}

#[test]
fn lines_that_make_no_sense_say_why() {
    for (line, expected) in [
        (r#"{"kind":"open","pid":1}"#, "a line of kind open needs the key `open`"),
        (r#"{"kind":"exec","pid":1}"#, "a line of kind exec needs the key `exec`"),
        (r#"{"kind":"fork","pid":1}"#, "a line of kind fork needs the key `ppid`"),
        (r#"{"kind":"fork","pid":1,"parent":null}"#, "a line of kind fork needs the key `parent`"),
        (r#"{"kind":"exit","pid":1,"open":{"path":"/"}}"#, "a line of kind exit cannot have the key `open`"),
        (r#"{"kind":"process","pid":1,"time":3}"#, "a line of kind process cannot have the key `time`"),
        (
            r#"{"kind":"exit","pid":1,"exit":{"code":1,"signal":2}}"#,
            "`code` and `signal` cannot stand together",
        ),
        (
            r#"{"kind":"exit","pid":1,"cgroup":{"service":"a","container":{"id":"b"}}}"#,
            "`container` and `service` cannot stand together",
        ),
        (r#"{"kind":"host","capture":2}"#, "`capture` is 2, this program reads version 1"),
        (r#"{"kind":"open","pid":1,"open":{"path":"/","flags":"O_X"}}"#, "unknown open flag \"O_X\""),
        (r#"{"kind":"open","pid":1,"open":{"path":{"hex":"f"}}}"#, "hex needs an even number"),
        (r#"{"kind":"open","pid":1,"open":{"path":"/","mode":"9"}}"#, "\"9\" is not an octal mode"),
        (r#"{"kind":"exit"}"#, "missing field `pid`"),
        (r#"{"kind":"mount","pid":1}"#, "unknown variant `mount`"),
        ("nonsense", "expected ident"),
    ] {
        let error = refused(line);
        assert!(error.starts_with("line 2") && error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn lines_without_a_host_say_what_is_missing() {
    for lines in ["", "# nothing\n\n", "{\"kind\":\"exit\",\"pid\":1}"] {
        let error = from_jsonl(lines.as_bytes(), io::sink()).unwrap_err().to_string();
        assert!(error.contains("the first line must be of kind host"), "{error}");
    }
}

#[test]
fn many_events_are_cut_into_batches_as_a_probe_does_it() {
    let lines: String = (0..3000).map(|_| "{\"kind\":\"exit\",\"pid\":1}\n").collect();
    let lines = format!("{{\"kind\":\"host\",\"capture\":1}}\n{lines}");
    let mut sizes = Vec::new();
    for item in JsonLines::new(lines.as_bytes()) {
        if let Item::Batch(message) = item.unwrap() {
            sizes.push((message.seq, batch::kinds(&message).total()));
        }
    }
    assert_eq!(sizes, [(1, 1024), (2, 1024), (3, 952)]);
}

#[test]
fn a_damaged_batch_is_named_and_what_was_before_it_is_written() {
    let mut writer = Writer::new(Vec::new(), &status::hello(&Host::default(), "1")).unwrap();
    let mut damaged = batch::encode(5, &[], &events(r#"{"kind":"exit","pid":1}"#));
    damaged.tasks = None;
    writer.write_batch(damaged).unwrap();
    let capture = writer.finish().unwrap();
    let mut lines = Vec::new();
    let error = to_jsonl(Reader::new(capture.as_slice()).unwrap(), &mut lines).unwrap_err().to_string();
    assert!(
        error.starts_with("batch 5 of the capture is damaged: column events.task refers to row 0"),
        "{error}"
    );
    assert!(String::from_utf8(lines).unwrap().starts_with("{\"kind\":\"host\""));
}
