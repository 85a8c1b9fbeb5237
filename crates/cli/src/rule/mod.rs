//! `shrike rule`: rules are checked, tried on captures, and their fields listed.
//!
//! It needs no service and no root.

mod check;
mod eval;
mod fields;

use rule_model::Os;
use secl::Diagnostic;

use crate::args::{RuleCommand, RuleOs};
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::ColorMode;
use crate::view::text::printable;

/// Runs one of the commands.
pub(crate) fn run(command: &RuleCommand, color: ColorMode) -> Result<(), Failure> {
    match command {
        RuleCommand::Check(args) => check::run(args, color),
        RuleCommand::Eval(args) => eval::run(args, color),
        RuleCommand::Fields(args) => fields::run(args, color),
    }
}

fn os(os: RuleOs) -> Os {
    match os {
        RuleOs::Linux => Os::Linux,
        RuleOs::Windows => Os::Windows,
    }
}

/// A remark for people, its first line in the colour of its severity.
fn remark(diagnostic: &Diagnostic, text: &str, paint: Paint) -> String {
    let tone = match diagnostic.severity {
        secl::Severity::Error => Tone::Bad,
        secl::Severity::Warning => Tone::Warn,
    };
    let rendered = diagnostic.render(text);
    let lines = rendered.lines().enumerate().map(|(number, line)| {
        let line = printable(line);
        if number == 0 { paint.apply(tone, &line) } else { line.into_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}
