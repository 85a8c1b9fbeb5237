//! The JSON that goes with a dump that is sent (spec of the field: the `event` part).

use activity_tree::Dump;
use serde::Serialize;

use crate::missed::Moment;

#[derive(Serialize)]
struct Header<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    service: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    ddsource: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    ddtags: String,
    agent_version: &'a str,
    agent_commit: &'a str,
    kernel_version: &'a str,
    linux_distribution: &'a str,
    arch: &'a str,
    name: &'a str,
    protobuf_version: &'a str,
    differentiate_args: bool,
    start: String,
    end: String,
    #[serde(skip_serializing_if = "is_zero")]
    activity_dump_size: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    serialization: &'a str,
    dns_names: Vec<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The header of a dump whose file has so many bytes.
#[must_use]
pub fn header(dump: &Dump, format: crate::Format, bytes: u64) -> Vec<u8> {
    let m = &dump.metadata;
    let header = Header {
        host: &dump.host,
        service: &dump.service,
        ddsource: &dump.source,
        ddtags: dump.tags.join(","),
        agent_version: &m.agent_version,
        agent_commit: &m.agent_commit,
        kernel_version: &m.kernel_version,
        linux_distribution: &m.linux_distribution,
        arch: &m.arch,
        name: &m.name,
        protobuf_version: &m.protobuf_version,
        differentiate_args: m.differentiate_args,
        start: Moment(m.start).to_string(),
        end: Moment(m.end).to_string(),
        activity_dump_size: bytes,
        serialization: format.name(),
        dns_names: dump.tree.dns_names(),
    };
    // Texts and numbers can always be written.
    serde_json::to_vec(&header).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use activity_tree::Options;

    use super::*;

    #[test]
    fn a_header_has_the_names_of_the_field_and_leaves_out_what_is_empty() {
        let mut dump = Dump::new(Options::default());
        dump.tags = vec!["a:1".into(), "b:2".into()];
        dump.metadata.start = 1_500_000_000;
        let header = header(&dump, crate::Format::Protobuf, 0);
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        let object = header.as_object().unwrap();
        assert!(!object.contains_key("host") && !object.contains_key("activity_dump_size"));
        assert_eq!(object.get("ddtags").unwrap(), "a:1,b:2");
        assert_eq!(object.get("start").unwrap(), "1970-01-01T00:00:01.5Z");
        assert_eq!(object.get("dns_names").unwrap(), &serde_json::json!([]));
    }
}
