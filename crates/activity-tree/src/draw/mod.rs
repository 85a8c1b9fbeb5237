//! Trees for people: a graph, and a page to open, search and filter.
//!
//! Names come from whoever was recorded. Invariant: no name can be more than text in what is drawn.

mod dot;
mod html;
mod outline;

pub use outline::{Line, LineKind};

use crate::Dump;

/// The name of a system call by its number, on the machine of the recording.
pub type SyscallName<'a> = &'a dyn Fn(u32) -> Option<&'static str>;

impl Dump {
    /// As `.dot`, for Graphviz.
    #[must_use]
    pub fn to_dot(&self, syscall_name: SyscallName<'_>) -> String {
        dot::graph(self, syscall_name)
    }

    /// As one page of HTML without any outside resource.
    #[must_use]
    pub fn to_html(&self, syscall_name: SyscallName<'_>) -> String {
        html::page(self, syscall_name)
    }

    /// What was recorded, in a line (spec 3.10), with as much of the container id as people use.
    fn text_selector(&self) -> String {
        let id: String = self.metadata.container_id.chars().take(12).collect();
        let id = Some(id).filter(|id| !id.is_empty()).map(|id| format!("container_id:{id}"));
        let tags = self.tags.iter().filter(|tag| !tag.starts_with("container_id")).cloned();
        let parts: Vec<String> = id.into_iter().chain(tags).collect();
        if parts.is_empty() { "empty_selector".to_owned() } else { parts.join(",") }
    }
}

/// A text without what moves a cursor, ends a line or turns the direction of what follows: shown as signs.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            other => other,
        })
        .collect()
}

/// The beginning of a text that is longer than so many characters.
fn cut(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    text.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

/// Types of questions that people know by name.
fn question_type(number: u16) -> String {
    let name = match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        43 => "DS",
        48 => "DNSKEY",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        255 => "ANY",
        other => return format!("TYPE{other}"),
    };
    name.to_owned()
}

fn protocol(number: u16) -> String {
    match number {
        0 => String::new(),
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        132 => "sctp".to_owned(),
        other => format!("protocol {other}"),
    }
}

/// `include/uapi/linux/capability.h` of Linux 6.18, without `CAP_`.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

fn capability(number: u32) -> String {
    let name = usize::try_from(number).ok().and_then(|number| CAPABILITIES.get(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// An address with its port, as people write it.
fn address(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

#[cfg(test)]
mod tests;
