//! Paths without what differs from run to run: process ids, container ids, numbers of devices (spec 2.7).
//!
//! Rules in a fixed order; each replaces every match of it. What is replaced matches no rule again.

use std::borrow::Cow;

/// A path without its accidental parts. `pid` is the process that opens it, `filesystem` the type of the file system,
/// if it is known; then rules for `sysfs` hold only there.
#[must_use]
pub fn reduce<'a>(path: &'a str, pid: u32, filesystem: Option<&str>) -> Cow<'a, str> {
    let is_sysfs = filesystem.is_none_or(|filesystem| filesystem == "sysfs");
    let mut path = Cow::Borrowed(path);
    // Every rule replaces digits, but for ids of containers of letters alone, which are rarer than a lottery win.
    if !path.bytes().any(|byte| byte.is_ascii_digit())
        && !path.contains("kubepods-")
        && !path.contains("cri-")
    {
        return path;
    }
    for directory in ["/proc/", "/task/"] {
        replace(&mut path, |rest| {
            let (at, id) = number_after(rest, directory)?;
            rest.get(at + id.len()..)?.starts_with('/').then_some(())?;
            let is_self = directory == "/proc/" && id.parse() == Ok(pid);
            Some((at, id.len(), if is_self { "self" } else { "*" }))
        });
    }
    if is_sysfs {
        for unit in ["kubepods-", "cri-containerd-"] {
            replace(&mut path, |rest| {
                let at = rest.find(unit)? + unit.len();
                let segment = rest.get(at..)?.split('/').next()?;
                let end = [".slice", ".scope"].iter().filter_map(|ending| segment.rfind(ending)).max();
                Some((at, end?, "*"))
            });
        }
    }
    replace(&mut path, |rest| {
        (0..rest.len()).find_map(|at| Some((at, container_id(rest.as_bytes().get(at..)?)?, "*")))
    });
    if is_sysfs {
        for device in ["/sys/devices/virtual/block/dm-", "/sys/devices/virtual/block/loop"] {
            replace(&mut path, |rest| number_after(rest, device).map(|(at, number)| (at, number.len(), "*")));
        }
    }
    replace(&mut path, |rest| {
        let directory = "secrets/kubernetes.io/serviceaccount/";
        let at = rest.find(directory)? + directory.len();
        let is_stamp = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
        let stamp = rest.get(at..)?.chars().take_while(|c| is_stamp(*c)).count();
        (stamp > 0).then_some((at, stamp, "*"))
    });
    path
}

/// Replaces every match: `find` gives where the first in a text begins, its length, and what comes in its place.
fn replace(path: &mut Cow<'_, str>, find: impl Fn(&str) -> Option<(usize, usize, &'static str)>) {
    let mut from = 0;
    while let Some((at, len, by)) = path.get(from..).and_then(&find) {
        let start = from + at;
        path.to_mut().replace_range(start..start + len, by);
        from = start + by.len();
    }
}

/// The first decimal number that follows a directory, with where it begins.
fn number_after<'a>(text: &'a str, directory: &str) -> Option<(usize, &'a str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(directory)? + directory.len();
        let rest = text.get(at..)?;
        let number = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let is_whole = directory.starts_with("/sys") || rest.get(number.len()..)?.starts_with('/');
        if !number.is_empty() && is_whole {
            return Some((at, number));
        }
        // The slash at the end may be the one at the beginning of the next.
        from = at - 1;
    }
}

