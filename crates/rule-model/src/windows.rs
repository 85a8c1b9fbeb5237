//! The fields of Windows, so that its rules can be checked.

use secl::matcher::{Matcher, MatcherError, TextLiteral, for_kind};
use secl::model::{EventSet, Refusal, TextKind};

use crate::fields::{Builder, Place};
use crate::row::Shape::{Caseless, CaselessPath, CaselessTexts, Int, Text, Texts, Time};
use crate::row::{OfEvent, Read, Row, unfilled};

pub(crate) const EVENTS: [&str; 11] = [
    "exec",
    "exit",
    "create",
    "write",
    "delete",
    "rename",
    "create_key",
    "open_key",
    "delete_key",
    "set_key_value",
    "change_permission",
];

const FILE: [Row<OfEvent>; 4] = [
    unfilled("path", CaselessPath, "path of the file", "=~ \"C:\\Windows\\*\""),
    unfilled("name", Caseless, "last part of the path", "== \"cmd.exe\""),
    unfilled("extension", Caseless, "what follows the last dot, with the dot", "== \".exe\""),
    unfilled("device_path", CaselessPath, "path with the name of the device", "=~ \"\\Device\\*\""),
];

const PROCESS: [Row<OfEvent>; 9] = [
    unfilled("cmdline", Caseless, "command line", "=~ \"*-enc*\""),
    unfilled("pid", Int, "process id", "== 4"),
    unfilled("ppid", Int, "process id of the parent", "== 4"),
    unfilled("user", Text, "name of the user", "== \"SYSTEM\""),
    unfilled("user_sid", Text, "security id of the user", "== \"S-1-5-18\""),
    unfilled("created_at", Time, "when it started", "< 5s"),
    unfilled("envp", CaselessTexts, "environment variables, `NAME=value`", "in [ ~\"PATH=*\" ]"),
    unfilled("envs", CaselessTexts, "names of environment variables", "in [ \"PATH\" ]"),
    unfilled("container.id", Text, "id of the container", "!= \"\""),
];

const KEY: [Row<OfEvent>; 2] = [
    unfilled("key_path", Caseless, "path of the key", "=~ \"*\\CurrentVersion\\Run\""),
    unfilled("key_name", Caseless, "last part of the path", "== \"Run\""),
];

const VALUE_NAME: [Row<OfEvent>; 2] = [
    unfilled("registry.value_name", Caseless, "name of the value", "!= \"\""),
    unfilled("value_name", Caseless, "name of the value", "!= \"\""),
];

const PERMISSION: [Row<OfEvent>; 6] = [
    unfilled("path", CaselessPath, "what it is about", "=~ \"C:\\*\""),
    unfilled("type", Text, "what kind of object that is", "== \"file\""),
    unfilled("old_sd", Text, "security descriptor before", "!= \"\""),
    unfilled("new_sd", Text, "security descriptor after", "!= \"\""),
    unfilled("username", Text, "who did it", "!= \"\""),
    unfilled("user_domain", Text, "domain of that user", "!= \"\""),
];

const EXIT: [Row<OfEvent>; 2] = [
    unfilled("cause", Int, "EXITED, SIGNALED or COREDUMPED", "== EXITED"),
    unfilled("code", Int, "exit code", "!= 0"),
];

const COMMON: [Row<OfEvent>; 8] = [
    unfilled("event.hostname", Text, "name of the host", "!= \"\""),
    unfilled("event.origin", Text, "where the event comes from", "!= \"\""),
    unfilled("event.os", Text, "operating system", "== \"windows\""),
    unfilled("event.service", Text, "the service the event belongs to", "!= \"\""),
    unfilled("event.timestamp", Time, "when it happened", "> 0"),
    unfilled("container.id", Text, "id of the container", "!= \"\""),
    unfilled("container.created_at", Time, "when the container was created", "> 90s"),
    unfilled("container.tags", Texts, "tags of the container", "in [ \"image_name:web\" ]"),
];

/// Nothing of Windows is read yet.
fn nothing(_: OfEvent) -> Read {
    Read::Nothing
}

/// All fields of Windows.
pub(crate) fn fields(to: &mut Builder) {
    let mut add = |prefix: &str, event: Option<&str>, rows: &[Row<OfEvent>]| {
        let events = event.map_or(EventSet::ALL, |event| to.events(&[event]));
        to.rows("", prefix, Place { events, iterator: None }, rows, nothing);
    };
    add("", None, &COMMON);
    for (prefix, event) in
        [("process.", None), ("process.parent.", None), ("exec.", Some("exec")), ("exit.", Some("exit"))]
    {
        add(prefix, event, &PROCESS);
        add(&format!("{prefix}file."), event, &FILE[..3]);
    }
    add("exit.", Some("exit"), &EXIT);
    for (prefix, event) in [
        ("create.file.", "create"),
        ("write.file.", "write"),
        ("delete.file.", "delete"),
        ("rename.file.", "rename"),
        ("rename.file.destination.", "rename"),
    ] {
        add(prefix, Some(event), &FILE);
    }
    for (prefix, event) in [
        ("create_key.registry.", "create_key"),
        ("create.registry.", "create_key"),
        ("open_key.registry.", "open_key"),
        ("open.registry.", "open_key"),
        ("delete_key.registry.", "delete_key"),
        ("delete.registry.", "delete_key"),
        ("set_key_value.registry.", "set_key_value"),
    ] {
        add(prefix, Some(event), &KEY);
    }
    add("set_key_value.", Some("set_key_value"), &VALUE_NAME);
    add("change_permission.", Some("change_permission"), &PERMISSION);
}

/// Paths are compared without case, and both separators mean the same.
pub(crate) fn path_matcher(literal: &TextLiteral) -> Result<Vec<Matcher>, Refusal> {
    let text = literal.text.replace('/', "\\");
    let literal = TextLiteral { kind: literal.kind, text };
    match for_kind(TextKind::Insensitive, &literal) {
        Ok(matcher) => Ok(vec![matcher]),
        Err(MatcherError::DoubleStar) => Err(Refusal::new(
            "`**` means nothing in a path of Windows",
            "one `*` stands for anything here, `\\` too",
        )),
        Err(error) => Err(error.into()),
    }
}
