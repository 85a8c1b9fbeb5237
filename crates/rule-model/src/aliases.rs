//! Old names of fields, which policies still use.

use crate::fields::Os;

/// Events and process groups whose file was named directly.
const WITH_FILE: [&str; 12] = [
    "chmod",
    "chown",
    "open",
    "mkdir",
    "rmdir",
    "unlink",
    "utimes",
    "setxattr",
    "removexattr",
    "exec",
    "process",
    "process.ancestors",
];

/// What the start of a name became, when something follows it.
const PREFIXES: [(&str, &str); 4] = [
    ("rename.old", "rename.file"),
    ("rename.new", "rename.file.destination"),
    ("link.source", "link.file"),
    ("link.target", "link.file.destination"),
];

/// What a whole name became.
const NAMES: [(&str, &str); 14] = [
    ("chmod.mode", "chmod.file.destination.mode"),
    ("open.mode", "open.file.destination.mode"),
    ("mkdir.mode", "mkdir.file.destination.mode"),
    ("chown.uid", "chown.file.destination.uid"),
    ("chown.gid", "chown.file.destination.gid"),
    ("chown.user", "chown.file.destination.user"),
    ("chown.group", "chown.file.destination.group"),
    ("setxattr.name", "setxattr.file.destination.name"),
    ("setxattr.namespace", "setxattr.file.destination.namespace"),
    ("removexattr.name", "removexattr.file.destination.name"),
    ("removexattr.namespace", "removexattr.file.destination.namespace"),
    ("exec.name", "exec.comm"),
    ("process.name", "process.comm"),
    ("process.ancestors.name", "process.ancestors.comm"),
];

/// The present name of an old one.
pub(crate) fn resolve(name: &str, os: Os) -> Option<String> {
    if os != Os::Linux {
        return None;
    }
    if let Some((_, present)) = NAMES.iter().find(|(old, _)| *old == name) {
        return Some((*present).to_owned());
    }
    for (old, present) in PREFIXES {
        if let Some(rest) = name.strip_prefix(old).and_then(|rest| rest.strip_prefix('.')) {
            return Some(format!("{present}.{}", of_file(rest)));
        }
    }
    let (group, last) = name.rsplit_once('.')?;
    WITH_FILE.contains(&group).then(|| format!("{group}.file.{}", of_file(last))).filter(|_| is_old(last))
}

fn is_old(last: &str) -> bool {
    ["filename", "basename"].contains(&last)
}

fn of_file(last: &str) -> &str {
    match last {
        "filename" => "path",
        "basename" => "name",
        other => other,
    }
}
