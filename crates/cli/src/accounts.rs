//! The users and groups of this machine, as its two files have them.
//!
//! Not those of a directory service: the modules of the C library that ask one are shared libraries, which a program without
//! any can load only where the C library is the one that it was linked with.

use std::io;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    /// User id.
    pub(crate) uid: u32,
    /// Its own group.
    pub(crate) gid: u32,
}

/// The user of this name.
pub(crate) fn user_named(name: &str) -> io::Result<Option<User>> {
    Ok(users(&read(PASSWD)?).find(|(known, _)| *known == name).map(|(_, user)| user))
}

/// The first user with this id.
pub(crate) fn user_of(uid: u32) -> io::Result<Option<User>> {
    Ok(users(&read(PASSWD)?).find(|(_, user)| user.uid == uid).map(|(_, user)| user))
}

/// The name of a group.
pub(crate) fn group_name(gid: u32) -> io::Result<Option<String>> {
    Ok(groups(&read(GROUP)?).find(|group| group.gid == gid).map(|group| group.name.to_owned()))
}

/// The groups that a user is in, `gid`, which is its own, among them.
pub(crate) fn groups_of(name: &str, gid: u32) -> Vec<u32> {
    let text = read(GROUP).unwrap_or_default();
    let others = groups(&text).filter(|group| group.members.split(',').any(|member| member == name));
    std::iter::once(gid).chain(others.map(|group| group.gid).filter(|other| *other != gid)).collect()
}

/// What is not there names nobody.
fn read(path: &str) -> io::Result<String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// `name:password:uid:gid:…`. A line that is none is passed over, as the C library does.
fn users(text: &str) -> impl Iterator<Item = (&str, User)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some((name, User { uid, gid }))
    })
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// `name:password:gid:member,…`.
fn groups(text: &str) -> impl Iterator<Item = Group<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(Group { name, gid, members: fields.next().unwrap_or_default() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_those_of_the_file_and_other_lines_are_passed_over() {
        let text = "root:x:0:0:root:/root:/bin/sh\n\n# x:x:1\nbad:x:many:1::\nweb:*:60961:60962:a,b:/:/bin/false\n+::::::";
        let found: Vec<_> = users(text).collect();
        assert_eq!(found, [("root", User { uid: 0, gid: 0 }), ("web", User { uid: 60961, gid: 60962 }),]);
        assert_eq!(user_named("root").unwrap(), Some(User { uid: 0, gid: 0 }));
        assert_eq!(user_of(0).unwrap(), Some(User { uid: 0, gid: 0 }));
        assert_eq!(user_named("no-such-user-here").unwrap(), None);
    }

    #[test]
    fn a_group_has_a_name_and_its_members() {
        let text = "root:x:0:\ndocker:x:999:web,ops\nempty:x:7\n";
        let found: Vec<_> = groups(text).map(|group| (group.name, group.gid, group.members)).collect();
        assert_eq!(found, [("root", 0, ""), ("docker", 999, "web,ops"), ("empty", 7, "")]);
        assert_eq!(group_name(0).unwrap().as_deref(), Some("root"));
        assert_eq!(groups_of("no-such-user-here", 7), [7]);
    }
}
