//! What to measure, and what to measure it beside: all of it from the environment, so that `make bench NAME=value` works.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;

/// A part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What a hook adds to system calls.
    Hooks,
    /// Decoding, process tree and JSON on one core.
    User,
    /// Events per CPU-second of all processes.
    EndToEnd,
    /// From the event to the output.
    Latency,
    /// Memory and wake-ups when nothing happens.
    Idle,
    /// From the start to the first event.
    Start,
    /// Reading and evaluating rules on one core.
    Rules,
    /// Activity trees and their files on one core.
    Trees,
}

impl Part {
    const NAMES: [(&'static str, Self); 8] = [
        ("e2e", Self::EndToEnd),
        ("latency", Self::Latency),
        ("idle", Self::Idle),
        ("start", Self::Start),
        ("hooks", Self::Hooks),
        ("user", Self::User),
        ("rules", Self::Rules),
        ("trees", Self::Trees),
    ];
}

/// Everything that can be chosen.
#[derive(Debug)]
pub struct Options {
    /// `ROWS=e2e,idle`: the parts to run. Default all.
    pub parts: Vec<Part>,
    /// `SHRIKE_BIN=dir`: the programs to measure. Default: those beside the bench.
    pub programs: PathBuf,
    /// `BASELINE_BIN=dir`: the programs of the first version.
    pub baseline: Option<PathBuf>,
    /// `KINDS=exec,open`: the kinds that our probe reports in one more row of `hooks`, to compare with a version that knew
    /// no others.
    pub kinds: Vec<String>,
    /// `PEER_SCAP_OPEN=path`: the peer.
    pub peer: Option<PathBuf>,
    /// `PEER_SCAP_ARGS`: its arguments.
    pub peer_args: Vec<String>,
    /// `BPFTRACE=path`: default the one in `PATH`.
    pub bpftrace: PathBuf,
    /// `ROUNDS`: how often each variant is measured, instead of what a part thinks right.
    pub rounds: Option<usize>,
    /// `RATE`: opens a second of the end-to-end load.
    pub rate: u32,
    /// `SECONDS_EACH`: how long that load lasts.
    pub time: Duration,
}

/// The system calls of an ordinary set of rules, for the peer: without it, it traces every one there is.
const PEER_SYSTEM_CALLS: [u16; 42] = [
    5, 8, 9, 13, 17, 18, 25, 26, 27, 55, 59, 75, 76, 115, 127, 132, 133, 134, 141, 197, 200, 202, 203, 204,
    207, 214, 242, 243, 245, 258, 303, 304, 314, 315, 320, 322, 323, 324, 325, 327, 328, 396,
];

impl Options {
    /// Reads the environment through `get`.
    ///
    /// # Errors
    /// For a value that makes no sense, with what would.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let beside = || -> anyhow::Result<PathBuf> {
            let own = std::env::current_exe()?;
            Ok(own.parent().context("a program is in a directory")?.to_owned())
        };
        Ok(Self {
            parts: parts(&get("ROWS").unwrap_or_default())?,
            programs: get("SHRIKE_BIN").map_or_else(beside, |dir| Ok(dir.into()))?,
            baseline: get("BASELINE_BIN").map(PathBuf::from),
            kinds: get("KINDS").map_or_else(Vec::new, |kinds| kinds.split(',').map(str::to_owned).collect()),
            peer: get("PEER_SCAP_OPEN").map(PathBuf::from),
            peer_args: get("PEER_SCAP_ARGS")
                .map_or_else(peer_args, |text| text.split_whitespace().map(str::to_owned).collect()),
            bpftrace: get("BPFTRACE").unwrap_or_else(|| "bpftrace".to_owned()).into(),
            rounds: get("ROUNDS").map(|text| number("ROUNDS", &text)).transpose()?,
            rate: get("RATE").map_or(Ok(24_000), |text| number("RATE", &text))?,
            time: Duration::from_secs(
                get("SECONDS_EACH").map_or(Ok(8), |text| number("SECONDS_EACH", &text))?,
            ),
        })
    }
}

fn parts(text: &str) -> anyhow::Result<Vec<Part>> {
    if text.is_empty() {
        return Ok(Part::NAMES.iter().map(|(_, part)| *part).collect());
    }
    let known = || Part::NAMES.map(|(name, _)| name).join(", ");
    text.split(',')
        .map(|wanted| {
            let found = Part::NAMES.iter().find(|(name, _)| *name == wanted.trim());
            found.map(|(_, part)| *part).with_context(|| format!("ROWS: no {wanted:?}, there is {}", known()))
        })
        .collect()
}

fn peer_args() -> Vec<String> {
    let calls = PEER_SYSTEM_CALLS.iter().flat_map(|call| ["--ppm_sc".to_owned(), call.to_string()]);
    std::iter::once("--modern_bpf".to_owned()).chain(calls).collect()
}

fn number<N: FromStr + PartialEq + Default>(name: &str, text: &str) -> anyhow::Result<N> {
    let value = text.parse().ok().filter(|value| *value != N::default());
    value.with_context(|| format!("{name}={text}: give a whole number over 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> anyhow::Result<Options> {
        Options::read(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_a_choice_everything_is_measured() {
        assert_eq!(read(&[]).unwrap().parts.len(), Part::NAMES.len());
        assert_eq!(read(&[("ROWS", "")]).unwrap().parts.len(), Part::NAMES.len());
    }

    #[test]
    fn parts_are_chosen_by_name_and_an_unknown_one_is_refused_with_those_that_exist() {
        assert_eq!(read(&[("ROWS", "idle,e2e")]).unwrap().parts, [Part::Idle, Part::EndToEnd]);
        let error = read(&[("ROWS", "e3e")]).unwrap_err().to_string();
        assert!(error.contains("e3e") && error.contains("latency"), "{error}");
    }

    #[test]
    fn the_peer_is_given_a_set_of_system_calls_unless_told_otherwise() {
        assert_eq!(read(&[]).unwrap().peer_args.len(), 1 + 2 * PEER_SYSTEM_CALLS.len());
        assert_eq!(read(&[("PEER_SCAP_ARGS", "--kmod  --x")]).unwrap().peer_args, ["--kmod", "--x"]);
    }

    #[test]
    fn no_rounds_and_no_rate_are_refused() {
        assert!(read(&[("ROUNDS", "0")]).is_err() && read(&[("RATE", "fast")]).is_err());
    }
}
