//! Who the services without rights are: each a user of its own, whom nobody else on this machine is.
//!
//! What two programs share with a user they share with each other: sockets, keys, debuggers. So the analyzer, the
//! reporter and what the demo starts are never the same user, and none of them is `nobody`.

use std::collections::HashSet;

use nix::unistd::{Uid, geteuid};

use crate::accounts;
use crate::failure::Failure;

/// The users that are taken when they exist and none was named, as `deploy/systemd` makes them.
pub(crate) const ANALYZER_USER: &str = "shrike-analyzer";
const REPORTER_USER: &str = "shrike-reporter";
const PROBE_USER: &str = "shrike-probe";

/// Otherwise ids from here on that nobody has. Neither distributions, container runtimes nor systemd give away any of
/// 60706 to 61183. The first three are those in `deploy/`.
pub(crate) const FIRST_ID: u32 = 60_961;
const LAST_ID: u32 = 61_183;

/// User and group of a service without rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
}

/// All of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identities {
    /// Of the analyzer.
    pub(crate) analyzer: Identity,
    /// Of the reporter, which alone reads the key of the intake.
    pub(crate) reporter: Identity,
    /// Of the probe, once it needs root no more.
    pub(crate) probe: Identity,
    /// Of the intake of the demo.
    pub(crate) intake: Identity,
    /// Of the workload of the demo.
    pub(crate) workload: Identity,
}

impl Identities {
    /// The analyzer is the user called `analyzer`; who is not named is a user of ours or gets an id that is free.
    pub(crate) fn choose(analyzer: Option<&str>) -> Result<Self, Failure> {
        let named = analyzer.map(Identity::named).transpose()?;
        let busy = busy_ids(&proc_status());
        let mut free = (FIRST_ID..=LAST_ID).filter(|id| !busy.contains(id) && is_unknown(*id));
        let mut next = || free.next().map(|id| Identity { uid: id, gid: id }).ok_or(Failure::NoFreeUser);
        Ok(Self {
            analyzer: match named.or(Identity::of(ANALYZER_USER)?) {
                Some(user) => user,
                None => next()?,
            },
            reporter: match Identity::of(REPORTER_USER)? {
                Some(user) => user,
                None => next()?,
            },
            probe: match Identity::of(PROBE_USER)? {
                Some(user) => user,
                None => next()?,
            },
            intake: next()?,
            workload: next()?,
        })
    }

    /// The same with an analyzer that has this uid, which a configuration names.
    pub(crate) fn with_analyzer(mut self, uid: u32) -> Result<Self, Failure> {
        if self.analyzer.uid == uid {
            return Ok(self);
        }
        let found = accounts::user_of(uid).map_err(failed)?;
        self.analyzer = Identity { uid, gid: found.map_or(uid, |user| user.gid) }.checked()?;
        // The reporter may have got that id.
        let taken = self.analyzer.uid;
        let others =
            [self.analyzer, self.reporter, self.probe, self.intake, self.workload].map(|other| other.uid);
        let mut free = (FIRST_ID..=LAST_ID).filter(|id| !others.contains(id) && is_unknown(*id));
        for other in [&mut self.reporter, &mut self.probe, &mut self.intake, &mut self.workload] {
            if other.uid == taken {
                let id = free.next().ok_or(Failure::NoFreeUser)?;
                *other = Identity { uid: id, gid: id };
            }
        }
        Ok(self)
    }
}

impl Identity {
    /// The user called `name`, who must exist.
    fn named(name: &str) -> Result<Self, Failure> {
        Self::of(name)?.ok_or_else(|| Failure::UnknownUser { name: name.to_owned() })
    }

    fn of(name: &str) -> Result<Option<Self>, Failure> {
        let found = accounts::user_named(name).map_err(failed)?;
        found.map(|user| Self { uid: user.uid, gid: user.gid }.checked()).transpose()
    }

    fn checked(self) -> Result<Self, Failure> {
        if self.uid == 0 { Err(Failure::UserIsRoot) } else { Ok(self) }
    }
}

fn failed(source: std::io::Error) -> Failure {
    Failure::System { action: "look up the user", source }
}

/// Whether neither a user nor a group has this id. A file that cannot be read has nobody.
fn is_unknown(id: u32) -> bool {
    matches!(accounts::user_of(id), Ok(None) | Err(_))
        && matches!(accounts::group_name(id), Ok(None) | Err(_))
}

