//! `shrike doctor`: what this machine allows, before anything is installed.
//!
//! The kernel is the probe's business, so `shrike-probe doctor` is asked; the rest is checked here. Nothing is
//! changed.

mod runtimes;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::args::{DoctorArgs, Global};
use crate::failure::Failure;
use crate::launch::identity::Identities;
use crate::launch::programs;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::{Terminal, print, print_line};
use crate::view::text::{column, printable};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// Shrike runs, with less.
    Limited,
    /// Shrike does not run.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    name: &'static str,
    outcome: Outcome,
    /// What was found, and what to do unless it is fine.
    text: String,
}

/// Checks and prints; fails unless Shrike can run.
pub(crate) fn run(args: DoctorArgs, global: Global) -> Result<(), Failure> {
    let terminal = Terminal::stdout(global.color);
    let mut checks = vec![privileges(nix::unistd::geteuid().is_root())];
    checks.extend(programs_found());
    checks.push(services_user(args.place.user.as_deref()));
    checks.push(run_dir(&args.place.run_dir));
    checks.push(runtimes::check(args.place.user.as_deref()));
    let (kernel_ok, kernel) = kernel(args.json, terminal)?;
    checks.push(kernel_ok);
    let missing = checks.iter().find(|check| check.outcome == Outcome::Missing);
    let verdict = match missing {
        None => "Ready: start with `sudo shrike demo`, then `sudo shrike run`.".to_owned(),
        Some(check) => format!("Not ready: {}.", check.text),
    };
    if args.json {
        print_line(&report(missing.is_none(), &verdict, &checks, kernel).to_string())?;
    } else {
        print(text(&checks, &verdict, terminal.paint).as_bytes())?;
    }
    if missing.is_some() { Err(Failure::Passed(1)) } else { Ok(()) }
}

fn text(checks: &[Check], verdict: &str, paint: Paint) -> String {
    let widest = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut lines = vec![String::new(), paint.apply(Tone::Strong, "This machine")];
    for check in checks {
        let (word, tone) = match check.outcome {
            Outcome::Ok => ("ok     ", Tone::Good),
            Outcome::Limited => ("limited", Tone::Warn),
            Outcome::Missing => ("missing", Tone::Bad),
        };
        let name = column(check.name, widest);
        lines.push(format!("  {name}  {}  {}", paint.apply(tone, word), printable(&check.text)));
    }
    let is_ready = checks.iter().all(|check| check.outcome != Outcome::Missing);
    let tone = if is_ready { Tone::Good } else { Tone::Bad };
    lines.extend([String::new(), paint.apply(tone, &printable(verdict))]);
    lines.join("\n") + "\n"
}

/// Everything in one list, each check as the probe writes its own.
fn report(is_ready: bool, summary: &str, checks: &[Check], kernel: Vec<Value>) -> Value {
    let checks: Vec<Value> = checks.iter().map(as_json).chain(kernel).collect();
    json!({ "ready": is_ready, "summary": summary, "checks": checks })
}

fn as_json(check: &Check) -> Value {
    let verdict = match check.outcome {
        Outcome::Ok => "ok",
        Outcome::Limited => "limited",
        Outcome::Missing => "missing",
    };
    json!({ "name": check.name, "verdict": verdict, "meaning": check.text, "advice": "" })
}

fn privileges(is_root: bool) -> Check {
    let (outcome, text) = if is_root {
        (Outcome::Ok, "root, which the probe needs to load BPF programs")
    } else {
        (
            Outcome::Missing,
            "the probe needs root to load BPF programs, run `sudo shrike doctor` for the whole picture",
        )
    };
    Check { name: "privileges", outcome, text: text.to_owned() }
}

fn programs_found() -> Vec<Check> {
    let services = ["shrike-probe", "shrike-analyzer", "shrike-reporter"];
    let mut checks: Vec<Check> = services.map(|name| program(name, Outcome::Missing)).into();
    checks.push(program("mock-intake", Outcome::Limited));
    checks
}

