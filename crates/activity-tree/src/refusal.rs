//! Why an activity is not taken (spec 1.10, 2.2), and the limits of a tree.

use crate::What;

/// Processes in a lineage. With file paths and messages below, files stay readable by decoders that stop at a hundred
/// levels, as long as lineages are as usual.
pub const MAX_LINEAGE: usize = 64;
/// Segments of a path.
pub const MAX_SEGMENTS: usize = 48;
/// Bytes of one text.
pub const MAX_TEXT: usize = 1 << 16;
/// Image tags of one tree.
pub const MAX_TAGS: usize = 1000;

/// Why an activity is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The tree does not record this.
    #[error("event type is not traced")]
    EventType,
    /// It is not known how it is known.
    #[error("generation type is unknown")]
    Generation,
    /// No process that could have done it.
    #[error("broken lineage")]
    BrokenLineage,
    /// No process of the lineage can be the first of a workload.
    #[error("root node not valid")]
    InvalidRoot,
    /// Not an IP address.
    #[error("invalid bind family")]
    BindFamily,
    /// An answer of a metadata service that hands nothing out.
    #[error("IMDS response without credentials")]
    ImdsResponse,
    /// A request to a metadata service without a path.
    #[error("IMDS request without any URL")]
    ImdsRequest,
    /// More than [`MAX_LINEAGE`] processes or [`MAX_SEGMENTS`] segments.
    #[error("lineage or path too deep")]
    TooDeep,
    /// A text longer than [`MAX_TEXT`].
    #[error("text too long")]
    TextTooLong,
    /// More than [`MAX_TAGS`] image tags.
    #[error("too many image tags")]
    TooManyTags,
    /// The tree is as large as it may become.
    #[error("tree is full")]
    Full,
}

impl Refusal {
    /// Every one, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::EventType,
        Self::Generation,
        Self::BrokenLineage,
        Self::InvalidRoot,
        Self::BindFamily,
        Self::ImdsResponse,
        Self::ImdsRequest,
        Self::TooDeep,
        Self::TextTooLong,
        Self::TooManyTags,
        Self::Full,
    ];

    /// The name that metrics use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventType => "event_type",
            Self::Generation => "generation_type",
            Self::BrokenLineage => "broken_lineage",
            Self::InvalidRoot => "invalid_root_node",
            Self::BindFamily => "bind_family",
            Self::ImdsResponse => "imds_response",
            Self::ImdsRequest => "imds_request",
            Self::TooDeep => "too_deep",
            Self::TextTooLong => "text_too_long",
            Self::TooManyTags => "too_many_tags",
            Self::Full => "full",
        }
    }
}

/// What [`What`] is about, for masks and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventType {
    /// Exec.
    Exec = 0,
    /// Exit.
    Exit = 1,
    /// Open.
    Open = 2,
    /// Names.
    Dns = 3,
    /// Bind.
    Bind = 4,
    /// Metadata services.
    Imds = 5,
    /// System calls.
    Syscalls = 6,
    /// Flows.
    Flow = 7,
    /// Capabilities.
    Capability = 8,
    /// Anything else.
    Other = 9,
}

impl EventType {
    /// Every one, in the order of their counters.
    pub const ALL: [Self; 10] = [
        Self::Exec,
        Self::Exit,
        Self::Open,
        Self::Dns,
        Self::Bind,
        Self::Imds,
        Self::Syscalls,
        Self::Flow,
        Self::Capability,
        Self::Other,
    ];

    /// What this is about.
    #[must_use]
    pub const fn of(what: &What<'_>) -> Self {
        match what {
            What::Exec => Self::Exec,
            What::Exit(_) => Self::Exit,
            What::Open { .. } => Self::Open,
            What::Dns(_) => Self::Dns,
            What::Bind(..) => Self::Bind,
            What::Imds(_) => Self::Imds,
            What::Syscalls(_) => Self::Syscalls,
            What::Flows(..) => Self::Flow,
            What::Capability(..) => Self::Capability,
            What::Other => Self::Other,
        }
    }

    /// The name that metrics and configuration use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Open => "open",
            Self::Dns => "dns",
            Self::Bind => "bind",
            Self::Imds => "imds",
            Self::Syscalls => "syscalls",
            Self::Flow => "network_flow_monitor",
            Self::Capability => "capabilities",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_a_place_and_a_name_of_their_own() {
        for (position, kind) in EventType::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind as u8), position);
        }
        let names: Vec<&str> = EventType::ALL.map(EventType::name).into();
        let reasons: Vec<&str> = Refusal::ALL.map(Refusal::name).into();
        for names in [names, reasons] {
            let set: std::collections::HashSet<&&str> = names.iter().collect();
            assert_eq!(set.len(), names.len());
            assert!(names.iter().all(|name| !name.is_empty()));
        }
        assert_eq!(EventType::of(&What::Syscalls(&[])), EventType::Syscalls);
    }
}
