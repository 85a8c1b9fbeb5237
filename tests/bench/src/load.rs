//! A load with a known rate: processes that open files at a steady pace, in a control group of their own.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use workloads::cgroup::OwnCgroup;

/// Files that each process opens in turn: more than a dictionary of one batch repeats at once.
const FILES: usize = 500;
/// Time between two bursts of a process.
const TICK: Duration = Duration::from_millis(2);

/// How much is opened.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Opens a second, of all processes together.
    pub rate: u32,
    /// For how long.
    pub time: Duration,
    /// How many processes.
    pub processes: u32,
}

impl Load {
    /// Runs in `cgroup` until the time is over; gives how many files were opened.
    ///
    /// # Errors
    /// When a process fails or opened less than nine tenths: then the pace says nothing about the machine.
    pub fn run(&self, cgroup: &OwnCgroup) -> anyhow::Result<u64> {
        self.start(cgroup)?.finish()
    }

    /// Starts all processes in `cgroup`.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(&self, cgroup: &OwnCgroup) -> anyhow::Result<Running> {
        let each = (self.rate / self.processes).max(1);
        let wanted = u64::from(each) * u64::from(self.processes) * millis(self.time) / 1000;
        let mut running = Running { children: Vec::new(), wanted, dir: tempfile::tempdir()? };
        let mut starts = Vec::new();
        for number in 0..self.processes {
            let files = running.dir.path().join(format!("service-{number}/data"));
            make_files(&files)?;
            let mut child = Command::new(std::env::current_exe()?)
                .args(["load", &each.to_string(), &self.time.as_millis().to_string()])
                .arg(files)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            starts.push(child.stdin.take().context("stdin is piped")?);
            let id = child.id();
            running.children.push(child);
            cgroup.add(id)?;
        }
        starts.iter_mut().try_for_each(|start| start.write_all(b"g"))?;
        Ok(running)
    }
}

/// The processes of a load; dropping it ends them.
#[derive(Debug)]
pub struct Running {
    children: Vec<Child>,
    wanted: u64,
    dir: tempfile::TempDir,
}

impl Running {
    /// Waits for the end of the load; gives how many files were opened.
    ///
    /// # Errors
    /// As [`Load::run`].
    pub fn finish(mut self) -> anyhow::Result<u64> {
        let mut opened = 0;
        for child in self.children.drain(..) {
            let output = child.wait_with_output()?;
            ensure!(output.status.success(), "a process of the load failed: {}", output.status);
            opened += String::from_utf8(output.stdout)?.trim().parse::<u64>()?;
        }
        let wanted = self.wanted;
        ensure!(
            opened * 10 >= wanted * 9,
            "the load opened {opened} of {wanted} files: the machine is too busy"
        );
        Ok(opened)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            crate::stack::end(child).unwrap_or_default();
        }
    }
}

fn make_files(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    (0..FILES).try_for_each(|number| std::fs::write(file(dir, number), "x"))?;
    Ok(())
}

fn file(dir: &Path, number: usize) -> std::path::PathBuf {
    dir.join(format!("record-{number:04}.json"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// One process of the load: waits for a byte on standard input, then opens `rate` files a second; gives how many.
///
/// # Errors
/// When a file cannot be opened.
#[expect(clippy::disallowed_methods, reason = "keeping a pace is waiting for time and nothing else")]
pub fn run(rate: u64, time: Duration, dir: &Path) -> anyhow::Result<u64> {
    let files: Vec<_> = (0..FILES).map(|number| file(dir, number)).collect();
    std::io::stdin().read_exact(&mut [0])?;
    let start = Instant::now();
    let (total, mut opened, mut tick) = (rate * millis(time) / 1000, 0_u64, start);
    let mut files = files.iter().cycle();
    while opened < total && start.elapsed() < time + time / 10 {
        let due = u64::try_from(start.elapsed().as_micros())? * rate / 1_000_000;
        for path in files.by_ref().take(usize::try_from(due.min(total).saturating_sub(opened))?) {
            drop(std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?);
            opened += 1;
        }
        tick += TICK;
        std::thread::sleep(tick.saturating_duration_since(Instant::now()));
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_of_the_load_has_files_of_its_own_with_different_names() {
        let dir = tempfile::tempdir().unwrap();
        make_files(&dir.path().join("a/b")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("a/b")).unwrap().count(), FILES);
    }
}