/// The length of the id of a container at the beginning: 64 hexadecimal digits; 32 and ten decimal ones (ECS); 8 and
/// four times 4 (Garden).
fn container_id(text: &[u8]) -> Option<usize> {
    let hex = |at: usize, len: usize| {
        text.get(at..at + len).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if hex(0, 64) {
        return Some(64);
    }
    let is_dash = |at: usize| text.get(at) == Some(&b'-');
    let is_decimal = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    if hex(0, 32) && is_dash(32) && (33..43).all(is_decimal) {
        return Some(43);
    }
    (hex(0, 8) && (0..4).all(|n| is_dash(8 + 5 * n) && hex(9 + 5 * n, 4))).then_some(28)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

    #[test]
    fn accidental_parts_of_a_path_are_replaced() {
        let check = |path: &str, pid, filesystem, expect: &str| {
            let reduced = reduce(path, pid, filesystem);
            assert_eq!(reduced, expect, "{path}");
            assert_eq!(reduce(&reduced, pid, filesystem), expect, "again");
        };
        check("/host/proc/2144/smaps", 2144, None, "/host/proc/self/smaps");
        check("/proc/2144/status", 2, None, "/proc/*/status");
        check("/proc/2144", 2, None, "/proc/2144");
        check("/proc/1/proc/2/x", 2, None, "/proc/*/proc/self/x");
        check("/proc/self/exe", 1, None, "/proc/self/exe");
        check("/proc/1a/2/x", 1, None, "/proc/1a/2/x");
        check("/proc/99999999999999999999/x", 1, None, "/proc/*/x");
        check("/host/proc/2144/task/2144/smaps", 2144, None, "/host/proc/self/task/*/smaps");
        check("/proc/1/task/2/task/3/x", 9, Some("proc"), "/proc/*/task/*/task/*/x");
        let pod = "/sys/fs/cgroup/kubepods.slice/kubepods-burstable-pod1.slice/";
        let cut = "/sys/fs/cgroup/kubepods.slice/kubepods-*.slice/";
        check(
            &format!("{pod}cri-containerd-{ID}.scope/cgroup.procs"),
            1,
            Some("sysfs"),
            &format!("{cut}cri-containerd-*.scope/cgroup.procs"),
        );
        check("/x/kubepods-a.slice", 1, Some("ext4"), "/x/kubepods-a.slice");
        check("/x/kubepods-a.slice.scope/y", 1, None, "/x/kubepods-*.scope/y");
        check(
            &format!("/var/run/docker/overlay2/{ID}/merged/etc/passwd"),
            1,
            None,
            "/var/run/docker/overlay2/*/merged/etc/passwd",
        );
        check("/x/0123456789abcdef0123456789abcdef-0123456789/y", 1, None, "/x/*/y");
        check(
            "/x/0123456789abcdef0123456789abcdef-012345678/y",
            1,
            None,
            "/x/0123456789abcdef0123456789abcdef-012345678/y",
        );
        check("/x/01234567-0123-0123-0123-0123/y", 1, None, "/x/*/y");
        check("/x/01234567-0123-0123-0123-012/y", 1, None, "/x/01234567-0123-0123-0123-012/y");
        check(
            "/sys/devices/virtual/block/dm-0/size",
            1,
            Some("sysfs"),
            "/sys/devices/virtual/block/dm-*/size",
        );
        check("/sys/devices/virtual/block/dm-0", 1, None, "/sys/devices/virtual/block/dm-*");
        check("/sys/devices/virtual/block/loop1234", 1, Some("sysfs"), "/sys/devices/virtual/block/loop*");
        check("/sys/devices/virtual/block/dm-0", 1, Some("ext4"), "/sys/devices/virtual/block/dm-0");
        let secrets = "/run/secrets/kubernetes.io/serviceaccount/";
        check(
            &format!("{secrets}..2023_05_25_09_34_13.734441344/token"),
            1,
            None,
            &format!("{secrets}*/token"),
        );
        check(&format!("{secrets}token1"), 1, None, &format!("{secrets}token1"));
        check("/étc/日本/1", 1, None, "/étc/日本/1");
        check("", 1, None, "");
    }

    #[test]
    fn a_path_without_such_parts_is_not_copied() {
        assert!(matches!(reduce("/usr/lib/x86_64-linux-gnu/libc.so.6", 1, None), Cow::Borrowed(_)));
    }
}
