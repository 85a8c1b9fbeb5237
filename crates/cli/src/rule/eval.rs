//! `shrike rule eval`: which events of a capture a rule matches, and why.

use std::sync::Arc;

use event::{Event, ExitStatus, Host, Run, Shared, What};
use jiff::tz::TimeZone;
use rule_model::{Facts, Fields, Os, Seen};
use secl::{Binding, Macros, Rule, check_rule};
use wire::v1::EventMessage;

use super::remark;
use crate::args::RuleEvalArgs;
use crate::failure::Failure;
use crate::recorded::{self, Seen as Recorded};
use crate::view::terminal::{ColorMode, Terminal, note, print_line};
use crate::view::text::grouped;
use crate::view::{event_line, matched};

/// Prints every event that the rule matches, with what held marked in the rule.
pub(crate) fn run(args: &RuleEvalArgs, color: ColorMode) -> Result<(), Failure> {
    let fields = Fields::new(Os::Linux);
    let paint = Terminal::stderr(color).paint;
    let rule = check_rule(&args.rule, &fields, &Macros::default(), Binding::Any).map_err(|errors| {
        errors.iter().for_each(|error| note(&remark(error, &args.rule, paint)));
        Failure::Rules { wrong: 1, all: 1 }
    })?;
    rule.warnings().iter().for_each(|warning| note(&remark(warning, &args.rule, paint)));
    let terminal = Terminal::stdout(color);
    let zone = TimeZone::system();
    let (mut all, mut found) = (0_u64, 0_u64);
    recorded::replay(&args.capture, |seen| {
        let Recorded::Event(host, event, run) = seen else { return Ok(true) };
        all += 1;
        let facts = Facts::new(&fields, Seen { event, run, host, tags: &[] });
        if !is_match(&rule, &facts) {
            return Ok(true);
        }
        found += 1;
        print_line(&event_line::line(&message(host, event, run), &zone, terminal, None))?;
        for line in matched::lines(&rule, &facts, &fields, terminal.paint) {
            print_line(&format!("    {line}"))?;
        }
        Ok(args.count != Some(found))
    })?;
    note(&format!("{} of {} events match", grouped(found.into()), grouped(all.into())));
    Ok(())
}

/// A rule sees the events of its type only, and no rule sees those that no rule can be about.
fn is_match(rule: &Rule, facts: &Facts<'_>) -> bool {
    let event_type = facts.event_type();
    let is_its_type = rule.event_type().is_none_or(|wanted| event_type == Some(wanted));
    event_type.is_some() && is_its_type && rule.matches(facts)
}

/// The event as its line shows it; arguments are left out, because a capture that somebody wrote may have them unscrubbed.
fn message(host: &Host, event: &Event, run: &Arc<Run>) -> EventMessage {
    let mut path = None;
    event.what.each_shared(|part| {
        let of_part = match part {
            Shared::File(file) => Some(file.path.to_string()),
            Shared::Program(exec) => Some(exec.executable.path.to_string()),
            Shared::Text(_) => None,
        };
        path = path.take().or(of_part);
    });
    let program = || run.exec.as_ref().map(|exec| exec.executable.path.to_string());
    let path = path.or_else(program).unwrap_or_default();
    let (retval, detail) = if let What::Exit(status) = &event.what {
        let (code, detail) = match status {
            ExitStatus::Exited(code) => (*code, "exited"),
            ExitStatus::Signaled(signal) => (*signal, "killed"),
            ExitStatus::CoreDumped(signal) => (*signal, "killed, core dumped"),
        };
        (code.into(), detail.to_owned())
    } else {
        (event.what.retval().unwrap_or(0), String::new())
    };
    let container = event.task.cgroup.workload.container_id();
    EventMessage {
        time_ns: i64::try_from(event.boot_ns).unwrap_or(i64::MAX).saturating_add(host.wall_offset_ns),
        kind: event.kind().name().to_owned(),
        container_id: container.map(ToString::to_string).unwrap_or_default(),
        comm: event.task.comm.to_string(),
        pid: event.task.process.tgid,
        path,
        retval,
        detail,
        ..EventMessage::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::view::paint::Paint;

    /// What a rule matches in the example of the documentation: the kind of each event, and its explanation.
    fn matches(text: &str) -> Vec<(&'static str, Vec<String>)> {
        let fields = Fields::new(Os::Linux);
        let rule = check_rule(text, &fields, &Macros::default(), Binding::Any).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/example.capture.jsonl");
        let mut found = Vec::new();
        recorded::replay(&example, |seen| {
            let Recorded::Event(host, event, run) = seen else { return Ok(true) };
            let facts = Facts::new(&fields, Seen { event, run, host, tags: &[] });
            if is_match(&rule, &facts) {
                found.push((event.kind().name(), matched::lines(&rule, &facts, &fields, Paint::new(false))));
            }
            Ok(true)
        })
        .unwrap();
        found
    }

    #[test]
    fn a_rule_matches_the_events_of_the_example_and_says_why() {
        let found =
            matches("open.file.path in [ \"/etc/passwd\", \"/etc/shadow\" ] && open.retval == EACCES");
        assert_eq!(found.len(), 1);
        let (kind, lines) = &found[0];
        assert_eq!(*kind, "open");
        assert_eq!(
            lines.join("\n"),
            "open.file.path in [ \"/etc/passwd\", \"/etc/shadow\" ] && open.retval == EACCES\n\
             ^^^^^^^^^^^^^^                     ^^^^^^^^^^^^^      ^^^^^^^^^^^    ^^^^^^\n\
             open.file.path = \"/etc/shadow\"\n\
             open.retval = -13"
        );
    }

    #[test]
    fn the_lineage_is_that_of_the_capture() {
        let found = matches("open.file.name == \"hosts\" && process.ancestors[A].file.path == \"/bin/sh\"");
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains(&"process.ancestors[A].file.path = \"/bin/sh\"".to_owned()), "{found:?}");
        assert_eq!(matches("exec.file.path == \"/bin/cat\"").len(), 1);
        assert_eq!(matches("exit.code == 1").len(), 1);
        assert!(matches("exec.file.path == \"/bin/sh\"").is_empty());
    }

    #[test]
    fn a_rule_about_no_event_type_sees_all_but_forks() {
        let kinds: Vec<&str> = matches("process.uid == 33").into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["exec", "open", "open", "exit"]);
    }

    #[test]
    fn a_file_that_is_no_capture_is_an_error_that_names_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.jsonl");
        std::fs::write(&file, "nonsense\n").unwrap();
        let error = recorded::replay(&file, |_| Ok(true)).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
