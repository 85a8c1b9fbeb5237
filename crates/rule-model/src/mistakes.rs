//! What is said of the mistakes that people make.
//!
//! The golden has each rule with its remarks. After a change on purpose, `UPDATE_GOLDEN=1 cargo test -p rule-model` writes it
//! again; read what it says.

use std::path::Path;

use secl::{Binding, Macros, check_rule};

use crate::{Fields, Os};

const MISTAKES: [&str; 86] = [
    "opne.file.path == \"/etc/shadow\"",
    "open.file.pth == \"/etc/shadow\"",
    "open.file == \"/etc/shadow\"",
    "open.path == \"/etc/shadow\"",
    "open.file.path = \"/etc/shadow\"",
    "open.file.path == '/etc/shadow'",
    "open.file.path == /etc/shadow",
    "open.file.path == \"/etc/shadow",
    "open.file.path == \"etc/shadow\"",
    "open.file.path == \"/etc/../shadow\"",
    "open.file.path =~ \"/etc/shadow\"",
    "open.file.path =~ \"/etc/**/shadow\"",
    "open.file.path == \"~/etc/*\"",
    "open.file.path == r\"^/etc/.*\"",
    "open.file.path in \"/etc/shadow\"",
    "open.file.path in [ ]",
    "open.file.path contains \"shadow\"",
    "open.file.name in [ \"a\", 1 ]",
    "open.file.name == \"a\" || \"b\"",
    "open.file.name =~ \"pre-${process.pid}\"",
    "open.flags & O_CRAET > 0",
    "open.flags == \"O_CREAT\"",
    "open.flags & O_CREAT",
    "open.flags & 0x40 > 0",
    "open.flags & O_CREAT == O_EXCL",
    "open.retval == \"EACCES\"",
    "open.file.path == \"/a\" && exec.file.path == \"/b\"",
    "process.uid == 0",
    "exec.file.path == \"/a\" and (exec.uid == 0",
    "exec.file.path == \"/a\" AND exec.uid == 0",
    "exec.uid == 0 && exec.gid == 0 || exec.euid == 0",
    "exec.uid -1 == 0",
    "exec.created_at > 1h30m",
    "process.ancestors[_].file.name == \"sh\" && exec.uid == 0",
    "process.ancestors[A].file.name == \"sh\" && process.ancestors[B].uid == 0 && exec.gid == 0",
    "container.id == ${container.id} && exec.uid == 0",
    "open.file.path == \"/etc/*\"",
    "open.file.name.startswith(\"a\")",
    "open.file.path in (\"/a\", \"/b\")",
    "open.file.path == \"/a\" || == \"/b\"",
    "open.file.path == “/etc/shadow”",
    "open.file.path <> \"/a\"",
    "open.flags & (O_CREAT, O_TRUNC) > 0",
    "open.file.mode & 0o644 > 0",
    "exec.user == root",
    "exec.uid == \"root\"",
    "exec.created_at < \"5s\"",
    "exec.created_at < 5",
    "!exec.file.path == \"/a\"",
    "connect.addr.ip in \"10.0.0.0/8\"",
    "connect.addr.ip == 10.0.0.300",
    "open.retval == -EACCES",
    "process.ancestors[A] == 1 && exec.uid == 0",
    "open.file.path == \"C:\\Windows\\x\"",
    "if open.file.path == \"/x\"",
    "rule x { open.file.path == \"/x\" }",
    "open.file.path == \"/x\" then open.flags > 0",
    "open.flags && O_CREAT",
    "open.flags & O_CREAT && O_TRUNC",
    "flags & O_CREAT > 0",
    "open.file.uid << 2 == 4",
    "open.file.path in [ \"/a\" \"/b\" ]",
    "open.file.path in [ \"/a\" || \"/b\" ]",
    "open.file.path !in [ \"/a\" ]",
    "open.file.path != in [ \"/a\" ]",
    "in [ \"/a\" ]",
    "open.file.path == \"/a\")",
    "|| open.file.path == \"/a\"",
    "open.file.uid in [ 1 ] == true",
    "0 < open.file.uid < 5",
    "open.file.uid between 0 and 5",
    "open.file.uid in 0",
    "open.file.uid == 1_000",
    "open.file.name exists",
    "exec.created_at < 2d",
    "exec.created_at < 1.5s",
    "exec.created_at < 5 seconds",
    "exec.created_at in [ 5s ]",
    "open.file.path == $path",
    "open.file.mode == \"0644\"",
    "connect.addr.ip in [ \"10.0.0.1\" ]",
    "connect.addr.ip =~ \"10.*\"",
    "signal.type == KILL",
    "/* a comment */ open.file.path == \"/a\"",
    "open.file.path in { \"/a\", \"/b\" }",
    "open.file.uid in [ \"root\" ]",
];

fn shown() -> String {
    let fields = Fields::new(Os::Linux);
    let mut shown = String::new();
    for text in MISTAKES {
        let (remarks, is_accepted) =
            match check_rule(text, &fields, &Macros::default(), Binding::OneEventType) {
                Ok(rule) => (rule.warnings().to_vec(), true),
                Err(errors) => (errors, false),
            };
        assert!(!remarks.is_empty(), "nothing is said of {text}");
        assert!(remarks.iter().any(|remark| remark.help.is_some()), "{text}: nobody says what to write");
        let verdict = if is_accepted { "accepted" } else { "refused" };
        let remarks: String = remarks.iter().map(|remark| remark.render(text)).collect();
        shown.push_str(&format!("{verdict}: {text}\n{remarks}\n"));
    }
    shown
}

#[test]
fn every_typical_mistake_is_told_what_to_write_instead() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mistakes.golden");
    let shown = shown();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &shown).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (shown, golden) in shown.split("\n\n").zip(golden.split("\n\n")) {
        assert_eq!(shown, golden, "see the header of this file");
    }
    assert_eq!(shown.len(), golden.len());
}
