//! Workloads: what a control group stands for.

use std::sync::Arc;

use crate::Text;

/// A control group, and the workload it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Cgroup {
    /// Kernel id (`kernfs` id; bit 63 is set for a cgroup v1 hierarchy, whose ids are their own space).
    pub id: u64,
    /// Path inside its hierarchy, `/docker/<id>`; empty while not known.
    pub path: Text,
    /// What runs in it.
    pub workload: Workload,
    /// Creation, nanoseconds since the epoch; 0 = not known.
    pub created_ns: i64,
}

/// What runs in a control group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Workload {
    /// Neither a container nor a service.
    #[default]
    Host,
    /// A container.
    Container {
        /// The runtime's id of the container, usually 64 hexadecimal digits.
        id: Arc<str>,
        /// Which runtime the path speaks of.
        runtime: Runtime,
        /// UID of the Kubernetes pod when the path names one.
        pod_uid: Option<Arc<str>>,
    },
    /// A systemd service (`nginx.service`).
    Service {
        /// Unit name.
        unit: Arc<str>,
    },
}

impl Workload {
    /// The container id, if this is a container.
    #[must_use]
    pub fn container_id(&self) -> Option<&Arc<str>> {
        match self {
            Self::Container { id, .. } => Some(id),
            Self::Host | Self::Service { .. } => None,
        }
    }
}

/// Container runtimes that can be told from a control group path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Runtime {
    /// A container of a runtime that the path does not name.
    #[default]
    Unknown = 0,
    /// Docker Engine.
    Docker = 1,
    /// containerd, also as a Kubernetes CRI.
    Containerd = 2,
    /// CRI-O.
    CriO = 3,
    /// Podman and other libpod users.
    Podman = 4,
}

impl Runtime {
    /// Every runtime, in discriminant order.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Docker, Self::Containerd, Self::CriO, Self::Podman];

    /// The runtime with this discriminant.
    #[must_use]
    pub fn from_u8(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|runtime| *runtime as u8 == value)
    }

    /// Lower-case name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
        }
    }
}
