//! Paths as records carry them: leaf first, because that is the order in which the kernel side finds the names.

/// Writes the path whose names are `leaf_first`, and then `argument`, into `out`.
///
/// A rooted path begins with `/`; one that has lost its parents or never had a root does not. An argument may begin with a
/// `/`, too: then the path is that of the process's root.
pub fn join(out: &mut Vec<u8>, leaf_first: &[u8], argument: &[u8], is_rooted: bool) {
    out.clear();
    let names = leaf_first.strip_suffix(b"/").unwrap_or(leaf_first);
    if is_rooted {
        out.push(b'/');
    }
    if !names.is_empty() {
        for name in names.rsplit(|byte| *byte == b'/') {
            out.extend_from_slice(name);
            out.push(b'/');
        }
        out.pop();
    }
    if !argument.is_empty() {
        if out.ends_with(b"/") && argument.first() == Some(&b'/') {
            out.pop();
        } else if !out.is_empty() && !out.ends_with(b"/") && argument.first() != Some(&b'/') {
            out.push(b'/');
        }
        out.extend_from_slice(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(leaf_first: &str, argument: &str, is_rooted: bool, expect: &str) {
        let mut out = b"left over".to_vec();
        join(&mut out, leaf_first.as_bytes(), argument.as_bytes(), is_rooted);
        assert_eq!(String::from_utf8_lossy(&out), expect);
    }

    #[test]
    fn names_come_out_in_reading_order() {
        check("env/bin/usr/", "", true, "/usr/bin/env");
        check("", "", true, "/");
        check("memfd:x/", "", false, "memfd:x");
        check("", "", false, "");
    }

    #[test]
    fn an_argument_continues_the_directory_or_the_root_of_the_process() {
        check("work/srv/", "missing", true, "/srv/work/missing");
        check("", "missing", true, "/missing");
        check("jail/srv/", "/etc/passwd", true, "/srv/jail/etc/passwd");
        check("", "/etc/passwd", true, "/etc/passwd");
        check("jail/", "/etc/passwd", false, "jail/etc/passwd");
        check("", "//etc", true, "//etc");
    }
}
