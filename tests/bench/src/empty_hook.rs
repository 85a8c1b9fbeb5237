//! A program that does nothing, attached to the hook that the probe attaches to: the floor under any hook there.

use anyhow::Context;
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf};

/// Attached as long as it lives.
#[derive(Debug)]
pub struct EmptyHook {
    _loaded: Ebpf,
}

impl EmptyHook {
    /// Loads and attaches it.
    ///
    /// # Errors
    /// Without root or BTF.
    pub fn attach() -> anyhow::Result<Self> {
        let mut loaded = Ebpf::load(aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/empty.bpf.o")))
            .context("cannot load the empty program")?;
        let program = loaded.program_mut("empty").context("the object has the program")?;
        let program: &mut BtfTracePoint = program.try_into()?;
        program.load("sys_exit", &Btf::from_sys_fs()?)?;
        program.attach().context("cannot attach the empty program")?;
        Ok(Self { _loaded: loaded })
    }
}
