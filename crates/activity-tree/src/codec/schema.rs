//! The messages as a table, for what treats all fields alike: JSON. Held to `proto/datadog/cws/dumpsv1` by a test.

use Number::{Many, One, Optional};
use Type::{Bool, Enum, I32, Map, Message as Nested, S64, Text, U32, U64};

#[derive(Debug)]
pub(super) struct Message {
    pub(super) fields: &'static [Field],
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) how_many: Number,
    pub(super) holds: Type,
}

/// How often a field is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    One,
    /// One or none, and none is not the same as 0.
    Optional,
    Many,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    Bool,
    U32,
    U64,
    I32,
    /// Zigzag.
    S64,
    Text,
    /// Names by number.
    Enum(&'static [&'static str]),
    Message(&'static Message),
    Map(&'static Entry),
}

/// What a map holds.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Type,
    pub(super) value: Type,
}

impl Message {
    /// By its name in JSON: as in the schema, in camel case, or one that it had before.
    pub(super) fn named(&self, name: &str) -> Option<&'static Field> {
        let name = if matches!(name, "package_srcversion" | "packageSrcversion") {
            "package_src_version"
        } else {
            name
        };
        self.fields.iter().find(|field| field.name == name || is_camel(field.name, name))
    }
}

/// Whether `camel` is a name without its underscores, with a capital after each.
fn is_camel(name: &str, camel: &str) -> bool {
    let mut rest = camel.chars();
    let mut is_start = false;
    for c in name.chars() {
        if c == '_' {
            is_start = true;
            continue;
        }
        let wanted = if is_start { c.to_ascii_uppercase() } else { c };
        is_start = false;
        if rest.next() != Some(wanted) {
            return false;
        }
    }
    rest.next().is_none()
}

macro_rules! messages {
    ($($name:ident { $($number:literal $field:literal: $how_many:ident $holds:expr;)* })*) => {$(
        pub(super) static $name: Message = Message {
            fields: &[$(Field {
                number: $number,
                name: $field,
                how_many: $how_many,
                holds: $holds,
            },)*],
        };
    )*};
}

static EVENT_PROFILE_STATE: [&str; 6] = [
    "NO_PROFILE",
    "PROFILE_AT_MAX_SIZE",
    "UNSTABLE_PROFILE",
    "STABLE_PROFILE",
    "AUTO_LEARNING",
    "WORKLOAD_WARMUP",
];
static HASH_STATE: [&str; 8] = [
    "NO_HASH",
    "DONE",
    "FILE_NOT_FOUND",
    "PATHNAME_RESOLUTION_ERROR",
    "FILE_TOO_BIG",
    "EVENT_TYPE_NOT_CONFIGURED",
    "HASH_WAS_RATE_LIMITED",
    "UNKNOWN_HASH_ERROR",
];
static GENERATION_TYPE: [&str; 3] = ["UNKNOWN", "RUNTIME", "SNAPSHOT"];

