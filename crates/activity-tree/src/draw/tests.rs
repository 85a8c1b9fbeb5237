//! Names that would be more than text, and graphs that stay the same.

use super::*;
use crate::model::{FileInfo, Process};
use crate::tests::made::{insert, lineage, open, process, with};
use crate::{Activity, Options, What};

const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"];evil [label=\"x",
    "&lt;b&gt;<B>x</B>\u{0}\u{1b}[31m\n\u{202e}gpj",
    "{{x}} ${y} \\l \\N",
    "<!--",
];

fn hostile_dump() -> Dump {
    let mut dump = Dump::new(Options::default());
    dump.metadata.name = HOSTILE[0].to_owned();
    dump.tags = HOSTILE.map(str::to_owned).to_vec();
    for name in HOSTILE {
        let name = name.replace('/', "_");
        let path = format!("/{name}");
        let file =
            FileInfo { path: path.clone().into(), basename: name.clone().into(), ..FileInfo::default() };
        let process = Process { file, argv0: name.clone(), args: vec![name.clone()], ..process("x") };
        with("a", open(&path), |activity| {
            dump.tree.insert(&Activity { lineage: &[&process], ..activity.clone() }).unwrap();
        });
        insert(
            &mut dump.tree,
            "a",
            What::Dns(crate::Question { name: name.into(), qtype: 1, ..crate::Question::default() }),
        );
    }
    dump
}

#[test]
fn names_are_never_more_than_text() {
    let dump = hostile_dump();
    let html = dump.to_html(&|_| None);
    assert_eq!(html.matches("<script").count(), 2, "its own two");
    assert!(!html.contains("<img") && !html.contains("<!--"));
    assert!(!html.contains('\u{0}') && !html.contains('\u{1b}') && !html.contains('\u{202e}'));
    let data = html.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let names: Vec<&str> =
        data["nodes"].as_array().unwrap().iter().map(|node| node["t"].as_str().unwrap()).collect();
    assert!(names.contains(&"<img src=x onerror=alert(1)>"), "told as it is, by text nodes");
    let dot = dump.to_dot(&|_| None);
    assert!(
        !dot.contains("\"];evil")
            && !dot.contains("<script")
            && !dot.contains("<img")
            && !dot.contains('\u{1b}')
    );
    assert!(dot.contains("&lt;img src=x onerror=alert(1)&gt;"));
}

#[test]
fn a_graph_has_a_card_for_each_process_and_an_arrow_for_each_fork_and_exec() {
    let mut dump = Dump::new(Options::default());
    insert(&mut dump.tree, "bash -> webserver => ls", open("/usr/lib/x/libc.so"));
    insert(&mut dump.tree, "bash -> webserver => ls", What::Syscalls(&[59, 1]));
    insert(&mut dump.tree, "bash -> webserver => ls", What::Capability(21, false));
    let dot = dump.to_dot(&|number| (number == 59).then_some("execve"));
    for expect in [
        "p0 -> p1;",
        "p1 -> p2 [style=dashed label=\"exec\"];",
        "<B>webserver</B>",
        "/usr/lib/x/libc.so<BR",
        "1  execve<BR",
        "SYS_ADMIN (denied)<BR",
    ] {
        assert!(dot.contains(expect), "{expect} is not in {dot}");
    }
    assert_eq!(dot.matches("<TABLE").count(), 3);
    assert_eq!(dump.to_dot(&|number| (number == 59).then_some("execve")), dot);
}

#[test]
fn a_card_shows_directories_once_and_counts_what_it_leaves_out() {
    let mut dump = Dump::new(Options::default());
    for n in 0..50 {
        insert(&mut dump.tree, "a", open(&format!("/var/log/{n:02}")));
    }
    let dot = dump.to_dot(&|_| None);
    assert!(dot.contains("/var/log/<BR"));
    assert!(dot.contains("&#160;&#160;28<BR") && !dot.contains("&#160;&#160;29<BR"));
    assert!(dot.contains("… and 21 more"));
}

