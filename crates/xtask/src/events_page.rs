//! `docs/events.md`: every kind of event with its fields.

use std::fmt::Write as _;

use event::model::{self, Value};
use event::{Category, Kind, Leaf, Ring};

pub(crate) const OUTPUT: &str = "docs/events.md";

/// The page.
pub(crate) fn generate() -> String {
    let mut page = "\
# Events

Made from the descriptions in `crates/event/src/kinds/` by `cargo run -p xtask -- codegen`; do not edit.

The number of a kind is that of its records in `ebpf/include/probe/events.h` and on the wire. The fields are the columns
of the wire in this order ([wire.md](wire.md)), and the keys of a line of a capture ([captures.md](captures.md)).

| kind | number | about | kernel ring |
| --- | --- | --- | --- |
"
    .to_owned();
    for kind in Kind::ALL {
        let (category, ring) = (category(kind.category()), ring(kind.ring()));
        line(
            &mut page,
            format_args!("| [{0}](#{0}) | {1} | {category} | {ring} |", kind.name(), kind.number()),
        );
    }
    for kind in Kind::ALL {
        section(&mut page, kind);
    }
    page
}

fn section(page: &mut String, kind: Kind) {
    line(page, format_args!("\n## {}\n\n{}\n", kind.name(), kind.about().trim()));
    line(page, format_args!("| field | type | meaning |\n| --- | --- | --- |"));
    for field in kind.fields() {
        line(page, format_args!("| `{}` | {} | {} |", field.name, field.leaf.name(), field.about.trim()));
    }
    for field in kind.fields() {
        if let Leaf::Flags(names) = field.leaf {
            let names: Vec<&str> = names.names().collect();
            line(page, format_args!("\nNames of `{}`: {}.", field.name, names.join(", ")));
        }
        if let Leaf::Number(names) = field.leaf {
            let names: Vec<&str> = names.names().collect();
            line(page, format_args!("\nNames of `{}`: {}.", field.name, names.join(", ")));
        }
    }
    line(page, format_args!("\nFor rules:\n\n| value | type | meaning |\n| --- | --- | --- |"));
    for Value { name, value_type, about, .. } in model::values_of(kind) {
        line(page, format_args!("| `{name}` | {} | {about} |", value_type.name()));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    writeln!(page, "{text}").unwrap_or_default();
}

fn category(category: Category) -> &'static str {
    match category {
        Category::Process => "processes",
        Category::File => "files",
        Category::Network => "sockets",
    }
}

fn ring(ring: Ring) -> &'static str {
    match ring {
        Ring::NeverDrop => "never-drop",
        Ring::Bulk => "bulk",
    }
}
