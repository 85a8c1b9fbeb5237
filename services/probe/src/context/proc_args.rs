//! Arguments and environment of processes that ran before the probe, from `/proc`.
//!
//! The kernel's snapshot says who runs; these strings are in the memory of the process and are read once, only for
//! processes in scope. They are what the process shows now, which it may have changed: events never use this.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::{Exec, KnownProcess, ProcessKey, Strings, Text};

/// Bytes kept of each list, as of the kernel's records.
const MAX_BYTES: u64 = 64 << 10;

/// Unit of the start time in `/proc/<pid>/stat`: `USER_HZ` is 100 on every architecture that can run this.
const TICK_NS: u64 = 10_000_000;

/// Reads below one `/proc`.
#[derive(Debug, Clone)]
pub struct ProcArgs {
    root: PathBuf,
}

impl ProcArgs {
    /// Reads below this directory, `/proc` except in tests.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Adds arguments and environment if the image is known and has none. Does nothing when the process is gone.
    pub fn complete(&self, process: &mut KnownProcess) {
        let key = process.task.process;
        if let Some(exec) = &mut process.exec
            && exec.args.items.is_empty()
            && let Some((args, envs)) = self.read(key)
        {
            let exec: &mut Exec = Arc::make_mut(exec);
            exec.args = args;
            exec.envs = envs;
        }
    }

    fn read(&self, key: ProcessKey) -> Option<(Strings, Strings)> {
        let directory = self.root.join(key.tgid.to_string());
        // The pid may have been given to another process; it then has another start time. Checked at the end, so
        // that what was read belongs to the right one.
        let args = read_strings(&directory.join("cmdline"))?;
        let envs = read_strings(&directory.join("environ")).unwrap_or_default();
        let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
        (start_ticks(&stat)? == key.start_ns / TICK_NS).then_some((args, envs))
    }
}

/// Field 22 of `/proc/<pid>/stat`. The name in field 2 may hold anything, also spaces and brackets.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn read_strings(path: &Path) -> Option<Strings> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    let truncated = bytes.len() > limit;
    bytes.truncate(limit);
    let content = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    if content.is_empty() {
        return Some(Strings { items: Vec::new(), truncated });
    }
    Some(Strings { items: content.split(|byte| *byte == 0).map(Text::from).collect(), truncated })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::known;

    fn stat(ticks: u64) -> String {
        let before = "1 ".repeat(18);
        format!("7 (a) b) R {before}{ticks} 1 2 3\n")
    }

    /// Completes process 7, which started at tick 12, from files with this content.
    fn completed(cmdline: &[u8], stat: &str) -> Strings {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("7");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("cmdline"), cmdline).unwrap();
        std::fs::write(own.join("environ"), "A=1\0").unwrap();
        std::fs::write(own.join("stat"), stat).unwrap();
        let mut process = known(7, None, "/bin/a");
        Arc::make_mut(&mut process.task).process.start_ns = 12 * TICK_NS + 3;
        Arc::make_mut(process.exec.as_mut().unwrap()).args = Strings::default();
        ProcArgs::new(dir.path()).complete(&mut process);
        process.exec.unwrap().args.clone()
    }

    #[test]
    fn arguments_are_split_and_an_empty_one_is_kept() {
        let args = completed(b"a\0\0c\0", &stat(12));
        let items: Vec<String> = args.items.iter().map(Text::to_string).collect();
        assert_eq!((items, args.truncated), (vec!["a".to_owned(), String::new(), "c".to_owned()], false));
    }

    #[test]
    fn another_process_with_the_same_pid_gives_nothing() {
        assert_eq!(completed(b"a\0", &stat(13)), Strings::default());
        assert_eq!(completed(b"a\0", "rubbish"), Strings::default());
    }

    #[test]
    fn more_than_64_kib_is_cut_and_marked() {
        let args = completed(&vec![b'x'; 70_000], &stat(12));
        assert_eq!((args.items.first().unwrap().len(), args.truncated), (65_536, true));
    }

    #[test]
    fn the_arguments_of_this_very_process_are_found() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let tgid = std::process::id();
        let mut process = known(tgid, None, "/bin/a");
        Arc::make_mut(&mut process.task).process =
            ProcessKey { start_ns: start_ticks(&stat).unwrap() * TICK_NS + 1, tgid };
        Arc::make_mut(process.exec.as_mut().unwrap()).args = Strings::default();
        ProcArgs::new(Path::new("/proc")).complete(&mut process);
        let expect: Vec<Text> = std::env::args().map(Text::from).collect();
        assert_eq!(process.exec.unwrap().args.items, expect);
    }
}