#[test]
fn what_was_recorded_is_told_in_a_line() {
    let mut dump = Dump::new(Options::default());
    assert_eq!(dump.text_selector(), "empty_selector");
    dump.metadata.container_id = "c1".to_owned();
    dump.tags = vec!["image_name:x".to_owned(), "container_id:c1".to_owned()];
    assert_eq!(dump.text_selector(), "container_id:c1,image_name:x");
    let text = cut("äöü", 2);
    assert_eq!((&*text, &*cut("äöü", 3)), ("ä…", "äöü"));
    assert_eq!(visible("a\tb\u{7f}\u{85}\u{ffff}"), "a␉b␡\u{fffd}\u{fffd}");
    assert_eq!([1, 28, 65, 4000].map(question_type), ["A", "AAAA", "HTTPS", "TYPE4000"]);
    assert_eq!([0, 6, 17, 99].map(protocol), ["", "tcp", "udp", "protocol 99"]);
    assert_eq!([address("::", 1), address("1.2.3.4", 1)], ["[::]:1", "1.2.3.4:1"]);
    assert_eq!([21, 40, 41].map(capability), ["SYS_ADMIN", "CHECKPOINT_RESTORE", "41"]);
    assert_eq!(lineage("a -> b").len(), 2);
}

#[test]
fn the_page_has_everything_that_was_done() {
    let mut dump = Dump::new(Options::default());
    let imds =
        crate::Imds { kind: "request".to_owned(), url: "/latest".to_owned(), ..crate::Imds::default() };
    let bind = crate::Bind { family: "AF_INET".into(), ip: "0.0.0.0".into(), port: 80, protocol: 6 };
    let flow = crate::Flow {
        source: ("10.0.0.1".into(), 5),
        destination: ("10.0.0.2".into(), 443),
        ..crate::Flow::default()
    };
    let rule = crate::MatchedRule { rule_id: "rule-x".to_owned(), ..crate::MatchedRule::default() };
    for what in [
        open("/etc/passwd"),
        What::Imds(&imds),
        What::Bind(bind, 0),
        What::Syscalls(&[59]),
        What::Capability(21, true),
        What::Flows(crate::Device::default(), std::slice::from_ref(&flow)),
        What::Dns(crate::Question { name: "x.org".into(), qtype: 28, ..crate::Question::default() }),
    ] {
        with("bash -> a => b", what, |activity| {
            dump.tree.insert(&Activity { rules: std::slice::from_ref(&rule), ..activity.clone() }).unwrap();
        });
    }
    for drawn in [dump.to_html(&|_| Some("execve")), dump.to_dot(&|_| Some("execve"))] {
        for expect in [
            "passwd",
            "/latest",
            "0.0.0.0:80",
            "execve",
            "SYS_ADMIN",
            "10.0.0.1:5 → 10.0.0.2:443",
            "x.org",
            "AAAA",
        ] {
            assert!(drawn.contains(expect), "{expect}");
        }
    }
    let html = dump.to_html(&|_| None);
    assert!(html.contains("v1 @10 @10") && html.contains("\"runtime\""));
}

#[test]
fn an_outline_has_every_behaviour_on_a_line_below_its_process() {
    let mut dump = Dump::new(Options::default());
    let [shell, cat] = ["/bin/sh", "/bin/cat"].map(|path| {
        let file = FileInfo { path: path.into(), ..FileInfo::default() };
        Process { file, args: vec!["x".to_owned()], ..process("x") }
    });
    let cat = Process { is_exec: false, ..cat };
    let bind = crate::Bind { family: "AF_INET".into(), ip: "0.0.0.0".into(), port: 80, protocol: 6 };
    let what = [open("/etc/passwd"), open("/etc"), What::Bind(bind, 0)];
    for what in what {
        with("a", what, |activity| {
            dump.tree.insert(&Activity { lineage: &[&shell, &cat], ..activity.clone() }).unwrap();
        });
    }
    let lines = dump.tree.outline(&|_| None);
    let shown: Vec<_> =
        lines.iter().map(|line| (line.depth, line.kind, line.text.as_str(), line.more.as_str())).collect();
    let expected = [
        (0, LineKind::Process, "/bin/sh", "x"),
        (1, LineKind::Process, "/bin/cat", "x"),
        (2, LineKind::File, "/etc", "r"),
        (2, LineKind::File, "/etc/passwd", "r"),
        (2, LineKind::Socket, "0.0.0.0:80", "tcp"),
    ];
    assert_eq!(shown, expected);
}
