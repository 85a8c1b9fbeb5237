//! Which container runtimes the analyzer may ask for the images of containers.
//!
//! Owners, groups and modes are compared; nothing is connected to, so it works without root. Access lists are not
//! looked at.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Check, Outcome};
use crate::accounts;
use crate::launch::identity::{ANALYZER_USER, Identities, Identity};

/// Sockets where container runtimes answer questions about containers, and whose they are.
const SOCKETS: [(&str, &str); 3] = [
    ("/run/docker.sock", "docker"),
    ("/run/podman/podman.sock", "podman"),
    ("/run/containerd/containerd.sock", "containerd"),
];
/// Of these the resolver of container tags can ask.
const DOCKER_COMPATIBLE: [&str; 2] = ["docker", "podman"];
const NO_NAMES: &str =
    "events carry container ids without image names, unless a static file names them ([tags] static_file)";
/// What it takes to connect to a socket, as a permission bit.
const WRITE: u32 = 0o2;
/// What it takes to pass a directory.
const SEARCH: u32 = 0o1;

/// Looks for runtimes and whether the services of `user` may ask them.
pub(super) fn check(user: Option<&str>) -> Check {
    check_of(&SOCKETS.map(|(path, name)| (PathBuf::from(path), name)), user)
}

fn check_of(sockets: &[(PathBuf, &str)], user: Option<&str>) -> Check {
    let name = "runtimes";
    let found: Vec<_> = sockets.iter().filter(|(path, _)| path.exists()).collect();
    let can_ask: Vec<_> = found.iter().filter(|(_, name)| DOCKER_COMPATIBLE.contains(name)).collect();
    if can_ask.is_empty() {
        let others = if found.is_empty() { "none" } else { "only containerd" };
        return Check { name, outcome: Outcome::Limited, text: format!("{others} found: {NO_NAMES}") };
    }
    let Ok(Identities { analyzer: identity, .. }) = Identities::choose(user) else {
        let text = "not checked, because the user of the services is not usable".to_owned();
        return Check { name, outcome: Outcome::Limited, text };
    };
    let asker = Asker::of(identity, user);
    let texts = can_ask.iter().map(|(path, runtime)| match refusal(path, &asker) {
        None => (Outcome::Ok, format!("{runtime} answers for image names")),
        Some(refusal) => (Outcome::Limited, refusal.text(path, asker.uid, &Candidate::of(user))),
    });
    let (outcomes, texts): (Vec<_>, Vec<_>) = texts.unzip();
    let outcome = if outcomes.contains(&Outcome::Limited) { Outcome::Limited } else { Outcome::Ok };
    Check { name, outcome, text: texts.join("; ") }
}

/// The analyzer, as `shrike run` starts it.
#[derive(Debug, Clone)]
struct Asker {
    uid: u32,
    groups: Vec<u32>,
}

impl Asker {
    /// A named user keeps its groups, any other has only the first one.
    fn of(identity: Identity, user: Option<&str>) -> Self {
        let mut groups = vec![identity.gid];
        groups.extend(user.map(|name| accounts::groups_of(name, identity.gid)).unwrap_or_default());
        Self { uid: identity.uid, groups }
    }

    fn may(&self, door: &Door) -> bool {
        let shift = if self.uid == door.uid {
            6
        } else if self.groups.contains(&door.gid) {
            3
        } else {
            0
        };
        (door.mode >> shift) & door.wanted != 0
    }
}

/// A socket, or a directory on the way to it.
#[derive(Debug, Clone, Copy)]
struct Door {
    mode: u32,
    uid: u32,
    gid: u32,
    wanted: u32,
}

/// Why a socket cannot be used.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    /// The group whose members can.
    group: Option<u32>,
}

/// Whether and why `asker` cannot use the socket at `path`.
fn refusal(path: &Path, asker: &Asker) -> Option<Refusal> {
    match doors(path) {
        Ok(doors) => refusal_at(&doors, asker),
        Err(_not_even_looked_at) => Some(Refusal { group: None }),
    }
}

fn doors(path: &Path) -> std::io::Result<Vec<Door>> {
    let path = path.canonicalize()?;
    let door = |path: &Path, wanted| {
        path.metadata().map(|meta| Door { mode: meta.mode(), uid: meta.uid(), gid: meta.gid(), wanted })
    };
    let directories = path.ancestors().skip(1).map(|directory| door(directory, SEARCH));
    std::iter::once(door(&path, WRITE)).chain(directories).collect()
}

fn refusal_at(doors: &[Door], asker: &Asker) -> Option<Refusal> {
    let closed = doors.iter().find(|door| !asker.may(door))?;
    let mut member = asker.clone();
    member.groups.push(closed.gid);
    // Nobody is told to join the group root.
    let helps = closed.gid != 0 && doors.iter().all(|door| member.may(door));
    Some(Refusal { group: helps.then_some(closed.gid) })
}

/// The user that could be given a group.
struct Candidate {
    name: String,
    exists: bool,
    groups: Vec<u32>,
}

impl Candidate {
    fn of(user: Option<&str>) -> Self {
        let name = user.unwrap_or(ANALYZER_USER);
        let found = accounts::user_named(name).ok().flatten();
        let groups = found.map(|found| accounts::groups_of(name, found.gid)).unwrap_or_default();
        Self { name: name.to_owned(), exists: found.is_some(), groups }
    }

