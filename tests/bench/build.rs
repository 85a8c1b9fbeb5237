//! Compiles what is measured beside: an empty program for hooks, and the messages of dumps for prost.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

fn main() -> anyhow::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    let source = manifest.join("ebpf/empty.bpf.c");
    let object = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("empty.bpf.o");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-env-changed=SHRIKE_CLANG");
    let clang = env::var("SHRIKE_CLANG").unwrap_or_else(|_| "clang".to_owned());
    let status = Command::new(&clang)
        .args(["-target", "bpf", "-g", "-O2", "-Wall", "-Wextra", "-Werror", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&object)
        .status()
        .with_context(|| format!("{clang} is needed to compile a bpf program (Debian package clang)"))?;
    ensure!(status.success(), "{clang} ended with {status}");
    let root = manifest.join("../../proto");
    let messages = root.join("datadog/cws/dumpsv1/activity_dump.proto");
    println!("cargo::rerun-if-changed={}", messages.display());
    let descriptors = protox::compile([messages], [root])?;
    Ok(tonic_prost_build::configure().compile_fds(descriptors)?)
}
