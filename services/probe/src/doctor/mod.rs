//! What this kernel allows, found by trying; nothing is left behind.

pub mod report;

use std::path::Path;

use crate::bpf;

/// How good one answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Shrike works, with less.
    Limited,
    /// Shrike does not work.
    Missing,
}

impl Verdict {
    /// One word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
    /// What that means.
    pub meaning: String,
    /// What to do about it; empty when nothing is.
    pub advice: String,
}

/// The oldest kernel that is tested.
const OLDEST_KERNEL: (u32, u32) = (6, 1);

/// Capabilities by number, and what each is needed for.
const CAPABILITIES: [(u32, &str, &str); 4] = [
    (39, "CAP_BPF", "loading the programs"),
    (38, "CAP_PERFMON", "programs that look into the kernel"),
    (19, "CAP_SYS_PTRACE", "arguments of processes that ran before the probe"),
    (2, "CAP_DAC_READ_SEARCH", "cgroups and processes of other users"),
];
/// Stands for CAP_BPF and CAP_PERFMON on kernels and in containers that know only it.
const CAP_SYS_ADMIN: u32 = 21;

/// Looks at everything the probe needs.
#[must_use]
pub fn report() -> Vec<Check> {
    let mut checks = vec![kernel(), btf()];
    checks.extend(capabilities());
    checks.push(cgroups());
    let may_try = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| may_load(&status));
    checks.extend(if may_try { hooks() } else { vec![not_tried()] });
    checks
}

/// Whether the capabilities are there without which the kernel refuses every hook, whatever it could do.
fn may_load(status: &str) -> bool {
    let mask = effective(status).unwrap_or(0);
    let has = |number: u32| mask & (1 << number) != 0;
    has(CAP_SYS_ADMIN)
        || CAPABILITIES.iter().filter(|(number, ..)| *number >= 38).all(|(number, ..)| has(*number))
}

fn not_tried() -> Check {
    check(
        "hooks",
        Verdict::Missing,
        "not checked: the kernel lets nobody try them without CAP_BPF and CAP_PERFMON",
        "run `sudo shrike doctor` to see what this kernel allows",
    )
}

fn check(name: &str, verdict: Verdict, meaning: impl Into<String>, advice: &str) -> Check {
    Check { name: name.to_owned(), verdict, meaning: meaning.into(), advice: advice.to_owned() }
}

fn kernel() -> Check {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match version(release) {
        Some(version) if version >= OLDEST_KERNEL => {
            check("kernel", Verdict::Ok, format!("{release}, tested from 6.1 on"), "")
        }
        Some(_) => check(
            "kernel",
            Verdict::Limited,
            format!("{release} is older than 6.1; some hooks may be refused"),
            "look at the hooks below; a kernel of 6.1 or later has them all",
        ),
        None => {
            check("kernel", Verdict::Limited, format!("{release:?} names no version"), "is /proc mounted?")
        }
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn btf() -> Check {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        return check("kernel types (BTF)", Verdict::Ok, "/sys/kernel/btf/vmlinux", "");
    }
    check(
        "kernel types (BTF)",
        Verdict::Missing,
        "/sys/kernel/btf/vmlinux is not there; the programs cannot be fitted to this kernel",
        "mount /sys, or use a kernel with CONFIG_DEBUG_INFO_BTF=y (the default of distributions since 2020)",
    )
}

fn capabilities() -> Vec<Check> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = effective(&status).unwrap_or(0);
    let has = |number: u32| mask & (1 << number) != 0;
    let judge = |(number, name, purpose): (u32, &str, &str)| {
        let is_essential = number >= 38;
        if has(number) || (is_essential && has(CAP_SYS_ADMIN)) {
            return check(name, Verdict::Ok, format!("for {purpose}"), "");
        }
        let verdict = if is_essential { Verdict::Missing } else { Verdict::Limited };
        check(
            name,
            verdict,
            format!("needed for {purpose}"),
            "run the probe as root, or give it this capability",
        )
    };
    CAPABILITIES.into_iter().map(judge).collect()
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn cgroups() -> Check {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let v1: Vec<&str> = bpf::v1_hierarchies().into_iter().map(|hierarchy| hierarchy.controller).collect();
    let v2 = mounts.lines().any(|line| line.split(' ').nth(2) == Some("cgroup2"));
    match (v2, v1.is_empty()) {
        (true, true) => check("cgroups", Verdict::Ok, "version 2", ""),
        (true, false) => check(
            "cgroups",
            Verdict::Ok,
            format!("hybrid: version 2, and version 1 for {}", v1.join(", ")),
            "",
        ),
        (false, false) => check("cgroups", Verdict::Ok, format!("version 1 for {}", v1.join(", ")), ""),
        (false, true) => check(
            "cgroups",
            Verdict::Limited,
            "no hierarchy is mounted; containers cannot be told apart",
            "mount -t cgroup2 none /sys/fs/cgroup",
        ),
    }
}

fn hooks() -> Vec<Check> {
    match bpf::try_hooks() {
        Ok(trials) => trials.into_iter().map(hook).collect(),
        Err(error) => {
            let mut meaning = error.to_string();
            let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
            for cause in causes {
                meaning = format!("{meaning}: {cause}");
            }
            vec![check(
                "bpf maps and ring buffer",
                Verdict::Missing,
                meaning,
                "solve what is missing above, then try again",
            )]
        }
    }
}

fn hook(trial: bpf::HookTrial) -> Check {
    let report = trial.report;
    let name = format!("hook {}", report.kind);
    match report.error {
        None => {
            let refused: String = report.refused.iter().map(|why| format!("; refused: {why}")).collect();
            let meaning = format!("{} on {}{refused}", report.program, report.attach);
            check(&name, Verdict::Ok, meaning, "")
        }
        Some(error) => check(
            &name,
            Verdict::Limited,
            error,
            "the other hooks work without it; a kernel of 6.1 or later with tracepoints and BTF has it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("6.18.44-generic"), Some((6, 18)));
        assert!(version("5.15.0") < Some(OLDEST_KERNEL));
        assert!(version("6.12.1+deb12-cloud-amd64") > Some(OLDEST_KERNEL));
    }

    #[test]
    fn capabilities_are_read_from_the_status() {
        assert_eq!(effective("Name:\tx\nCapEff:\t000001fffeffffff\n"), Some(0x1ff_feff_ffff));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn without_the_capabilities_the_hooks_are_not_tried_and_the_report_says_so() {
        let status = |mask: u64| format!("Name:\tx\nCapEff:\t{mask:016x}\n");
        assert!(may_load(&status(1 << 38 | 1 << 39)) && may_load(&status(1 << 21)));
        assert!(!may_load(&status(0)) && !may_load(&status(1 << 39)) && !may_load("Name:\tx\n"));
        assert!(not_tried().meaning.starts_with("not checked") && not_tried().advice.contains("sudo"));
    }

    #[test]
    fn every_check_that_is_not_ok_says_what_to_do() {
        for check in report() {
            assert!(check.verdict == Verdict::Ok || !check.advice.is_empty(), "{check:?}");
        }
    }
}
