//! What a program does to make events of each kind, and what they must say: for tests on real programs.
//!
//! One arm for each kind: a kind that has none does not compile, and tests that count compare every kind.

use std::path::Path;
use std::sync::Arc;

use anyhow::ensure;
use event::{
    Address, AddressState, Exec, ExitStatus, Field, File, Flags, Kind, Names, PathState, ProcessKey, Text,
    Visitor, What,
};

/// What one round makes: for each event its kind, and what it must say, field by field as [`said`] has it.
pub type Says = Vec<(Kind, Vec<(&'static str, String)>)>;

/// Does one round of a kind in `directory`, which is empty and stays so. It makes no other event than it says.
///
/// # Errors
/// When something is not as it should be, so that the round does not count.
pub fn round(kind: Kind, directory: &Path) -> anyhow::Result<Says> {
    match kind {
        // These have workloads of their own, because they come in a lifecycle.
        Kind::Exec | Kind::Fork | Kind::Exit => Ok(Vec::new()),
        Kind::Open => open(directory),
    }
}

fn open(directory: &Path) -> anyhow::Result<Says> {
    let missing = directory.join("missing");
    ensure!(std::fs::File::open(&missing).is_err(), "{} exists", missing.display());
    let says = vec![
        ("open.file", format!("{} (asked for)", missing.display())),
        ("open.flags", "O_RDONLY|O_CLOEXEC".to_owned()),
        ("open.retval", "-2".to_owned()),
    ];
    Ok(vec![(Kind::Open, says)])
}

/// What an event says, field by field.
#[must_use]
pub fn said(what: &What) -> Vec<(&'static str, String)> {
    let mut words = Words(Vec::new());
    what.visit(&mut words);
    words.0
}

struct Words(Vec<(&'static str, String)>);

impl<'a> Visitor<'a> for Words {
    fn file(&mut self, field: &'static Field, file: &'a Arc<File>) {
        let state = match file.path_state {
            PathState::Resolved => "",
            PathState::TruncatedParents => " (truncated)",
            PathState::Argument => " (asked for)",
            PathState::Unreadable => " (unreadable)",
        };
        self.0.push((field.path, format!("{}{state}", file.path)));
    }

    fn program(&mut self, field: &'static Field, exec: &'a Arc<Exec>) {
        self.0.push((field.path, exec.executable.path.to_string()));
    }

    fn process(&mut self, field: &'static Field, key: ProcessKey) {
        self.0.push((field.path, key.tgid.to_string()));
    }

    fn status(&mut self, field: &'static Field, status: ExitStatus) {
        self.0.push((field.path, format!("{status:?}")));
    }

    fn address(&mut self, field: &'static Field, address: &'a Address) {
        let state = match address.state {
            AddressState::Kernel => "",
            AddressState::Argument => " (asked for)",
            AddressState::Unreadable => " (unreadable)",
        };
        self.0.push((field.path, format!("{}{state}", address.endpoint)));
    }

    fn text(&mut self, field: &'static Field, text: &'a Text) {
        self.0.push((field.path, text.to_string()));
    }

    fn flags(&mut self, field: &'static Field, names: &'static Flags, flags: u32) {
        self.0.push((field.path, names.to_names(flags)));
    }

    fn number(&mut self, field: &'static Field, names: &'static Names, number: u32) {
        self.0.push((field.path, names.to_name(number)));
    }

    // What there is besides a mode decides whether it means anything.
    fn mode(&mut self, _: &'static Field, _: u32) {}

    fn descriptor(&mut self, field: &'static Field, retval: i32) {
        self.0.push((field.path, retval.to_string()));
    }

    fn errno(&mut self, field: &'static Field, retval: i32) {
        self.0.push((field.path, retval.to_string()));
    }
}
