//! The lineage of a process: what is written of its ancestors.
//!
//! A reader goes through them from the acting process on. What an ancestor shares with the process before it is left
//! out, so that a long lineage costs little.

use std::sync::Arc;

use event::Run;
use serde::{Serialize, Serializer};

use super::process::{Credentials, CredentialsOf, Runs, RunsTraits, Who};
use super::{Context, Ids};

/// How much of a run is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything: the acting process.
    Full,
    /// Without environment and the inode of its program: an ancestor.
    Ancestor,
    /// Without arguments too: those of the run it was forked from follow later in the lineage.
    Inherited,
    /// Without its program either. The nearest ancestor has it, because it is also the parent.
    Copy,
    /// Without arguments, and saying that they are missing.
    Cut,
}

impl Detail {
    /// How much of an ancestor is written: of several in a row that share one program start, only the oldest has
    /// its arguments, and only it and the parent have the program.
    fn of_ancestor(run: &Run, is_parent: bool) -> Self {
        let older = run.ancestor.as_ref().and_then(|ancestor| ancestor.exec.as_ref());
        match (&run.exec, older) {
            (Some(own), Some(older)) if Arc::ptr_eq(own, older) => {
                if is_parent {
                    Self::Inherited
                } else {
                    Self::Copy
                }
            }
            _ => Self::Ancestor,
        }
    }
}

/// What an ancestor shares with the process before it, the nearer one, and so does not say again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    /// It is the parent, which stands for itself: it shares nothing but credentials.
    is_parent: bool,
    pub(super) credentials: bool,
    /// It is the same process, before it started another program.
    pub(super) process: bool,
    terminal: bool,
}

impl Shared {
    /// Of the first ancestor.
    pub(crate) fn of_parent(parent: &Run, child: CredentialsOf) -> Self {
        let credentials = CredentialsOf::run(parent) == child;
        Self { is_parent: true, credentials, process: false, terminal: false }
    }

    /// Of a further ancestor.
    pub(crate) fn of(ancestor: &Run, child: &Run) -> Self {
        let tty = |run: &Run| run.exec.as_ref().map(|exec| exec.tty.clone());
        Self {
            is_parent: false,
            credentials: CredentialsOf::run(ancestor) == CredentialsOf::run(child),
            process: ancestor.key == child.key,
            terminal: tty(ancestor) == tty(child),
        }
    }
}

/// A process of the lineage.
#[derive(Serialize)]
pub(crate) struct Ancestor<'a> {
    #[serde(flatten)]
    who: Who<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Credentials<'a>>,
    #[serde(flatten)]
    runs: Runs<'a>,
}

impl<'a> Ancestor<'a> {
    pub(crate) fn new(run: &'a Run, shared: Shared, context: Context<'a>) -> Self {
        Self::with(run, Detail::of_ancestor(run, shared.is_parent), shared, context)
    }

    /// For a document that would be too large.
    pub(crate) fn cut(run: &'a Run, shared: Shared, context: Context<'a>) -> Self {
        Self::with(run, Detail::Cut, shared, context)
    }

    fn with(run: &'a Run, detail: Detail, shared: Shared, context: Context<'a>) -> Self {
        let ids = Ids::of(&run.task, context);
        let runs = Runs::new(run.exec.as_ref(), RunsTraits::of(run, &run.task), detail, ids);
        let runs = if shared.is_parent { runs } else { runs.without_names() };
        Self {
            who: Who::of_ancestor(run, shared, context),
            credentials: (!shared.credentials).then(|| Credentials::new(CredentialsOf::run(run), context)),
            runs: if shared.terminal { runs.without_tty() } else { runs },
        }
    }
}

/// The lineage of a run, nearest first.
pub(super) struct Ancestors<'a> {
    pub(super) run: &'a Run,
    /// Of the acting process.
    pub(super) credentials: CredentialsOf,
    pub(super) context: Context<'a>,
}

impl Serialize for Ancestors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut child = None;
        serializer.collect_seq(self.run.ancestors().map(|run| {
            let shared = match child.replace(run) {
                None => Shared::of_parent(run, self.credentials),
                Some(child) => Shared::of(run, child),
            };
            Ancestor::new(run, shared, self.context)
        }))
    }
}
