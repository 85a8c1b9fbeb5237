//! Profiles and observations made from few words.

use activity_tree::{Dump, EventType, FileInfo, Open, Options, Process, Question, What};

use crate::{Kept, Key, Loss, Observation, Profile, Settings, Verdict};

pub(crate) const S: u64 = 1_000_000_000;
pub(crate) const MIN: u64 = 60 * S;
pub(crate) const H: u64 = 60 * MIN;
/// When tests begin, so that there is something before.
pub(crate) const T0: u64 = 1_000 * H;
pub(crate) const KEY: Key = Key([7; 16]);

/// Times of the table tests of the original.
pub(crate) fn settings() -> Settings {
    Settings {
        stable_ns: H,
        warmup_ns: MIN,
        unstable_ns: 48 * H,
        cool_down_ns: 48 * H,
        ..Settings::default()
    }
}

pub(crate) fn profile() -> Profile {
    Profile::new("web", settings(), KEY)
}

pub(crate) fn process(path: &str) -> Process {
    let file = FileInfo { path: path.to_owned().into(), ..FileInfo::default() };
    Process { file, argv0: path.to_owned(), exec_time: 5, ..Process::default() }
}

pub(crate) fn asks(name: &str) -> What<'_> {
    What::Dns(Question { name: name.into(), qtype: 1, class: 1, size: 30, count: 1 })
}

pub(crate) fn opens(path: &str) -> What<'_> {
    What::Open { path, file: None, open: Open::default() }
}

/// Who does something: version, instance, and how long ago its container was made.
#[derive(Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) tag: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) created_ns: u64,
}

/// Version 1, old.
pub(crate) const V1: Who<'_> = Who { tag: "v1", instance: "c1", created_ns: T0 - 5 * MIN };
/// Version 2, old.
pub(crate) const V2: Who<'_> = Who { tag: "v2", instance: "c2", created_ns: T0 - 5 * MIN };

impl Who<'_> {
    pub(crate) fn does(self, profile: &mut Profile, path: &str, what: What<'_>, now_ns: u64) -> Verdict {
        self.does_after(profile, path, what, now_ns, Loss::NONE)
    }

    pub(crate) fn does_after(
        self,
        profile: &mut Profile,
        path: &str,
        what: What<'_>,
        now_ns: u64,
        loss: Loss<'_>,
    ) -> Verdict {
        let (shell, program) = (process("/bin/sh"), process(path));
        let observation = Observation {
            lineage: &[&shell, &program],
            what,
            rules: &[],
            image_tag: self.tag,
            instance: self.instance,
            created_ns: self.created_ns,
            tags: &[],
        };
        profile.observe(&observation, now_ns, loss)
    }
}

/// Two versions: one stable, one that learns and missed something.
pub(crate) fn busy() -> Profile {
    let mut profile = profile();
    V1.does(&mut profile, "/bin/a", What::Exec, T0);
    V1.does(&mut profile, "/bin/a", asks("x.y"), T0 + S);
    V2.does(&mut profile, "/bin/b", opens("/etc/passwd"), T0 + MIN);
    profile.set_state("v1", Kept::Stable, T0 + S);
    profile.lose("v2", Loss { to_ns: T0 + MIN, counts: &[(EventType::Dns, 9)] });
    profile.not_observed(&EventType::ALL, T0 + 2 * MIN, T0 + 3 * MIN);
    profile
}

/// A dump of version `tag` with one process that opened a file.
pub(crate) fn dump(tag: &str) -> Dump {
    let mut other = profile();
    let who = Who { tag, ..V1 };
    who.does(&mut other, "/bin/dumped", What::Exec, T0);
    who.does(&mut other, "/bin/dumped", opens("/dumped"), T0 + MIN);
    let mut dump = Dump { tree: other.tree().clone(), ..Dump::new(Options::default()) };
    dump.tags = vec!["image_name:web".into(), format!("image_tag:{tag}")];
    dump
}
