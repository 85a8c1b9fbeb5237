//! The last steps of a dump: who was recorded, when and where, and what was missed.

use activity_tree::{Dump, Metadata, Tree};

use crate::{Missed, SOURCE};

/// What only its maker knows of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// The host it was recorded on.
    pub host: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Name of the distribution.
    pub distribution: String,
    /// Version of the recorder.
    pub version: String,
    /// From when, nanoseconds since the epoch.
    pub start_ns: u64,
    /// Until when.
    pub end_ns: u64,
    /// Id of the container, if it was one.
    pub container_id: String,
    /// Path of the control group.
    pub cgroup: String,
    /// Tags of the workload, `key:value`.
    pub tags: Vec<String>,
}

/// The dump of a tree, which says what it missed. What was recorded before the tags were known is of the version that they
/// name.
#[must_use]
pub fn finish(mut tree: Tree, missed: &Missed, facts: Facts) -> Dump {
    let value = |name: &str| {
        let found = facts.tags.iter().filter_map(|tag| tag.split_once(':')).find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned())
    };
    if let Some(tag) = value("image_tag") {
        // A tree with so many tags that there is no room for another one keeps it as it is: not known.
        tree.name_untagged(&tag).unwrap_or_default();
    }
    let service = value("service").or_else(|| value("short_image")).unwrap_or_default();
    let container_id = facts.container_id;
    let host = if facts.host.is_empty() { "unknown".to_owned() } else { facts.host };
    let mut tags = facts.tags;
    let defaults = [("host", host.as_str()), ("source", SOURCE), ("container_id", container_id.as_str())];
    for (name, value) in defaults {
        let is_there = tags.iter().any(|tag| tag.split_once(':').is_some_and(|(key, _)| key == name));
        if !is_there && !value.is_empty() {
            tags.push(format!("{name}:{value}"));
        }
    }
    tags.extend(missed.tags());
    Dump {
        host,
        service,
        source: SOURCE.to_owned(),
        metadata: Metadata {
            agent_version: facts.version,
            kernel_version: facts.kernel,
            linux_distribution: facts.distribution,
            arch: std::env::consts::ARCH.to_owned(),
            name: facts.name,
            protobuf_version: "v1".to_owned(),
            differentiate_args: tree.options().differentiate_args,
            container_id,
            cgroup_id: facts.cgroup,
            start: facts.start_ns,
            end: facts.end_ns.max(facts.start_ns),
            ..Metadata::default()
        },
        tags,
        tree,
    }
}

/// A name like those of the field, `activity-dump-` and ten letters or digits, from what makes a dump another one. The
/// same parts give the same name, so that a replay makes the same files.
#[must_use]
pub fn name(parts: &[&[u8]]) -> String {
    const DIGITS: u32 = 36;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.iter().chain(&[0xff])) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut name = "activity-dump-".to_owned();
    for _ in 0..10 {
        // The remainder is below 36.
        let digit = u32::try_from(hash % u64::from(DIGITS)).unwrap_or(0);
        name.push(char::from_digit(digit, DIGITS).unwrap_or('0'));
        hash = hash.rotate_right(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    name
}

#[cfg(test)]
mod tests {
    use activity_tree::Options;

    use super::*;

    #[test]
    fn a_dump_says_who_was_recorded_and_tags_of_the_workload_win() {
        let tags = ["image_name:web", "image_tag:1", "host:mine", "short_image:web"].map(str::to_owned);
        let facts = Facts {
            container_id: "abc".into(),
            host: "node".into(),
            tags: tags.to_vec(),
            end_ns: 5,
            start_ns: 9,
            ..Facts::default()
        };
        let dump = finish(Tree::new(Options::default()), &Missed::default(), facts);
        let expected = [
            "image_name:web",
            "image_tag:1",
            "host:mine",
            "short_image:web",
            "source:runtime-security-agent",
            "container_id:abc",
        ];
        assert_eq!(dump.tags, expected);
        assert_eq!((dump.host.as_str(), dump.service.as_str()), ("node", "web"));
        assert_eq!(
            (dump.metadata.start, dump.metadata.end, dump.metadata.container_id.as_str()),
            (9, 9, "abc")
        );
    }

    #[test]
    fn names_are_those_of_the_field_and_differ_with_every_part() {
        let names = [name(&[b"a", b"b"]), name(&[b"ab"]), name(&[b"a", b"c"]), name(&[])];
        for one in &names {
            let end = one.strip_prefix("activity-dump-").unwrap();
            assert!(end.len() == 10 && end.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
            assert_eq!(names.iter().filter(|other| *other == one).count(), 1);
        }
        assert_eq!(name(&[b"a", b"b"]), names[0]);
    }
}
