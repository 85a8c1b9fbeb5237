//! User and group names of the host.
//!
//! A container has its own user database, so its ids are never looked up in the host's: there only id 0 has a
//! name. Invariant: an id without a known name yields nothing, never a number or an empty text.

use std::collections::HashMap;

/// Names for user and group ids, from texts in the format of `passwd(5)` and `group(5)`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    users: HashMap<u32, Box<str>>,
    groups: HashMap<u32, Box<str>>,
}

impl Names {
    /// Reads the content of `/etc/passwd` and `/etc/group`. Lines that do not parse are skipped, and of two lines
    /// for one id the first counts, as it does for the C library.
    #[must_use]
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self { users: parse(passwd), groups: parse(group) }
    }

    /// Name of a user; `contained` when the id was used by a process of a container.
    pub(crate) fn user(&self, uid: u32, contained: bool) -> Option<&str> {
        look_up(&self.users, uid, contained)
    }

    /// Name of a group; `contained` when the id was used by a process of a container.
    pub(crate) fn group(&self, gid: u32, contained: bool) -> Option<&str> {
        look_up(&self.groups, gid, contained)
    }
}

fn look_up(names: &HashMap<u32, Box<str>>, id: u32, contained: bool) -> Option<&str> {
    match id {
        0 => Some("root"),
        _ if contained => None,
        _ => names.get(&id).map(|name| &**name),
    }
}

/// Both files have the name in the first field and the id in the third.
fn parse(table: &[u8]) -> HashMap<u32, Box<str>> {
    let mut names = HashMap::new();
    for line in String::from_utf8_lossy(table).lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if let (false, Ok(id)) = (name.is_empty() || name.starts_with('#'), id.parse::<u32>()) {
            names.entry(id).or_insert_with(|| name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"toor:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/false\nagain:x:33:33::/:\n\n#x:x:9:9::\nbad:x:-1:\n+\n";

    #[test]
    fn host_ids_are_looked_up_and_container_ids_are_not() {
        let names = Names::parse(PASSWD, b"adm:x:4:\xff\n");
        assert_eq!(names.user(33, false), Some("www"), "the first line of an id counts");
        assert_eq!(names.user(33, true), None);
        assert_eq!(names.group(4, false), Some("adm"));
        assert_eq!(names.user(9, false), None, "a comment is no user");
        assert_eq!(names.user(u32::MAX, false), None);
    }

    #[test]
    fn id_0_is_root_everywhere() {
        for contained in [false, true] {
            assert_eq!(Names::default().user(0, contained), Some("root"));
            assert_eq!(Names::parse(PASSWD, b"").user(0, contained), Some("root"));
            assert_eq!(Names::default().group(0, contained), Some("root"));
        }
    }
}