messages! {
    SEC_DUMP {
        1 "host": One Text;
        2 "service": One Text;
        3 "source": One Text;
        4 "metadata": One Nested(&METADATA);
        5 "tags": Many Text;
        6 "tree": Many Nested(&PROCESS_ACTIVITY_NODE);
    }

    METADATA {
        1 "agent_version": One Text;
        2 "agent_commit": One Text;
        3 "kernel_version": One Text;
        4 "linux_distribution": One Text;
        5 "name": One Text;
        6 "protobuf_version": One Text;
        7 "differentiate_args": One Bool;
        8 "comm": One Text;
        9 "container_id": One Text;
        10 "start": One U64;
        11 "end": One U64;
        12 "size": One U64;
        13 "arch": One Text;
        14 "serialization": One Text;
        15 "cgroup_id": One Text;
        16 "cgroup_manager": One Text;
    }

    SECURITY_PROFILE {
        1 "status": One U32;
        2 "version": One Text;
        3 "metadata": One Nested(&METADATA);
        4 "tags": Many Text;
        5 "syscalls": Many U32;
        6 "tree": Many Nested(&PROCESS_ACTIVITY_NODE);
        7 "profile_contexts": Many Map(&Entry { key: Text, value: Nested(&PROFILE_CONTEXT) });
        8 "selector": One Nested(&PROFILE_SELECTOR);
        9 "disabled": One Bool;
    }

    PROFILE_SELECTOR {
        1 "image_name": One Text;
        2 "image_tag": One Text;
    }

    PROFILE_CONTEXT {
        1 "first_seen": One U64;
        2 "last_seen": One U64;
        3 "event_type_state": Many Map(&Entry { key: U32, value: Nested(&EVENT_TYPE_STATE) });
        4 "syscalls": Many U32;
        5 "tags": Many Text;
    }

    EVENT_TYPE_STATE {
        1 "last_anomaly_nano": One U64;
        2 "event_profile_state": One Enum(&EVENT_PROFILE_STATE);
    }

    PROCESS_ACTIVITY_NODE {
        1 "process": One Nested(&PROCESS_INFO);
        3 "children": Many Nested(&PROCESS_ACTIVITY_NODE);
        4 "files": Many Nested(&FILE_ACTIVITY_NODE);
        5 "dns_names": Many Nested(&DNS_NODE);
        6 "sockets": Many Nested(&SOCKET_NODE);
        7 "syscalls": Many U32;
        8 "generation_type": One Enum(&GENERATION_TYPE);
        9 "matched_rules": Many Nested(&MATCHED_RULE);
        10 "image_tags": Many Text;
        11 "imds_events": Many Nested(&IMDS_NODE);
        12 "syscall_nodes": Many Nested(&SYSCALL_NODE);
        13 "network_devices": Many Nested(&NETWORK_DEVICE_NODE);
        14 "node_base": One Nested(&NODE_BASE);
        15 "capability_nodes": Many Nested(&CAPABILITY_NODE);
    }

    PROCESS_INFO {
        1 "pid": One U32;
        2 "tid": One U32;
        3 "ppid": One U32;
        4 "cookie": One U32;
        5 "is_thread": One Bool;
        6 "file": One Nested(&FILE_INFO);
        7 "container_id": One Text;
        8 "span_id": One U64;
        9 "trace_id": One U64;
        10 "tty": One Text;
        11 "comm": One Text;
        12 "fork_time": One U64;
        13 "exit_time": One U64;
        14 "exec_time": One U64;
        15 "credentials": One Nested(&CREDENTIALS);
        16 "args": Many Text;
        17 "argv0": One Text;
        18 "args_truncated": One Bool;
        19 "envs": Many Text;
        20 "envs_truncated": One Bool;
        21 "is_exec_child": One Bool;
        22 "cookie64": One U64;
    }

    CREDENTIALS {
        1 "uid": One U32;
        2 "gid": One U32;
        3 "user": One Text;
        4 "group": One Text;
        5 "effective_uid": One U32;
        6 "effective_gid": One U32;
        7 "effective_user": One Text;
        8 "effective_group": One Text;
        9 "fs_uid": One U32;
        10 "fs_gid": One U32;
        11 "fs_user": One Text;
        12 "fs_group": One Text;
        13 "cap_effective": One U64;
        14 "cap_permitted": One U64;
    }

    FILE_ACTIVITY_NODE {
        1 "name": One Text;
        2 "file": One Nested(&FILE_INFO);
        4 "first_seen": One U64;
        5 "open": One Nested(&OPEN_NODE);
        6 "children": Many Nested(&FILE_ACTIVITY_NODE);
        7 "is_pattern": One Bool;
        8 "generation_type": One Enum(&GENERATION_TYPE);
        9 "matched_rules": Many Nested(&MATCHED_RULE);
        10 "image_tags": Many Text;
        11 "node_base": One Nested(&NODE_BASE);
        1002 "pattern_signature": One Text;
    }

    OPEN_NODE {
        1 "retval": One S64;
        2 "flags": One U32;
        3 "mode": One U32;
    }

    FILE_INFO {
        1 "uid": One U32;
        2 "user": One Text;
        3 "gid": One U32;
        4 "group": One Text;
        5 "mode": One U32;
        6 "ctime": One U64;
        7 "mtime": One U64;
        8 "mount_id": One U32;
        9 "inode": One U64;
        10 "in_upper_layer": One Bool;
        11 "path": One Text;
        12 "basename": One Text;
        13 "filesystem": One Text;
        14 "package_name": One Text;
        15 "package_version": One Text;
        16 "package_src_version": One Text;
        17 "hashes": Many Text;
        18 "hash_state": One Enum(&HASH_STATE);
        19 "package_epoch": Optional U32;
        20 "package_release": Optional Text;
        21 "package_src_epoch": Optional U32;
        22 "package_src_release": Optional Text;
    }

    DNS_NODE {
        1 "requests": Many Nested(&DNS_INFO);
        2 "matched_rules": Many Nested(&MATCHED_RULE);
        3 "image_tags": Many Text;
        4 "node_base": One Nested(&NODE_BASE);
        1001 "generation_type": One Enum(&GENERATION_TYPE);
    }

    DNS_INFO {
        1 "name": One Text;
        2 "type": One U32;
        3 "class": One U32;
        4 "size": One U32;
        5 "count": One U32;
    }

    SYSCALL_NODE {
        1 "image_tags": Many Text;
        2 "syscall": One I32;
        3 "node_base": One Nested(&NODE_BASE);
        1001 "generation_type": One Enum(&GENERATION_TYPE);
    }

    CAPABILITY_NODE {
        1 "node_base": One Nested(&NODE_BASE);
        2 "capability": One U64;
        3 "is_capable": One Bool;
        1001 "generation_type": One Enum(&GENERATION_TYPE);
    }

    IMDS_NODE {
        1 "matched_rules": Many Nested(&MATCHED_RULE);
        2 "image_tags": Many Text;
        3 "event": One Nested(&IMDS_EVENT);
        4 "node_base": One Nested(&NODE_BASE);
        1001 "generation_type": One Enum(&GENERATION_TYPE);
    }

    IMDS_EVENT {
        1 "type": One Text;
        2 "cloud_provider": One Text;
        3 "url": One Text;
        4 "host": One Text;
        5 "user_agent": One Text;
        6 "server": One Text;
        7 "aws": One Nested(&AWS_IMDS_EVENT);
    }

    AWS_IMDS_EVENT {
        1 "is_imds_v2": One Bool;
        2 "security_credentials": One Nested(&AWS_SECURITY_CREDENTIALS);
    }

    AWS_SECURITY_CREDENTIALS {
        1 "code": One Text;
        2 "type": One Text;
        3 "access_key_id": One Text;
        4 "last_updated": One Text;
        5 "expiration_raw": One Text;
    }

    SOCKET_NODE {
        1 "family": One Text;
        2 "bind": Many Nested(&BIND_NODE);
    }

    BIND_NODE {
        1 "port": One U32;
        2 "ip": One Text;
        3 "matched_rules": Many Nested(&MATCHED_RULE);
        4 "image_tags": Many Text;
        5 "protocol": One U32;
        6 "node_base": One Nested(&NODE_BASE);
        1001 "generation_type": One Enum(&GENERATION_TYPE);
    }

    NETWORK_DEVICE_NODE {
        1 "matched_rules": Many Nested(&MATCHED_RULE);
        2 "netns": One U32;
        3 "ifindex": One U32;
        4 "ifname": One Text;
        5 "flow_nodes": Many Nested(&FLOW_NODE);
    }

    FLOW_NODE {
        1 "image_tags": Many Text;
        2 "source": One Nested(&IP_PORT_CONTEXT);
        3 "destination": One Nested(&IP_PORT_CONTEXT);
        4 "l3_protocol": One U32;
        5 "l4_protocol": One U32;
        6 "ingress": One Nested(&NETWORK_STATS);
        7 "egress": One Nested(&NETWORK_STATS);
        8 "node_base": One Nested(&NODE_BASE);
        1001 "generation_type": One Enum(&GENERATION_TYPE);
    }

    IP_PORT_CONTEXT {
        1 "ip": One Text;
        2 "port": One U32;
    }

    NETWORK_STATS {
        1 "data_size": One U64;
        2 "packet_count": One U64;
    }

    MATCHED_RULE {
        1 "rule_id": One Text;
        2 "rule_version": One Text;
        3 "policy_name": One Text;
        4 "policy_version": One Text;
        5 "rule_tags": Many Map(&Entry { key: Text, value: Text });
    }

    IMAGE_TAG_TIMES {
        1 "first_seen": One U64;
        2 "last_seen": One U64;
    }

    NODE_BASE {
        1 "seen": Many Map(&Entry { key: Text, value: Nested(&IMAGE_TAG_TIMES) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::HashSet;

    use prost_reflect::{Kind, MessageDescriptor};

    /// Compares a message and those inside it, field by field.
    fn same(message: &'static Message, descriptor: &MessageDescriptor, known: &mut HashSet<String>) {
        if !known.insert(descriptor.name().to_owned()) {
            return;
        }
        assert_eq!(message.fields.len(), descriptor.fields().len(), "{}", descriptor.name());
        assert!(message.fields.is_sorted_by_key(|field| field.number), "{}", descriptor.name());
        for field in message.fields {
            let other = descriptor.get_field(field.number).unwrap_or_else(|| panic!("no {}", field.name));
            assert_eq!(other.name(), field.name);
            assert_eq!(other.is_list() || other.is_map(), field.how_many == Many, "{}", field.name);
            let is_message = matches!(other.kind(), Kind::Message(_));
            let is_optional = other.supports_presence() && !is_message;
            assert_eq!(is_optional, field.how_many == Optional, "{}", field.name);
            same_type(field.holds, &other.kind(), known);
        }
    }

    fn same_type(holds: Type, kind: &Kind, known: &mut HashSet<String>) {
        match (holds, kind) {
            (Bool, Kind::Bool) | (U32, Kind::Uint32) | (U64, Kind::Uint64) | (I32, Kind::Int32) => {}
            (S64, Kind::Sint64) | (Text, Kind::String) => {}
            (Enum(names), Kind::Enum(descriptor)) => {
                let others: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
                assert_eq!(names, others);
            }
            (Nested(message), Kind::Message(descriptor)) => same(message, descriptor, known),
            (Map(entry), Kind::Message(descriptor)) => {
                same_type(entry.key, &descriptor.map_entry_key_field().kind(), known);
                same_type(entry.value, &descriptor.map_entry_value_field().kind(), known);
            }
            _ => panic!("{holds:?} is not {kind:?}"),
        }
    }

    #[test]
    fn the_table_is_the_schema() {
        let pool = crate::tests::oracle::pool();
        let mut known = HashSet::new();
        for (message, name) in [(&SEC_DUMP, "SecDump"), (&SECURITY_PROFILE, "SecurityProfile")] {
            let name = format!("datadog.cws.dumpsv1.{name}");
            same(message, &pool.get_message_by_name(&name).unwrap(), &mut known);
        }
        let in_file = pool.all_messages().filter(|message| !message.is_map_entry()).count();
        assert_eq!(known.len(), in_file);
    }

    #[test]
    fn a_field_is_found_by_each_of_its_names() {
        let check =
            |name, expect| assert_eq!(FILE_INFO.named(name).map(|field| field.number), expect, "{name}");
        check("mount_id", Some(8));
        check("mountId", Some(8));
        check("MountId", None);
        check("mountIdx", None);
        check("mount", None);
        check("package_srcversion", Some(16));
        check("packageSrcversion", Some(16));
        check("package_src_version", Some(16));
        check("packageSrcVersion", Some(16));
    }
}
