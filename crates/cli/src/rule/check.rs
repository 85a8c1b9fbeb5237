//! `shrike rule check`: what is wrong with rules, where, and what to write instead.

use std::io::Read;
use std::path::Path;

use rule_model::Fields;
use secl::{Binding, Macros, Model, check_rule};

use super::remark;
use crate::args::RuleCheckArgs;
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::{ColorMode, Terminal, print_line};
use crate::view::text::printable;

/// The largest file of rules; policies of ten thousand rules are far smaller.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Prints what there is to say of each rule. Fails when one of them has errors.
pub(crate) fn run(args: &RuleCheckArgs, color: ColorMode) -> Result<(), Failure> {
    let (name, text) = read(&args.rules)?;
    let fields = Fields::new(super::os(args.os));
    let report = report(&text, &fields, Terminal::stdout(color).paint);
    report.lines.iter().try_for_each(|line| print_line(line))?;
    match report {
        Report { all: 0, .. } => Err(Failure::NoRule { name }),
        Report { wrong: 0, .. } => Ok(()),
        Report { wrong, all, .. } => Err(Failure::Rules { wrong, all }),
    }
}

/// The text of the rules, and where it comes from: standard input, a file if there is one, else the argument itself.
fn read(rules: &str) -> Result<(String, String), Failure> {
    let mut text = String::new();
    if rules == "-" {
        std::io::stdin()
            .take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(Failure::system("read the rules from standard input"))?;
        return Ok(("standard input".to_owned(), text));
    }
    let path = Path::new(rules);
    // A rule is no path: every rule has a blank or a quote, and no file of rules is named like one by accident.
    if !path.is_file() && (path.exists() || !looks_like_a_path(rules)) {
        return Ok(("the argument".to_owned(), rules.to_owned()));
    }
    let file = std::fs::File::open(path).map_err(Failure::file("open", path))?;
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(Failure::file("read", path))?;
    Ok((rules.to_owned(), text))
}

fn looks_like_a_path(text: &str) -> bool {
    let is_word = !text.contains(|c: char| c.is_whitespace() || "\"=<>!&|~".contains(c));
    is_word && (text.contains('/') || text.ends_with(".secl"))
}

/// What there is to say of some rules.
#[derive(Debug, Default)]
struct Report {
    lines: Vec<String>,
    all: usize,
    wrong: usize,
}

fn report(text: &str, fields: &Fields, paint: Paint) -> Report {
    let mut report = Report::default();
    for (start, rule_text) in rules(text) {
        report.all += 1;
        let remarks = match check_rule(rule_text, fields, &Macros::default(), Binding::OneEventType) {
            Ok(rule) => {
                let event = rule.event_type().and_then(|at| fields.event_types().get(at)).copied();
                let shown = rule_text.split_whitespace().collect::<Vec<_>>().join(" ");
                let ok = paint.apply(Tone::Good, "ok");
                report.lines.push(format!("{ok}  {}  {}", event.unwrap_or("any event"), printable(&shown)));
                rule.warnings().to_vec()
            }
            Err(errors) => {
                report.wrong += 1;
                errors
            }
        };
        // Lines are counted in the whole text, as an editor shows it.
        report.lines.extend(remarks.into_iter().map(|found| remark(&found.shifted(start), text, paint)));
    }
    report
}

/// The rules of a text, with their places: what stands between empty lines. What holds comments only is no rule.
fn rules(text: &str) -> Vec<(usize, &str)> {
    let mut rules: Vec<(usize, &str)> = Vec::new();
    let (mut start, mut at, mut has_rule) = (0, 0, false);
    let mut close = |start: usize, end: usize, has_rule: bool| {
        if let Some(rule) = text.get(start..end).filter(|_| has_rule) {
            rules.push((start, rule.trim_end()));
        }
    };
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        if content.is_empty() {
            close(start, at, has_rule);
            (start, has_rule) = (at + line.len(), false);
        }
        has_rule |= !content.is_empty() && !content.starts_with('#') && !content.starts_with("//");
        at += line.len();
    }
    close(start, at, has_rule);
    rules
}

#[cfg(test)]
mod tests {
    use rule_model::Os;

    use super::*;

    fn shown(text: &str) -> (usize, usize, String) {
        let Report { lines, all, wrong } = report(text, &Fields::new(Os::Linux), Paint::new(false));
        (all, wrong, lines.join("\n"))
    }

    #[test]
    fn a_file_holds_rules_between_empty_lines_and_errors_have_its_line_numbers() {
        let text =
            "# rules\n\nopen.file.path == \"/a\"\n  && open.flags > 0\n\n\n# why\nexec.file.pth == \"/b\"\n";
        let (all, wrong, shown) = shown(text);
        assert_eq!((all, wrong), (2, 1), "{shown}");
        assert!(shown.contains("ok  open  open.file.path == \"/a\" && open.flags > 0"), "{shown}");
        assert!(shown.contains("8:1 | exec.file.pth"), "{shown}");
        assert!(shown.contains("did you mean `exec.file.path`"), "{shown}");
    }

    #[test]
    fn warnings_are_shown_and_are_no_errors() {
        let (all, wrong, shown) = shown("mkdir.file.path == \"/x\"");
        assert_eq!((all, wrong), (1, 0));
        assert!(shown.contains("warning: mkdir events are not reported yet"), "{shown}");
    }

    #[test]
    fn a_rule_without_an_event_cannot_be_used() {
        assert!(shown("process.uid == 0").2.contains("no event in the rule definition"));
        assert_eq!(shown("# nothing\n").0, 0);
    }

    #[test]
    fn an_argument_is_a_file_when_there_is_one_or_when_it_looks_like_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.secl");
        std::fs::write(&file, "b").unwrap();
        assert_eq!(read(file.to_str().unwrap()).unwrap().1, "b");
        assert_eq!(read("open.file.path == \"/etc/x\"").unwrap().1, "open.file.path == \"/etc/x\"");
        assert_eq!(read("exec.is_exec").unwrap().1, "exec.is_exec");
        for missing in ["rules.secl", "/etc/no-such-rules"] {
            assert!(matches!(read(missing), Err(Failure::File { .. })), "{missing}");
        }
    }
}
