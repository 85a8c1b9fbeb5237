//! The `[spool]` section.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::config::{Correction, fall_back};

/// A directory for what an output over the network has not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolConfig {
    /// The directory; the last part of it is made. It belongs to one reporter.
    #[serde(deserialize_with = "bootstrap::config::absolute")]
    pub path: PathBuf,
    /// Bytes on disk for each output, at least 16 MiB. Full, it takes nothing of low class, and what is of high class pushes
    /// that out. Default 1 GiB.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// What is older is given up. Default 24h, which is also the most.
    #[serde(default = "default_max_age", deserialize_with = "bootstrap::config::time")]
    pub max_age: Duration,
    /// Least time between two commits, up to 10s. Longer: fewer writes, but an acknowledgement takes as long. Default 100ms.
    #[serde(default = "default_sync_every", deserialize_with = "bootstrap::config::time")]
    pub sync_every: Duration,
}

fn default_max_bytes() -> u64 {
    1 << 30
}

fn default_max_age() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

fn default_sync_every() -> Duration {
    Duration::from_millis(100)
}

impl SpoolConfig {
    /// The defaults in this directory.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            max_bytes: default_max_bytes(),
            max_age: default_max_age(),
            sync_every: default_sync_every(),
        }
    }

    pub(crate) fn settle(&mut self, corrections: &mut Vec<Correction>) {
        fall_back(
            corrections,
            "spool.max_bytes",
            &mut self.max_bytes,
            |bytes| *bytes >= 16 << 20,
            default_max_bytes(),
            "16 MiB and more",
        );
        fall_back(
            corrections,
            "spool.max_age",
            &mut self.max_age,
            |age| *age >= Duration::from_secs(60),
            default_max_age(),
            "1m to 1day",
        );
        fall_back(
            corrections,
            "spool.sync_every",
            &mut self.sync_every,
            |every| *every <= Duration::from_secs(10),
            default_sync_every(),
            "0s to 10s",
        );
    }
}
