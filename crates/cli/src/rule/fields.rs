//! `shrike rule fields`: what rules may use.

use rule_model::{Doc, Fields};
use secl::Model;
use secl::diagnostic::nearest;
use secl::model::Field;

use crate::args::RuleFieldsArgs;
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};
use crate::view::terminal::{ColorMode, Terminal, print};
use crate::view::text::{column, printable};

/// Prints the fields that start with the prefix.
pub(crate) fn run(args: &RuleFieldsArgs, color: ColorMode) -> Result<(), Failure> {
    let fields = Fields::new(super::os(args.os));
    let prefix = args.prefix.as_deref().unwrap_or_default();
    let found = matching(&fields, prefix);
    if found.is_empty() {
        let names = fields.fields().iter().map(|field| field.name.as_str());
        let near = nearest(prefix, names.chain(fields.event_types().iter().copied()));
        let next = match near.first() {
            Some(name) => format!("did you mean {name}?"),
            None => "`shrike rule fields` lists all".to_owned(),
        };
        return Err(Failure::NoField { prefix: printable(prefix).into_owned(), next });
    }
    let paint = Terminal::stdout(color).paint;
    let lines: Vec<String> = found.iter().map(|(field, doc)| lines(&fields, field, doc, paint)).collect();
    print(lines.concat().as_bytes())
}

/// Fields whose name starts with the prefix, or that an old name means.
fn matching<'f>(fields: &'f Fields, prefix: &str) -> Vec<(&'f Field, &'f Doc)> {
    let old_name = fields.field(prefix);
    let is_found = |field: &&Field| match old_name {
        Some(named) => named.id == field.id,
        None => field.name.starts_with(prefix),
    };
    fields.fields().iter().filter(is_found).filter_map(|field| Some((field, fields.doc(field)?))).collect()
}

/// Name, type and events; below, what it means and an example.
fn lines(fields: &Fields, field: &Field, doc: &Doc, paint: Paint) -> String {
    let events: Vec<&str> = fields.event_names(field.events).collect();
    let events =
        if events.len() == fields.event_types().len() { "every event".to_owned() } else { events.join(", ") };
    let state = fields.remark(field).map(|_| ", not filled yet").unwrap_or_default();
    let name = paint.apply(Tone::Strong, &column(&field.name, 44));
    let example = paint.apply(Tone::Dim, &doc.example);
    format!("{name} {:13} {events}{state}\n    {}: {example}\n", doc.kind, doc.meaning)
}

#[cfg(test)]
mod tests {
    use rule_model::Os;

    use super::*;

    #[test]
    fn a_prefix_an_old_name_and_nothing_find_fields() {
        let fields = Fields::new(Os::Linux);
        let names = |prefix: &str| -> Vec<&str> {
            matching(&fields, prefix).iter().map(|(field, _)| field.name.as_str()).collect()
        };
        assert!(names("open.file.").contains(&"open.file.path") && names("open.file.").len() > 10);
        assert_eq!(names("open.filename"), ["open.file.path"]);
        assert_eq!(names("open.flags"), ["open.flags"]);
        assert_eq!(names("").len(), fields.fields().len());
        assert!(names("opne").is_empty());
    }

    #[test]
    fn a_field_is_shown_with_type_events_meaning_and_example() {
        let fields = Fields::new(Os::Linux);
        let shown = |name: &str| {
            let field = fields.field(name).unwrap();
            lines(&fields, field, fields.doc(field).unwrap(), Paint::new(false))
        };
        let open = shown("open.flags");
        assert!(
            open.contains("int") && open.contains(" open\n") && open.contains("open.flags & (O_CREAT"),
            "{open}"
        );
        assert!(shown("process.uid").contains("every event"));
        assert!(shown("mkdir.file.path").contains("mkdir, not filled yet"));
    }
}