/// The `status` of every process. The owner of its directory would not do: it says the effective id alone.
fn proc_status() -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_process = |entry: &std::fs::DirEntry| {
        entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
    };
    let processes = processes.flatten().filter(is_process);
    processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok()).collect()
}

/// The ids that processes have, as real, effective, saved, file system or supplementary ones.
fn busy_ids(processes: &[String]) -> HashSet<u32> {
    let lines = processes.iter().flat_map(|status| status.lines());
    let ids = lines.filter_map(|line| {
        let (name, ids) = line.split_once(':')?;
        matches!(name, "Uid" | "Gid" | "Groups").then_some(ids)
    });
    ids.flat_map(str::split_whitespace).filter_map(|id| id.parse().ok()).collect()
}

/// Fails unless we are root.
pub(crate) fn require_root(what: &'static str) -> Result<(), Failure> {
    if geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::NeedsRoot { what, why: "the probe loads BPF programs, and only root may" })
}

/// The uids that may use the analyzer's API besides the analyzer: root, and the person behind `sudo`.
pub(crate) fn api_uids() -> Vec<u32> {
    let behind_sudo: Option<u32> = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    let mut uids = vec![0, Uid::current().as_raw()];
    uids.extend(behind_sudo);
    uids.sort_unstable();
    uids.dedup();
    uids
}

#[cfg(test)]
impl Identities {
    /// Everybody is who runs the test.
    pub(crate) fn own() -> Self {
        let own = Identity { uid: geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        Self { analyzer: own, reporter: own, probe: own, intake: own, workload: own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(who: Identities) -> [u32; 5] {
        [who.analyzer, who.reporter, who.probe, who.intake, who.workload].map(|identity| identity.uid)
    }

    #[test]
    fn services_without_rights_never_run_as_root_or_nobody_and_each_is_somebody_else() {
        assert!(matches!(Identities::choose(Some("root")), Err(Failure::UserIsRoot)));
        assert!(matches!(Identities::choose(None).unwrap().with_analyzer(0), Err(Failure::UserIsRoot)));
        let chosen = Identities::choose(None).unwrap();
        for who in [chosen, chosen.with_analyzer(chosen.reporter.uid).unwrap()] {
            let uids = uids(who);
            assert!(!uids.contains(&0) && !uids.contains(&65_534), "{uids:?}");
            assert_eq!(uids.iter().collect::<HashSet<_>>().len(), uids.len(), "{uids:?}");
        }
        assert_eq!(chosen.with_analyzer(chosen.reporter.uid).unwrap().analyzer.uid, chosen.reporter.uid);
    }

    #[test]
    fn an_id_that_a_process_has_in_any_way_is_not_free() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t5\t5\t5\nGroups:\t6 7 \nNgid:\t8\n".to_owned();
        let busy = busy_ids(&[status]);
        assert!((1..=7).all(|id| busy.contains(&id)) && busy.len() == 7, "{busy:?}");
        assert!(busy_ids(&proc_status()).contains(&geteuid().as_raw()));
    }

    #[test]
    fn an_unknown_user_is_an_error_that_names_it() {
        let error = Identities::choose(Some("no-such-user-here")).unwrap_err().to_string();
        assert!(error.contains("no-such-user-here") && error.contains("useradd"), "{error}");
    }

    #[test]
    fn the_users_of_every_deployment_are_the_same() {
        let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let has = |file: &str, text: &str| {
            let content = std::fs::read_to_string(deploy.join(file)).unwrap();
            assert!(content.contains(text), "{file} does not say {text}");
        };
        let (analyzer, reporter) = (FIRST_ID, FIRST_ID + 1);
        has("systemd/shrike.sysusers", &format!("{ANALYZER_USER}  {analyzer}"));
        has("systemd/shrike.sysusers", &format!("{REPORTER_USER}  {reporter}"));
        has("systemd/shrike.sysusers", &format!("{PROBE_USER}     {}", FIRST_ID + 2));
        has("kubernetes/daemonset.yaml", &format!("runAsUser: {analyzer}"));
        has("kubernetes/daemonset.yaml", &format!("runAsUser: {reporter}"));
        has("images/Dockerfile", &format!("USER {analyzer}:{analyzer}"));
        has("images/Dockerfile", &format!("USER {reporter}:{reporter}"));
        for folder in ["systemd", "kubernetes"] {
            has(&format!("{folder}/probe.toml"), &format!("allow_uid = {analyzer}"));
            has(&format!("{folder}/reporter.toml"), &format!("allowed_uids = [{analyzer}]"));
        }
    }
}
