//! `shrike capture`: what is in a capture file, and its form for people.

use std::io::{BufReader, BufWriter};
use std::path::Path;

use capture::convert::{from_jsonl, to_jsonl};
use capture::{Item, Reader};
use event::{Kind, PerKind};
use indicatif::HumanBytes;

use crate::failure::Failure;
use crate::record::{keep, unfinished};
use crate::view::paint::Tone;
use crate::view::terminal::{ColorMode, Terminal, note, print_line};
use crate::view::text::{column, grouped, printable};

/// What a file is, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Capture,
    JsonLines,
}

/// Converts `input` to the other form; `output` appears when it is complete.
pub(crate) fn convert(input: &Path, output: &Path, force: bool) -> Result<(), Failure> {
    let (from, to) = (form(input)?, form(output)?);
    let failed = |source| Failure::Conversion { path: input.to_owned(), source };
    let lines = std::fs::File::open(input).map_err(Failure::file("open", input))?;
    let mut unfinished = unfinished(output, force)?;
    let writer = BufWriter::new(unfinished.as_file_mut());
    let converted = match (from, to) {
        (Form::Capture, Form::JsonLines) => {
            let reader = Reader::open(input).map_err(|source| failed(source.into()))?;
            to_jsonl(reader, writer)
        }
        (Form::JsonLines, Form::Capture) => from_jsonl(BufReader::new(lines), writer),
        _ => return Err(Failure::SameForm { path: output.to_owned() }),
    };
    let converted = converted.map_err(failed)?;
    keep(unfinished, output, force)?;
    note(&format!("{}: {} events", output.display(), grouped(converted.events.into())));
    Ok(())
}

fn form(path: &Path) -> Result<Form, Failure> {
    match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("cap") => Ok(Form::Capture),
        Some("jsonl") => Ok(Form::JsonLines),
        _ => Err(Failure::UnknownEnding { path: path.to_owned() }),
    }
}

/// What a capture holds.
#[derive(Debug, Default)]
struct Summary {
    hosts: Vec<event::Host>,
    batches: u64,
    processes: u64,
    events: PerKind<u64>,
    first_ns: Option<u64>,
    last_ns: u64,
}

/// Prints what `file` holds, also the part before damage.
pub(crate) fn info(file: &Path, color: ColorMode) -> Result<(), Failure> {
    let failed = |source| Failure::Capture { path: file.to_owned(), source };
    let bytes = std::fs::metadata(file).map_err(Failure::file("open", file))?.len();
    let mut summary = Summary::default();
    let mut damage = None;
    for item in Reader::open(file).map_err(failed)? {
        match item {
            Ok(item) => summary.add(&item),
            Err(error) => damage = Some(failed(error)),
        }
    }
    let paint = Terminal::stdout(color).paint;
    print_line(&paint.apply(Tone::Strong, &format!("{}, {}", file.display(), HumanBytes(bytes))))?;
    for line in summary.lines() {
        print_line(&line)?;
    }
    damage.map_or(Ok(()), Err)
}

impl Summary {
    fn add(&mut self, item: &Item) {
        match item {
            Item::Hello(host) => self.hosts.push(host.clone()),
            Item::Batch(batch) => {
                self.batches += 1;
                // One that does not decode still counts as a batch; the replay says what is wrong with it.
                let Ok(decoded) = wire::batch::decode(batch) else { return };
                self.processes += u64::try_from(decoded.processes.len()).unwrap_or(u64::MAX);
                for event in &decoded.events {
                    *self.events.get_mut(event.kind()) += 1;
                    self.first_ns =
                        Some(self.first_ns.map_or(event.boot_ns, |first| first.min(event.boot_ns)));
                    self.last_ns = self.last_ns.max(event.boot_ns);
                }
            }
            Item::Status(_) => {}
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut field = |name: &str, value: String| lines.push(format!("  {} {value}", column(name, 10)));
        for host in &self.hosts {
            field("host", format!("{}, kernel {}", printable(&host.hostname), printable(&host.kernel)));
        }
        if let (Some(first), Some(host)) = (self.first_ns, self.hosts.first()) {
            field("from", wall(first, host));
            field("to", wall(self.last_ns, host));
        }
        field("batches", grouped(self.batches.into()));
        field("processes", format!("{} at the start", grouped(self.processes.into())));
        for kind in Kind::ALL {
            field(kind.name(), grouped(self.events.get(kind).into()));
        }
        lines
    }
}

fn wall(boot_ns: u64, host: &event::Host) -> String {
    let ns = i128::from(boot_ns) + i128::from(host.wall_offset_ns);
    jiff::Timestamp::from_nanosecond(ns).map_or_else(|_| "?".to_owned(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_what_a_file_is() {
        assert_eq!(form(Path::new("a/b.cap")).unwrap(), Form::Capture);
        assert_eq!(form(Path::new("b.jsonl")).unwrap(), Form::JsonLines);
        assert!(form(Path::new("b.json")).unwrap_err().to_string().contains(".jsonl"));
    }

    #[test]
    fn a_file_that_is_no_capture_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.cap");
        std::fs::write(&file, "garbage").unwrap();
        let error = info(&file, ColorMode::Never).unwrap_err().to_string();
        assert!(error.contains("x.cap"), "{error}");
        let output = dir.path().join("x.jsonl");
        assert!(convert(&file, &output, false).is_err());
        assert!(!output.exists(), "a failed conversion leaves no file");
    }

    #[test]
    fn a_summary_counts_what_the_batches_hold() {
        let mut summary = Summary::default();
        summary.add(&Item::Hello(event::Host { hostname: "a\u{1b}".into(), ..event::Host::default() }));
        let text = summary.lines().join("\n");
        assert!(text.contains("a\\x1b") && text.contains("batches    0"), "{text}");
    }
}
