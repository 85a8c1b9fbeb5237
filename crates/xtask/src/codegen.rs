//! Makes `crates/event-abi/src/generated.rs` from `ebpf/include/probe/events.h`.
//!
//! The result is committed, so that a normal build needs no libclang. Invariant: the committed file is exactly what
//! this makes; `codegen --check` fails otherwise.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use bindgen::callbacks::{DeriveInfo, ParseCallbacks, TypeKind};

const HEADER: &str = "ebpf/include/probe/events.h";
const OUTPUT: &str = "crates/event-abi/src/generated.rs";

/// Writes the generated file.
pub(crate) fn write() -> anyhow::Result<()> {
    let path = root()?.join(OUTPUT);
    std::fs::write(&path, generate()?).with_context(|| format!("cannot write {}", path.display()))
}

/// Fails when the committed file is not what [`write()`] would make.
pub(crate) fn check() -> anyhow::Result<()> {
    let path = root()?.join(OUTPUT);
    let committed =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let made = generate()?;
    if committed == made {
        return Ok(());
    }
    let line = committed.lines().zip(made.lines()).take_while(|(old, new)| old == new).count() + 1;
    bail!("{OUTPUT} does not match {HEADER} from line {line} on: run `cargo run -p xtask -- codegen`")
}

fn root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_path_buf).context("crates/xtask has moved")
}

fn generate() -> anyhow::Result<String> {
    let header = root()?.join(HEADER);
    let bindings = bindgen::Builder::default()
        .header(header.to_str().context("the path of the checkout is not UTF-8")?)
        .clang_args(["-target", "bpf"])
        .allowlist_file(".*/probe/events\\.h")
        .default_enum_style(bindgen::EnumVariation::NewType { is_bitfield: false, is_global: false })
        .prepend_enum_name(false)
        .derive_default(true)
        .derive_debug(true)
        .generate_comments(false)
        .disable_header_comment()
        .use_core()
        .formatter(bindgen::Formatter::Rustfmt)
        .rustfmt_configuration_file(Some(root()?.join("rustfmt.toml")))
        .parse_callbacks(Box::new(Derives))
        .raw_line(
            "//! Made from `ebpf/include/probe/events.h` by `cargo run -p xtask -- codegen`; do not edit.",
        )
        .raw_line("")
        .raw_line("use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};")
        .generate()
        .context("bindgen could not read the header (libclang is needed: Debian package libclang-dev)")?;
    // The lints are answered once, where the module is declared.
    let text = bindings.to_string();
    let lines = text.lines().filter(|line| !line.starts_with("#[allow(clippy::"));
    Ok(lines.flat_map(|line| [line, "\n"]).collect())
}

/// `IntoBytes` refuses a struct with hidden padding, which is how kernel memory would leak into records.
#[derive(Debug)]
struct Derives;

impl ParseCallbacks for Derives {
    fn add_derives(&self, info: &DeriveInfo<'_>) -> Vec<String> {
        match info.kind {
            TypeKind::Struct => {
                ["FromBytes", "IntoBytes", "Immutable", "KnownLayout"].map(String::from).to_vec()
            }
            TypeKind::Enum | TypeKind::Union => Vec::new(),
        }
    }
}
