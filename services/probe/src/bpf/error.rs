//! Why the kernel side cannot be used. A file of its own, because every other one here can fail.

/// Why the object could not be loaded at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No BTF.
    #[error(
        "this kernel does not describe its types (/sys/kernel/btf/vmlinux): a kernel with CONFIG_DEBUG_INFO_BTF is needed"
    )]
    Btf(#[source] aya::BtfError),
    /// The object or its maps were refused.
    #[error(
        "the kernel refused the bpf maps: run `shrike doctor` to see what is missing (root, CAP_BPF or memory)"
    )]
    Object(#[source] aya::EbpfError),
    /// A map is not of the type that its user expects.
    #[error("a bpf map has another type than expected: probe and bpf object come from different builds")]
    Map(#[source] aya::maps::MapError),
    /// A map is missing.
    #[error("the bpf object has no map {name}: probe and bpf object come from different builds")]
    MissingMap {
        /// Its name.
        name: &'static str,
    },
}

/// Why the kernel side could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SensorError {
    /// Nothing could be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A ring could not be mapped or polled.
    #[error("cannot use the ring {ring}")]
    Ring {
        /// Name of its map.
        ring: &'static str,
        /// What the kernel said.
        #[source]
        source: nix::Error,
    },
    /// The scope map refused a decision.
    #[error("cannot write the decision for cgroup {cgroup} to the scope map")]
    Scope {
        /// The cgroup.
        cgroup: u64,
        /// What the kernel said.
        #[source]
        source: aya::maps::MapError,
    },
    /// The kind cannot be attached and detached while the probe runs.
    #[error("{kind:?} is always attached: every later event needs it")]
    NotOptional {
        /// Which.
        kind: event::Kind,
    },
    /// A kind could not be attached.
    #[error("cannot attach the programs of {kind:?}")]
    Attach {
        /// Which.
        kind: event::Kind,
        /// What the kernel said.
        #[source]
        source: aya::programs::ProgramError,
    },
    /// The process iterator is not available or failed.
    #[error("cannot list the processes in scope: {what}")]
    Snapshot {
        /// Which step failed.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