    /// The commands after which it may use what belongs to the group.
    fn commands(&self, gid: u32, group: &str) -> String {
        let name = &self.name;
        let run = format!("`sudo shrike run --user {name}`");
        if !self.exists {
            format!("`sudo useradd --system --groups {group} {name}`, then {run}")
        } else if !self.groups.contains(&gid) {
            format!("`sudo usermod --append --groups {group} {name}`, then {run}")
        } else {
            run
        }
    }
}

impl Refusal {
    fn text(&self, path: &Path, uid: u32, candidate: &Candidate) -> String {
        let path = path.display();
        let Some(gid) = self.group else {
            return format!("uid {uid} may not use {path}, and no group would change that: {NO_NAMES}");
        };
        let group = accounts::group_name(gid).ok().flatten().unwrap_or_else(|| gid.to_string());
        let commands = candidate.commands(gid, &group);
        format!(
            "uid {uid} may not use {path}: {NO_NAMES}. The group {group} may, and whoever is in it can become root; \
             if that is acceptable for the analyzer: {commands}"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const DOCKER: u32 = 998;

    fn asker(groups: &[u32]) -> Asker {
        Asker { uid: 65534, groups: groups.to_vec() }
    }

    fn door(mode: u32, gid: u32, wanted: u32) -> Door {
        Door { mode, uid: 0, gid, wanted }
    }

    #[test]
    fn the_socket_of_a_group_is_for_its_members_only_and_the_group_is_named() {
        let doors = [door(0o140_660, DOCKER, WRITE), door(0o40_755, 0, SEARCH)];
        assert_eq!(refusal_at(&doors, &asker(&[65534])), Some(Refusal { group: Some(DOCKER) }));
        assert_eq!(refusal_at(&doors, &asker(&[65534, DOCKER])), None);
    }

    #[test]
    fn a_socket_or_directory_of_root_alone_is_out_of_reach_of_any_group() {
        let closed = Some(Refusal { group: None });
        assert_eq!(refusal_at(&[door(0o140_660, 0, WRITE), door(0o40_755, 0, SEARCH)], &asker(&[1])), closed);
        assert_eq!(refusal_at(&[door(0o140_666, 0, WRITE), door(0o40_700, 0, SEARCH)], &asker(&[1])), closed);
        let doors = [door(0o140_660, DOCKER, WRITE), door(0o40_700, 0, SEARCH)];
        assert_eq!(refusal_at(&doors, &asker(&[1])), closed);
        assert_eq!(refusal_at(&[door(0o140_600, DOCKER, WRITE)], &asker(&[1])), closed);
    }

    #[test]
    fn an_owner_is_judged_by_the_bits_of_the_owner_alone() {
        let own = Door { uid: 65534, ..door(0o140_066, DOCKER, WRITE) };
        assert_eq!(refusal_at(&[own], &asker(&[DOCKER])), Some(Refusal { group: None }));
        assert_eq!(refusal_at(&[Door { mode: 0o140_200, ..own }], &asker(&[])), None);
    }

    #[test]
    fn the_commands_do_only_what_is_missing() {
        let candidate =
            |exists, groups: &[u32]| Candidate { name: "shrike".into(), exists, groups: groups.to_vec() };
        let commands = |candidate: Candidate| candidate.commands(DOCKER, "docker");
        assert_eq!(
            commands(candidate(false, &[])),
            "`sudo useradd --system --groups docker shrike`, then `sudo shrike run --user shrike`"
        );
        assert_eq!(
            commands(candidate(true, &[1])),
            "`sudo usermod --append --groups docker shrike`, then `sudo shrike run --user shrike`"
        );
        assert_eq!(commands(candidate(true, &[DOCKER])), "`sudo shrike run --user shrike`");
    }

    #[test]
    fn a_refusal_says_what_is_missing_and_what_the_remedy_costs() {
        let candidate = Candidate { name: "anna".into(), exists: true, groups: Vec::new() };
        let refusal = Refusal { group: Some(4_000_000_001) };
        let text = refusal.text(Path::new("/run/docker.sock"), 65534, &candidate);
        for part in
            ["/run/docker.sock", "uid 65534", "become root", "--groups 4000000001 anna", "--user anna"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = Refusal { group: None }.text(Path::new("/p"), 1, &candidate);
        assert!(text.contains("static_file") && !text.contains("usermod"), "{text}");
    }

    #[test]
    fn a_missing_container_runtime_limits_and_does_not_refuse() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(dir.path(), 0o755);
        let socket = dir.path().join("docker.sock");
        let sockets = [(socket.clone(), "docker"), (dir.path().join("c"), "containerd")];
        assert_eq!(check_of(&sockets, None).outcome, Outcome::Limited);
        std::fs::write(&socket, "").unwrap();
        mode(&socket, 0o666);
        let found = check_of(&sockets, None);
        assert_eq!((found.outcome, found.text.as_str()), (Outcome::Ok, "docker answers for image names"));
        mode(&socket, 0o600);
        assert_eq!(check_of(&sockets, None).outcome, Outcome::Limited);
    }
}
