//! Arguments and environment that wait for the exec they belong to.
//!
//! The kernel side sends them in chunks ahead of the exec, to a ring of their own, which is drained first; so the
//! strings of all execs of a drain wait here. Those of an exec that was lost are dropped when there are too many.
//! Invariant: at most [`MAX_WAITING_BYTES`] wait, with at most [`limits::STRINGS_MAX_BYTES`] per list.

use std::collections::BTreeMap;

use event::{Strings, Text};
use event_abi::{exec_event, exec_strings_event, limits, strings_list};

const MAX_BYTES: usize = limits::STRINGS_MAX_BYTES.0 as usize;

/// More than the ring of strings holds by default, so that only what nobody asks for is dropped.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// What an exec weighs beside its strings.
const EXEC_BYTES: usize = 256;

#[derive(Debug, Default)]
pub(super) struct PendingStrings {
    /// By the id of the exec, which is a time, and its CPU: the oldest are first.
    waiting: BTreeMap<(u64, u16), Pending>,
    bytes: usize,
    /// Of an exec that was taken, so that its memory is used again.
    spare: Pending,
}

#[derive(Debug, Default)]
struct Pending {
    args: Vec<u8>,
    envs: Vec<u8>,
}

impl PendingStrings {
    pub(super) fn add(&mut self, event: &exec_strings_event, bytes: &[u8]) {
        let Self { waiting, bytes: weight, spare } = self;
        let pending = waiting.entry((event.exec_id, event.header.cpu)).or_insert_with(|| {
            *weight += EXEC_BYTES;
            std::mem::take(spare)
        });
        let list = if u32::from(event.list) == strings_list::STRINGS_ARGS.0 {
            &mut pending.args
        } else {
            &mut pending.envs
        };
        if list.len() + bytes.len() <= MAX_BYTES {
            list.extend_from_slice(bytes);
            *weight += bytes.len();
        }
        while self.bytes > MAX_WAITING_BYTES {
            let Some((_, oldest)) = self.waiting.pop_first() else { break };
            self.bytes -= oldest.weight();
        }
    }

    /// The arguments and the environment of this exec.
    pub(super) fn take(&mut self, event: &exec_event) -> (Strings, Strings) {
        let waiting = self.waiting.remove(&(event.exec_id, event.header.cpu));
        self.bytes -= waiting.as_ref().map_or(0, Pending::weight);
        let mut pending = waiting.unwrap_or_default();
        let args = list(&pending.args, event.args_len, event.args_flags);
        let envs = list(&pending.envs, event.envs_len, event.envs_flags);
        pending.args.clear();
        pending.envs.clear();
        self.spare = pending;
        (args, envs)
    }
}

impl Pending {
    fn weight(&self) -> usize {
        EXEC_BYTES + self.args.len() + self.envs.len()
    }
}

/// Strings that each end with a zero byte; the end of the last may be missing.
fn list(bytes: &[u8], stated: u32, flags: u8) -> Strings {
    let is_complete = flags == 0 && u32::try_from(bytes.len()) == Ok(stated);
    let whole = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let items =
        if bytes.is_empty() { Vec::new() } else { whole.split(|byte| *byte == 0).map(Text::from).collect() };
    Strings { items, truncated: !is_complete }
}
