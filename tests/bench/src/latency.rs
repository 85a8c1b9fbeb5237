//! From the event in the kernel to its line in the output file.
//!
//! The file is followed by inotify, so nothing waits for a clock; a line's age is the time at which its end was read
//! minus the time of the event that it carries.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use workloads::cgroup::OwnCgroup;

use crate::load::Load;
use crate::programs::{Programs, Taker};
use crate::report::Report;
use crate::spread::{Spread, quantile};
use crate::stack::Stack;

const ROUNDS: usize = 3;
/// Opens a second: a quiet service, and a busy node.
const RATES: [u32; 2] = [100, 20_000];
const EACH: Duration = Duration::from_secs(4);
const DAY_MS: f64 = 86_400_000.0;
/// Made beside the followed file to say that nothing more comes.
const STOP: &str = "stop";

/// Milliseconds of one round.
struct Round {
    p50: f64,
    p99: f64,
    lost: u64,
}

/// Measures both versions at both rates, in turn.
///
/// # Errors
/// When a stack cannot be started.
pub async fn run(report: &mut Report, all: &[&Programs], rounds: Option<usize>) -> anyhow::Result<()> {
    report.title("latency: from the event to its line in the file, milliseconds");
    for rate in RATES {
        let mut measured: Vec<Vec<Round>> = all.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds.unwrap_or(ROUNDS) {
            for (programs, rounds) in all.iter().zip(&mut measured) {
                rounds.push(one(programs, rate).await?);
            }
        }
        for (programs, rounds) in all.iter().zip(&measured) {
            let name = format!("{rate} opens/s, {}", programs.name);
            let lost: u64 = rounds.iter().map(|round| round.lost).sum();
            if lost > 0 {
                report.void(&name, format!("{lost} events lost"));
                continue;
            }
            let of = |pick: fn(&Round) -> f64| Spread::of(rounds.iter().map(pick).collect());
            if let (Some(p50), Some(p99)) = (of(|round| round.p50), of(|round| round.p99)) {
                report.line(&name, format!("p50 {p50:.1}"), format!("p99 {p99:.1}"));
            }
        }
    }
    Ok(())
}

async fn one(programs: &Programs, rate: u32) -> anyhow::Result<Round> {
    let cgroup = OwnCgroup::new(&format!("shrike-bench-{}", std::process::id()))?;
    let stack = Stack::start(programs, cgroup.path(), Taker::File, None).await?;
    let file = stack.events();
    let following = std::thread::spawn(move || follow(&file));
    let load = Load { rate, time: EACH, processes: 2 };
    let opened = tokio::task::block_in_place(|| load.run(&cgroup))?;
    let tally = stack.settled(opened).await?;
    std::fs::write(stack.events().with_file_name(STOP), "")?;
    let joined = tokio::task::spawn_blocking(move || following.join()).await?;
    let mut ages = joined.ok().context("the thread that followed the file ended early")??;
    stack.stop()?;
    ages.sort_by(f64::total_cmp);
    let at = |share| quantile(&ages, share).context("no line with a date came");
    Ok(Round { p50: at(0.5)?, p99: at(0.99)?, lost: tally.lost })
}

/// The age of every line of `file`, in milliseconds, until there is a file [`STOP`] beside it.
fn follow(file: &Path) -> anyhow::Result<Vec<f64>> {
    let dir = file.parent().context("a file is in a directory")?;
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(dir, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE)?;
    let (mut open, mut ages, mut rest, mut chunk) = (None, Vec::new(), Vec::new(), vec![0; 1 << 20]);
    loop {
        if open.is_none() {
            open = File::open(file).ok();
        }
        while let Some(file) = &mut open {
            let got = file.read(&mut chunk)?;
            if got == 0 {
                break;
            }
            rest.extend_from_slice(chunk.get(..got).unwrap_or_default());
            let now = now_in_day()?;
            let complete = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            let lines: Vec<u8> = rest.drain(..complete).collect();
            let lines = lines.split(|byte| *byte == b'\n');
            ages.extend(lines.filter_map(time_in_day).map(|time| (now - time).rem_euclid(DAY_MS)));
        }
        if dir.join(STOP).exists() {
            return Ok(ages);
        }
        // Modifications while we read are waiting in there, so none is missed.
        inotify.read_events()?;
    }
}

fn now_in_day() -> anyhow::Result<f64> {
    Ok((SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1000.0).rem_euclid(DAY_MS))
}

/// The time of the event in a line, in milliseconds since midnight. Text in the document cannot look like the key:
/// its quotes are escaped.
fn time_in_day(line: &[u8]) -> Option<f64> {
    let line = std::str::from_utf8(line).ok()?;
    let (_, date) = line.split_once("\"date\":\"")?;
    let (_, time) = date.split_once('T')?;
    let (time, _) = time.split_once('Z')?;
    let mut parts = time.split(':').map(str::parse::<f64>);
    let mut next = || parts.next()?.ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    Some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_event_is_found_in_its_line() {
        let line = br#"{"evt":{"name":"open"},"date":"2026-03-01T12:03:40.500000123Z","dd":{}}"#;
        assert!((time_in_day(line).unwrap() - 43_420_500.0).abs() < 0.001);
        assert_eq!(time_in_day(b""), None);
    }

    #[test]
    fn a_file_name_that_looks_like_a_date_is_not_taken_for_one() {
        let line = br#"{"file":{"name":"\"date\":\"2026-03-01T00:00:00Z"},"date":"2026-03-01T00:00:01Z"}"#;
        assert!((time_in_day(line).unwrap() - 1000.0).abs() < 0.001);
    }

    #[test]
    fn lines_are_read_until_the_end_is_announced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events.json");
        std::fs::write(&file, "{\"date\":\"2026-03-01T00:00:01Z\"}\n{\"date\":\"2026-03-01T00:00:02Z\"}\n{")
            .unwrap();
        std::fs::write(dir.path().join(STOP), "").unwrap();
        assert_eq!(follow(&file).unwrap().len(), 2);
    }
}
