//! Arguments and environment that wait for the exec they belong to.
//!
//! The kernel side sends them in chunks ahead of the exec, in one run of a program, so on one CPU nothing comes in
//! between. Chunks whose exec was lost are dropped when the next exec begins. Invariant: at most one unfinished exec
//! per CPU, with at most [`limits::STRINGS_MAX_BYTES`] per list.

use std::collections::HashMap;

use event::{Strings, Text};
use event_abi::{exec_event, exec_strings_event, limits, strings_list};

const MAX_BYTES: usize = limits::STRINGS_MAX_BYTES.0 as usize;

#[derive(Debug, Default)]
pub(super) struct PendingStrings {
    per_cpu: HashMap<u16, Pending>,
}

/// Kept between execs, so that its memory is used again.
#[derive(Debug, Default)]
struct Pending {
    exec_id: u64,
    args: Vec<u8>,
    envs: Vec<u8>,
}

impl PendingStrings {
    pub(super) fn add(&mut self, event: &exec_strings_event, bytes: &[u8]) {
        let pending = self.per_cpu.entry(event.header.cpu).or_default();
        if pending.exec_id != event.exec_id {
            pending.begin(event.exec_id);
        }
        let list = if u32::from(event.list) == strings_list::STRINGS_ARGS.0 {
            &mut pending.args
        } else {
            &mut pending.envs
        };
        if list.len() + bytes.len() <= MAX_BYTES {
            list.extend_from_slice(bytes);
        }
    }

    /// The arguments and the environment of this exec.
    pub(super) fn take(&mut self, event: &exec_event) -> (Strings, Strings) {
        let pending = self.per_cpu.entry(event.header.cpu).or_default();
        if pending.exec_id != event.exec_id {
            pending.begin(event.exec_id);
        }
        let args = list(&pending.args, event.args_len, event.args_flags);
        let envs = list(&pending.envs, event.envs_len, event.envs_flags);
        pending.begin(0);
        (args, envs)
    }
}

impl Pending {
    fn begin(&mut self, exec_id: u64) {
        self.exec_id = exec_id;
        self.args.clear();
        self.envs.clear();
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
