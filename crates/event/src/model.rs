//! What rules can speak of: every field of every kind down to single values, by name.
//!
//! Made from the descriptions; a kind that is described is in it.

use crate::{Kind, Leaf};

/// What a single value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Text, compared byte by byte.
    Text,
    /// A path, compared by segments.
    Path,
    /// A number with a sign.
    Number,
    /// Nanoseconds since the epoch.
    Time,
    /// Several texts.
    Texts,
    /// Bits with names.
    Flags,
    /// An IP address.
    Ip,
}

impl ValueType {
    /// The word for it in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "path",
            Self::Number => "number",
            Self::Time => "time",
            Self::Texts => "list of texts",
            Self::Flags => "flags",
            Self::Ip => "IP address",
        }
    }
}

/// One value that a rule can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// `open.file.path`.
    pub name: String,
    /// What it is.
    pub value_type: ValueType,
    /// The kind that has it.
    pub kind: Kind,
    /// What it means.
    pub about: String,
}

/// The values of all kinds, in the order of the descriptions.
#[must_use]
pub fn values() -> Vec<Value> {
    Kind::ALL.into_iter().flat_map(values_of).collect()
}

/// The values of one kind.
#[must_use]
pub fn values_of(kind: Kind) -> Vec<Value> {
    let of_field = |field: &crate::Field| {
        // The only field of a kind is what the kind is about and needs no name of its own.
        let base = if kind.only().is_some() { kind.name() } else { field.path };
        let field_about = field.about.trim();
        let value = |&(part, value_type, about): &(&str, ValueType, &str)| Value {
            name: if part.is_empty() { base.to_owned() } else { format!("{base}.{part}") },
            value_type,
            kind,
            about: if about.is_empty() { field_about.to_owned() } else { about.to_owned() },
        };
        parts(field.leaf).iter().map(value).collect::<Vec<_>>()
    };
    kind.fields().iter().flat_map(of_field).collect()
}

/// The single values of a leaf: name behind that of the field, type, meaning. An empty meaning is that of the field.
fn parts(leaf: Leaf) -> &'static [(&'static str, ValueType, &'static str)] {
    match leaf {
        Leaf::File => &FILE,
        Leaf::Program => &PROGRAM,
        Leaf::Process => &[("pid", ValueType::Number, "Its pid in the initial namespace.")],
        Leaf::Status => &[
            ("code", ValueType::Number, "Exit code, or the signal that ended it."),
            ("cause", ValueType::Number, "0 exited, 1 killed by a signal, 2 with a core dump."),
        ],
        Leaf::Address => &ADDRESS,
        Leaf::Text => &[("", ValueType::Text, "")],
        Leaf::Flags(_) => &[("", ValueType::Flags, "")],
        Leaf::Number(_) | Leaf::Mode | Leaf::Descriptor | Leaf::Errno => &[("", ValueType::Number, "")],
    }
}

const FILE: [(&str, ValueType, &str); 11] = [
    ("path", ValueType::Path, "Path up to the root of the mount namespace."),
    ("name", ValueType::Text, "Last segment of the path."),
    ("inode", ValueType::Number, "Inode number."),
    ("mount_id", ValueType::Number, "Mount id."),
    ("mode", ValueType::Number, "Type and permission bits."),
    ("uid", ValueType::Number, "Owner."),
    ("gid", ValueType::Number, "Owning group."),
    ("filesystem", ValueType::Text, "Type of its file system."),
    ("in_upper_layer", ValueType::Number, "1 when it was made or changed since the container started."),
    ("modification_time", ValueType::Time, "Last change of the content."),
    ("change_time", ValueType::Time, "Last change of the inode."),
];

const ADDRESS: [(&str, ValueType, &str); 3] = [
    ("family", ValueType::Number, "Address family, `AF_*`."),
    ("ip", ValueType::Ip, "IP address, if it is one."),
    ("port", ValueType::Number, "Port, if it has one."),
];

const PROGRAM: [(&str, ValueType, &str); 6] = [
    ("file.path", ValueType::Path, "The file that was asked for: a script rather than its interpreter."),
    ("file.name", ValueType::Text, "Last segment of that path."),
    ("interpreter.file.path", ValueType::Path, "The interpreter of a script."),
    ("argv", ValueType::Texts, "Arguments behind the first."),
    ("envp", ValueType::Texts, "Environment, NAME=value."),
    ("tty_name", ValueType::Text, "Controlling terminal."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_field_is_in_the_model_under_a_name_of_its_own() {
        let all = values();
        for kind in Kind::ALL {
            let names: Vec<String> = values_of(kind).into_iter().map(|value| value.name).collect();
            for field in kind.fields() {
                let base = if kind.only().is_some() { kind.name() } else { field.path };
                assert!(names.iter().any(|name| name.starts_with(base)), "{base}");
            }
        }
        for (position, value) in all.iter().enumerate() {
            assert!(!value.about.is_empty(), "{}", value.name);
            assert!(all.iter().skip(position + 1).all(|other| other.name != value.name), "{}", value.name);
        }
    }
}
