//! What a stack costs when nothing happens: memory, and how often it wakes up.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use workloads::cgroup::OwnCgroup;

use crate::load::Load;
use crate::programs::{Programs, Taker};
use crate::report::Report;
use crate::stack::{SERVICES, Stack};

/// Long enough for timers of several seconds.
const WATCHED: Duration = Duration::from_secs(30);
/// What happens before: memory is that of a stack that has worked, not of one that just started.
const LOAD: Load = Load { rate: 5000, time: Duration::from_secs(2), processes: 2 };

/// Measures all versions over the same 30 seconds.
///
/// # Errors
/// When a stack cannot be started.
pub async fn run(report: &mut Report, all: &[&Programs]) -> anyhow::Result<()> {
    report.title(&format!("idle, for {} s after a load", WATCHED.as_secs()));
    let mut stacks = Vec::new();
    for (number, programs) in all.iter().enumerate() {
        let cgroup = OwnCgroup::new(&format!("shrike-bench-{}-{number}", std::process::id()))?;
        let stack = Stack::start(programs, cgroup.path(), Taker::File, None).await?;
        let opened = tokio::task::block_in_place(|| LOAD.run(&cgroup))?;
        stack.settled(opened).await?;
        stacks.push((programs, stack, cgroup));
    }
    // What still has to be written, freed or closed after the load.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut before = Vec::new();
    for (_, stack, _) in &stacks {
        before.push((each(stack, switches)?, stack.cpu()?));
    }
    tokio::time::sleep(WATCHED).await;
    for (number, ((programs, stack, _), (woken, cpu))) in stacks.iter().zip(before).enumerate() {
        let after = each(stack, switches)?;
        let per_second = |index: usize| -> Option<f64> {
            let count = after.get(index)?.checked_sub(*woken.get(index)?)?;
            Some(precise(count) / WATCHED.as_secs_f64())
        };
        let rates = parts(SERVICES.len(), |index| per_second(index).unwrap_or(f64::NAN));
        let used = stack.cpu()?.iter().sum::<Duration>() - cpu.iter().sum::<Duration>();
        let cpu = used.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
        let memory: Vec<f64> = each(stack, pss_kib)?.iter().map(|kib| precise(*kib) / 1024.0).collect();
        let memory = parts(SERVICES.len(), |index| memory.get(index).copied().unwrap_or(f64::NAN));
        let woken =
            (format!("wake-ups per second, {}", programs.name), rates, format!("; {cpu:.3} % of a CPU"));
        let memory = (format!("memory (PSS), MiB, {}", programs.name), memory, String::new());
        for ((name, (sum, parts), more), limit) in [(woken, 4.0), (memory, 32.0)] {
            let (value, beside) = (format!("{sum:.1}"), format!("{parts}{more}"));
            if number == 0 {
                report.target(&name, value, beside, &format!("≤ {limit}"), sum <= limit);
            } else {
                report.line(&name, value, beside);
            }
        }
    }
    stacks.into_iter().try_for_each(|(_, stack, _)| stack.stop())
}

/// The sum of a value of each service, and the values for people.
fn parts(count: usize, value: impl Fn(usize) -> f64) -> (f64, String) {
    let values: Vec<f64> = (0..count).map(value).collect();
    let named = SERVICES.iter().zip(&values);
    let text: Vec<String> =
        named.map(|(name, value)| format!("{} {value:.1}", name.trim_start_matches("shrike-"))).collect();
    (values.iter().sum(), text.join(" + "))
}

fn each(stack: &Stack, of: fn(i32) -> anyhow::Result<u64>) -> anyhow::Result<Vec<u64>> {
    stack.pids.iter().map(|pid| of(*pid)).collect()
}

/// How often threads of a process gave up a CPU, willingly or not: each was woken before.
fn switches(pid: i32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += field(&task?.path().join("status"), "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

fn pss_kib(pid: i32) -> anyhow::Result<u64> {
    field(Path::new(&format!("/proc/{pid}/smaps_rollup")), "Pss:")
}

/// The sum of all lines whose name ends like this: `nonvoluntary_…` belongs to `voluntary_…`.
fn field(path: &Path, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    sum_of(&text, name).with_context(|| format!("{} has no {name}", path.display()))
}

fn sum_of(text: &str, name: &str) -> Option<u64> {
    let values = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|first| first.ends_with(name))?;
        words.next()?.parse::<u64>().ok()
    });
    values.reduce(|sum, value| sum + value)
}

#[expect(clippy::cast_precision_loss, reason = "counts of half a minute are exact in an f64")]
fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_give_up_a_cpu_count() {
        let text = "Pid:\t7\nvoluntary_ctxt_switches:\t30\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(sum_of(text, "voluntary_ctxt_switches:"), Some(34));
        assert_eq!(sum_of("Pss:  120 kB\nPss_Anon:  60 kB\n", "Pss:"), Some(120));
        assert_eq!(sum_of("", "Pss:"), None);
    }
}
