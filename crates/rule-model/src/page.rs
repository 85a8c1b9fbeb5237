//! `docs/fields.md`.

use std::fmt::Write as _;

use secl::Model;
use secl::model::EventSet;

use crate::fields::{Doc, Fields, Os, Section};

/// The page of all fields and constants.
#[must_use]
pub fn fields_page() -> String {
    let linux = Fields::new(Os::Linux);
    let mut page = String::from(HEAD);
    groups(&mut page, &linux);
    page.push_str("\n## Every event\n");
    for section in linux.sections().iter().filter(|section| section.prefix.is_empty()) {
        table(&mut page, &linux, section, false);
    }
    for name in linux.event_types() {
        let state = if linux.is_observed(name) { "" } else { " (not reported yet)" };
        line(&mut page, format_args!("\n## {name}{state}"));
        event(&mut page, &linux, name);
    }
    page.push_str("\n## Constants\n\n");
    for group in linux.constants().groups() {
        let names: Vec<String> = group.entries().map(|(name, _)| format!("`{name}`")).collect();
        line(&mut page, format_args!("* **{}** ({}): {}", group.title, group.used_with, names.join(" ")));
    }
    windows(&mut page);
    page
}

const HEAD: &str = "\
# Fields of rules

Made by `cargo xtask codegen` from the tables that `shrike rule` uses; do not edit. `shrike rule fields open.file` prints
the same on a terminal. The language is in [secl.md](secl.md).

A field marked *not filled yet* may be used: a rule with it is valid, and the field is empty, 0 or false. Strings, paths
and arrays also have a `.length`. A path is compared as described under \"Patterns\" in secl.md.
";

fn groups(page: &mut String, fields: &Fields) {
    let mut known: Vec<&str> = Vec::new();
    for section in fields.sections().iter().filter(|section| !section.group.is_empty()) {
        if known.contains(&section.group) {
            continue;
        }
        known.push(section.group);
        line(page, format_args!("\n## Group: {}\n", section.group));
        let uses: Vec<String> = fields
            .sections()
            .iter()
            .filter(|other| other.group == section.group)
            .map(|other| format!("`{}`", other.prefix.trim_end_matches('.')))
            .collect();
        line(page, format_args!("Below {}.", uses.join(", ")));
        table(page, fields, section, true);
    }
}

fn event(page: &mut String, fields: &Fields, name: &str) {
    let one = fields.event_type(name).map_or(EventSet(0), EventSet::one);
    let of_event = |section: &&Section| section.events != EventSet::ALL && section.events.and(one) == one;
    let (grouped, own): (Vec<&Section>, Vec<&Section>) =
        fields.sections().iter().filter(of_event).partition(|section| !section.group.is_empty());
    for section in &grouped {
        let prefix = section.prefix.trim_end_matches('.');
        line(page, format_args!("\n`{prefix}` is a {}.", section.group));
    }
    if !own.is_empty() {
        page.push_str(COLUMNS);
        own.iter().for_each(|section| rows(page, fields, section, false));
    }
}

fn windows(page: &mut String) {
    let fields = Fields::new(Os::Windows);
    page.push_str(
        "\n## Windows\n\nRules about Windows are checked with `--os windows`; no event of it is reported.\n",
    );
    page.push_str("\n| field | type | events | meaning |\n| --- | --- | --- | --- |\n");
    for section in fields.sections() {
        let events: Vec<&str> = fields.event_names(section.events).collect();
        let events =
            if events.len() == fields.event_types().len() { "all".to_owned() } else { events.join(", ") };
        for (field, doc) in fields.section(section) {
            line(page, format_args!("| `{}` | {} | {events} | {} |", field.name, doc.kind, doc.meaning));
        }
    }
}

const COLUMNS: &str = "\n| field | type | meaning | example |\n| --- | --- | --- | --- |\n";

fn table(page: &mut String, fields: &Fields, section: &Section, is_group: bool) {
    page.push_str(COLUMNS);
    rows(page, fields, section, is_group);
}

fn rows(page: &mut String, fields: &Fields, section: &Section, is_group: bool) {
    for (field, doc) in fields.section(section) {
        let name = if is_group { field.name.strip_prefix(&section.prefix) } else { None };
        let Doc { kind, meaning, example, is_filled } = doc;
        let is_open = !*is_filled && fields.event_names(field.events).any(|event| fields.is_observed(event));
        let state = if is_open { " *(not filled yet)*" } else { "" };
        let example = example.replace('|', "\\|");
        line(
            page,
            format_args!("| `{}` | {kind} | {meaning}{state} | `{example}` |", name.unwrap_or(&field.name)),
        );
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    page.write_fmt(text).unwrap_or_default();
    page.push('\n');
}
