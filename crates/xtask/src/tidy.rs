//! Holds the house rules that no compiler knows: file size, headers, names, metrics, ring access, links, named tests.
//!
//! Reads text only and changes nothing. A rule looks at one file and knows nothing of the others, but for
//! [`metrics`], [`table`], [`proofs`] and [`unrun`], which need all files to see that a counter counts, that it is in the table
//! of metrics, that a named test exists and that each test is run.

mod links;
mod metrics;
mod proofs;
mod table;
mod unrun;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Lines without tests from which a file is worth splitting, and from which it must be.
const LINES_WARN: usize = 400;
const LINES_FAIL: usize = 600;

/// Names that say nothing of what a file holds, so that everything ends up in it.
const DUMPING_GROUNDS: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "misc", "shared", "types", "stuff"];

/// Folders that hold no source: builds, downloads, and what programs wrote while they ran.
const SKIPPED_FOLDERS: [&str; 7] = [".git", ".cache", ".run", "target", "corpus", "artifacts", "__pycache__"];

/// Endings of the files that are read at all.
const READ_ENDINGS: [&str; 13] =
    ["rs", "c", "h", "md", "toml", "proto", "sh", "yaml", "yml", "service", "conf", "py", "json"];

/// One file of the repository, by its path from the root.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn ending(&self) -> &str {
        self.path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
    }

    /// Generated code is nobody's style: only the generator can change it.
    fn is_generated(&self) -> bool {
        self.path.file_stem().is_some_and(|stem| stem == "generated")
    }

    /// Whether the whole file is tests: `tests.rs`, or a file below a crate's `tests` or `benches` folder.
    fn is_test(&self) -> bool {
        let in_crate = self.path.components().skip(2);
        self.path.file_stem().is_some_and(|stem| stem == "tests")
            || in_crate.into_iter().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
    }

    /// The text before the unit tests, which by convention end a file.
    fn without_tests(&self) -> &str {
        self.text.split_once("\n#[cfg(test)]\nmod tests {").map_or(&self.text, |(code, _)| code)
    }
}

/// One rule that a file breaks.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: PathBuf,
    /// Counted from 1; the whole file when absent.
    line: Option<usize>,
    text: String,
    /// A warning is shown, a failure also fails the check.
    fatal: bool,
}

impl Finding {
    fn fatal(source: &Source, line: Option<usize>, text: impl Into<String>) -> Self {
        Self { path: source.path.clone(), line, text: text.into(), fatal: true }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.fatal { "error" } else { "warning" }, self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Checks the repository at `root` and prints what breaks a rule.
///
/// # Errors
/// When a file breaks a rule or cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let sources = read_sources(root)?;
    let mut findings = check(root, &sources);
    findings.extend(table::differences(bootstrap::metrics::all(), &sources));
    let mut err = std::io::stderr().lock();
    for finding in &findings {
        writeln!(err, "{finding}")?;
    }
    let fatal = findings.iter().filter(|finding| finding.fatal).count();
    if fatal > 0 {
        bail!("{fatal} breaches of the house rules, listed above");
    }
    writeln!(err, "tidy: {} files, {} warnings", sources.len(), findings.len())?;
    Ok(())
}

fn check(root: &Path, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        findings.extend(size(source));
        findings.extend(header(source));
        findings.extend(dumping_ground(source));
        findings.extend(raw_ring_access(source));
        findings.extend(unfinished(source));
        findings.extend(metrics::names(source));
        findings.extend(links::broken(root, source));
    }
    findings.extend(metrics::never_counted(sources));
    findings.extend(proofs::missing(sources));
    findings.extend(unrun::left_out(sources));
    findings
}

fn read_sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !path.is_symlink() && !SKIPPED_FOLDERS.contains(&name) {
                folders.push(path);
            } else if path.is_file() && is_read(&path) {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {} as text", path.display()))?;
                sources.push(Source { path: path.strip_prefix(root)?.to_owned(), text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn is_read(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| READ_ENDINGS.contains(&ending))
        || path.file_name().is_some_and(|name| name == "Makefile" || name == "Dockerfile")
}

fn size(source: &Source) -> Option<Finding> {
    if !["rs", "c", "h"].contains(&source.ending()) || source.is_test() || source.is_generated() {
        return None;
    }
    let lines = source.without_tests().lines().count();
    (lines > LINES_WARN).then(|| Finding {
        path: source.path.clone(),
        line: None,
        text: format!(
            "{lines} lines without tests: split it (warning from {LINES_WARN}, error from {LINES_FAIL})"
        ),
        fatal: lines > LINES_FAIL,
    })
}

/// `tests.rs` needs no header: it is the second half of the file beside its folder.
fn header(source: &Source) -> Option<Finding> {
    if source.path.ends_with("tests.rs") {
        return None;
    }
    let first = source.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let (present, wanted) = match source.ending() {
        "rs" => (first.starts_with("//!"), "`//!`"),
        "c" | "h" => (first.starts_with("//") || first.starts_with("/*"), "a comment"),
        _ => return None,
    };
    (!present).then(|| {
        Finding::fatal(
            source,
            Some(1),
            format!("starts without {wanted}: say what the file is for and what holds"),
        )
    })
}

fn dumping_ground(source: &Source) -> Option<Finding> {
    let parts = source.path.iter().filter_map(|part| Path::new(part).file_stem()?.to_str());
    let name = parts.into_iter().find(|part| DUMPING_GROUNDS.contains(part))?;
    Some(Finding::fatal(
        source,
        None,
        format!("`{name}` says nothing: name it for what it holds, beside its user"),
    ))
}

/// A record that bypasses `ring.h` is neither zeroed nor counted when it is lost.
fn raw_ring_access(source: &Source) -> Vec<Finding> {
    const WAYS: [&str; 4] = [
        "bpf_ringbuf_output(",
        "bpf_ringbuf_reserve(",
        "bpf_ringbuf_reserve_dynptr(",
        "bpf_perf_event_output(",
    ];
    if !source.path.starts_with("ebpf") || source.path == Path::new("ebpf/ring.h") {
        return Vec::new();
    }
    numbered(&source.text)
        .filter(|(_, line)| WAYS.iter().any(|way| line.contains(way)))
        .map(|(n, _)| {
            Finding::fatal(source, Some(n), "writes to a ring directly: use ring.h, which counts losses")
        })
        .collect()
}

fn unfinished(source: &Source) -> Vec<Finding> {
    // Spelled in two halves so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    numbered(&source.text)
        .filter_map(|(n, line)| Some((n, marks.into_iter().find(|mark| line.contains(mark))?)))
        .map(|(n, mark)| Finding::fatal(source, Some(n), format!("{mark}: finish it, or open an issue")))
        .collect()
}

/// The lines of a text with their numbers, from 1.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests;
