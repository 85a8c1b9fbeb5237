//! Compiles `ebpf/probe.bpf.c`, so that the probe carries its programs in itself.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

fn main() -> anyhow::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?);
    let sources = manifest.ancestors().nth(2).context("services/probe has moved")?.join("ebpf");
    let object = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?).join("probe.bpf.o");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-env-changed=SHRIKE_CLANG");
    println!("cargo::rerun-if-env-changed=SHRIKE_LLVM_STRIP");

    let architecture = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => "x86",
        other => bail!("the bpf programs know the system calls of x86_64 only, not of {other:?}"),
    };
    let clang = env::var("SHRIKE_CLANG").unwrap_or_else(|_| "clang".to_owned());
    run(
        Command::new(&clang)
            .args(["-target", "bpf", "-mcpu=v3", "-g", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"])
            // Types that are only used through pointers of other types are declared, not defined.
            .arg("-Wno-unused-parameter")
            .arg(format!("-D__TARGET_ARCH_{architecture}"))
            .arg("-I")
            .arg(sources.join("include"))
            .arg("-c")
            .arg(sources.join("probe.bpf.c"))
            .arg("-o")
            .arg(&object),
        &format!("{clang} is needed to compile the bpf programs (Debian packages clang and libbpf-dev)"),
    )?;
    strip(&object)
}

/// Removes DWARF and keeps BTF. The strip program of the same LLVM has a version in its name on Debian.
fn strip(object: &Path) -> anyhow::Result<()> {
    let named = env::var("SHRIKE_LLVM_STRIP").ok();
    let versioned = (14..=22).rev().map(|version| format!("llvm-strip-{version}"));
    let candidates = named.into_iter().chain(["llvm-strip".to_owned()]).chain(versioned);
    let strips = |name: &String| {
        Command::new(name).arg("-g").arg(object).status().is_ok_and(|status| status.success())
    };
    if candidates.into_iter().any(|name| strips(&name)) {
        return Ok(());
    }
    bail!("llvm-strip is needed to shrink the bpf object (Debian package llvm)")
}

fn run(command: &mut Command, hint: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}: {hint}"))?;
    if !status.success() {
        bail!("{command:?} failed with {status}");
    }
    Ok(())
}
