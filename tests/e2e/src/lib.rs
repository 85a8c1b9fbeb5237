//! A whole Shrike for one test: the three services as `shrike run` starts them, and an intake in this process.
//!
//! Everything is scoped to the cgroup of the test; dropping a [`Stack`] ends what it started.

pub mod container;
pub mod containerd;
pub mod contract;
pub mod counts;
pub mod documents;
pub mod dumps;
pub mod growth;
pub mod stack;

use std::path::PathBuf;

use anyhow::Context;

pub use stack::{Stack, StackOptions};

/// Says why tests on real eBPF cannot run here, if they cannot.
#[must_use]
pub fn missing_requirement() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root to load eBPF programs".to_owned());
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Some("needs a kernel with BTF (/sys/kernel/btf/vmlinux is missing)".to_owned());
    }
    workloads::cgroup::v2_root().err().map(|error| error.to_string())
}

/// A program of this workspace, next to the directory of the running test.
///
/// # Errors
/// When it was not built: `cargo build --workspace` builds all of them.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    existing(profile_dir()?.join(name))
}

/// A program of this workspace that is linked statically, so that its start opens no library.
///
/// # Errors
/// When it was not built: `build/static.sh` does.
pub fn static_binary(name: &str) -> anyhow::Result<PathBuf> {
    let dir = profile_dir()?;
    let profile = dir.file_name().context("target/<profile> has a name")?;
    let target = dir.parent().context("target/<profile> is in target")?;
    existing(target.join("static").join(profile).join(name))
}

/// A test runs from `target/<profile>/deps`.
fn profile_dir() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let dir = test.parent().and_then(std::path::Path::parent);
    dir.map(PathBuf::from).context("the test is not in target/<profile>/deps")
}

fn existing(path: PathBuf) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(path.exists(), "{} is not built: `make test` builds everything", path.display());
    Ok(path)
}
