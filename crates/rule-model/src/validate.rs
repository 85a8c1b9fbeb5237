//! Constants that make no sense for a field.
//!
//! Invariant: what is refused could never match, or would mean something else than its author thinks.

use secl::matcher::{LiteralKind, TextLiteral};
use secl::model::Refusal;

/// The most parts a path has.
const MAX_SEGMENTS: usize = 1350;

/// The longest part of a path, in bytes.
const MAX_SEGMENT_BYTES: usize = 255;

/// The longest name of a BPF map or program, in bytes.
const MAX_BPF_NAME_BYTES: usize = 16;

/// Ids that are never negative. Those of `chown` mean "unchanged" when they are -1.
pub(crate) fn number(name: &str, value: i64) -> Result<(), Refusal> {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_id = ["uid", "gid", "euid", "egid", "fsuid", "fsgid", "auid", "pid", "tid", "ppid", "inode"]
        .contains(&last);
    if !is_id || value >= 0 || name.starts_with("chown.") {
        return Ok(());
    }
    let unset = if last == "auid" { ", or `AUDIT_AUID_UNSET` for none" } else { "" };
    Err(Refusal::new(format!("`{name}` is never negative"), format!("write a positive number{unset}")))
}

pub(crate) fn text(name: &str, literal: &TextLiteral) -> Result<(), Refusal> {
    let is_bpf_name = ["bpf.map.name", "bpf.prog.name"].contains(&name);
    if is_bpf_name && literal.kind == LiteralKind::Exact && literal.text.len() > MAX_BPF_NAME_BYTES {
        return Err(Refusal::new(
            format!("`{name}` has at most {MAX_BPF_NAME_BYTES} bytes"),
            format!("write the first {MAX_BPF_NAME_BYTES} of them"),
        ));
    }
    Ok(())
}

/// A path or a pattern over paths must be one that some path can be.
pub(crate) fn path(name: &str, literal: &TextLiteral) -> Result<(), Refusal> {
    let text = literal.text.as_str();
    if literal.kind == LiteralKind::Regexp {
        let message = format!("`{name}` is a path, and paths are not compared with regexps");
        return Err(Refusal::new(message, "write a pattern such as ~\"/etc/*/x*\""));
    }
    if text.is_empty() {
        return Ok(());
    }
    if text.starts_with('~') {
        let pattern = text.trim_start_matches('~');
        let help = format!("for a pattern, the tilde stands before the quote: ~\"{pattern}\"");
        return Err(Refusal::new("a path starts with `/`", help));
    }
    if text == "*" {
        return Err(Refusal::new(
            "`*` alone is no path",
            "write ~\"/**\" for every path, or leave the condition out",
        ));
    }
    if !text.starts_with('/') && !text.starts_with('*') {
        let message = "a path starts with `/`, or with `*`: this can never match";
        let is_of_windows = text.contains(":\\");
        let help = if is_of_windows {
            "for rules about Windows: --os windows".to_owned()
        } else {
            format!("write \"/{text}\"")
        };
        return Err(Refusal::new(message, help));
    }
    let clean = clean(text);
    if clean != text {
        let message = "no path is written like this: it can never match";
        return Err(Refusal::new(message, format!("write \"{clean}\"")));
    }
    let is_long = |segment: &str| segment.len() > MAX_SEGMENT_BYTES;
    if text.split('/').count() > MAX_SEGMENTS || text.split('/').any(is_long) {
        let help = format!("a path has at most {MAX_SEGMENTS} parts of {MAX_SEGMENT_BYTES} bytes each");
        return Err(Refusal::new("no path is that long: it can never match", help));
    }
    Ok(())
}

/// Without empty parts, `.` and `..`.
fn clean(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("{}{}", if text.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: LiteralKind, text: &str) -> Option<Refusal> {
        path("open.file.path", &TextLiteral { kind, text: text.to_owned() }).err()
    }

    #[test]
    fn a_path_that_can_never_match_is_refused_with_what_to_write() {
        use LiteralKind::{Exact, Pattern, Regexp};
        for (kind, text, expected) in [
            (Exact, "etc/passwd", "write \"/etc/passwd\""),
            (Exact, "C:\\Windows", "--os windows"),
            (Exact, "/etc//passwd", "write \"/etc/passwd\""),
            (Exact, "/etc/../passwd", "write \"/passwd\""),
            (Exact, "/etc/./passwd", "write \"/etc/passwd\""),
            (Exact, "/etc/", "write \"/etc\""),
            (Exact, "~/x", "the tilde stands before the quote"),
            (Pattern, "*", "write ~\"/**\""),
            (Regexp, "^/etc", "not compared with regexps"),
        ] {
            let Refusal { message, help } = refusal(kind, text).unwrap();
            assert!(format!("{message}; {help}").contains(expected), "{text}: {message}; {help}");
        }
        assert!(refusal(Exact, &format!("/{}", "x".repeat(256))).is_some());
        assert!(refusal(Exact, &"/x".repeat(1350)).is_some());
        for text in ["", "/", "/etc/passwd", "*/bin/*", "/etc/**", "*"] {
            assert_eq!(refusal(Pattern, text).is_some(), text == "*", "{text}");
        }
        assert!(refusal(Exact, &"/x".repeat(1349)).is_none());
    }

    #[test]
    fn ids_are_never_negative_but_where_minus_one_means_unchanged() {
        assert!(number("process.uid", -1).is_err());
        assert!(number("process.auid", -1).unwrap_err().help.contains("AUDIT_AUID_UNSET"));
        assert!(number("chown.file.destination.uid", -1).is_ok());
        assert!(number("open.retval", -13).is_ok());
    }

    #[test]
    fn names_of_bpf_objects_are_short() {
        let literal = |text: &str| TextLiteral { kind: LiteralKind::Exact, text: text.to_owned() };
        assert!(text("bpf.map.name", &literal(&"x".repeat(17))).is_err());
        assert!(text("bpf.map.name", &literal(&"x".repeat(16))).is_ok());
    }
}