fn program(name: &'static str, if_absent: Outcome) -> Check {
    match programs::find(name) {
        Ok(path) => Check { name, outcome: Outcome::Ok, text: path.display().to_string() },
        Err(_absent) => {
            let without = if if_absent == Outcome::Limited { " (only `shrike demo` needs it)" } else { "" };
            let text = format!("{name} is not beside this program or in PATH, build or install it{without}");
            Check { name, outcome: if_absent, text }
        }
    }
}

fn services_user(name: Option<&str>) -> Check {
    let (outcome, text) = match Identities::choose(name) {
        Ok(Identities { analyzer, reporter, .. }) => {
            let (analyzer, reporter) = (analyzer.uid, reporter.uid);
            (Outcome::Ok, format!("the analyzer will run as uid {analyzer}, the reporter as uid {reporter}"))
        }
        Err(failure) => (Outcome::Missing, failure.to_string()),
    };
    Check { name: "user", outcome, text }
}

fn run_dir(dir: &Path) -> Check {
    let existing = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let is_writable =
        existing.is_dir() && nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK).is_ok();
    let (outcome, text) = if is_writable {
        (Outcome::Ok, format!("{} can be used", dir.display()))
    } else {
        (
            Outcome::Limited,
            format!("{} is not writable, a private temporary directory will be used", dir.display()),
        )
    };
    Check { name: "run directory", outcome, text }
}

/// Asks the probe. As text it prints its own report; as JSON it comes back to be part of ours.
fn kernel(as_json: bool, terminal: Terminal) -> Result<(Check, Vec<Value>), Failure> {
    let name = "kernel";
    let Ok(probe) = programs::find("shrike-probe") else {
        let text = "not checked, because shrike-probe is missing".to_owned();
        return Ok((Check { name, outcome: Outcome::Missing, text }, Vec::new()));
    };
    let mut command = Command::new(&probe);
    command.arg("doctor").stdin(Stdio::null());
    let (is_ok, report) = if as_json {
        let output = command.arg("--json").stderr(Stdio::inherit()).output();
        let output = output.map_err(Failure::file("start", &probe))?;
        (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    } else {
        print_line(&terminal.paint.apply(Tone::Strong, "Kernel"))?;
        // Into a pipe the probe writes without colours.
        let stdout = if terminal.paint.is_on() { Stdio::inherit() } else { Stdio::piped() };
        let output = command.stdout(stdout).stderr(Stdio::inherit()).output();
        let output = output.map_err(Failure::file("start", &probe))?;
        print(&output.stdout)?;
        (output.status.success(), Vec::new())
    };
    let (outcome, text) = if !is_ok && !nix::unistd::geteuid().is_root() {
        (Outcome::Missing, "not checked, only root may try the hooks: run `sudo shrike doctor`")
    } else if is_ok {
        (Outcome::Ok, "every hook that is needed can be loaded")
    } else {
        (
            Outcome::Missing,
            "this kernel or its settings refuse hooks, see the report of the probe for which and why",
        )
    };
    Ok((Check { name, outcome, text: text.to_owned() }, report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_root_the_machine_is_not_ready_and_the_verdict_says_what_to_do() {
        let checks = [privileges(false)];
        let page = text(&checks, "Not ready: x.", Paint::new(false));
        assert!(page.contains("privileges  missing  the probe needs root"), "{page}");
        assert!(page.ends_with("\nNot ready: x.\n"), "{page}");
    }

    #[test]
    fn the_report_for_programs_has_one_shape_for_every_check() {
        let of_probe = json!({ "name": "btf", "verdict": "ok", "meaning": "x", "advice": "" });
        let report = report(false, "Not ready", &[privileges(false)], vec![of_probe]);
        let keys = |check: &Value| check.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let checks = report["checks"].as_array().unwrap();
        assert_eq!(checks.len(), 2);
        assert_eq!(keys(&checks[0]), keys(&checks[1]));
    }

    #[test]
    fn a_run_directory_below_a_file_is_not_usable() {
        assert_eq!(run_dir(Path::new("/proc/version/x")).outcome, Outcome::Limited);
    }
}
