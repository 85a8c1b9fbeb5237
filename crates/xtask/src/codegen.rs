//! Makes the files that follow from others: the Rust mirror of `events.h`, the pages of kinds, of metrics and of rule fields,
//! the grammar for editors, the profiles of system calls for containers.
//!
//! The results are committed, so that a normal build needs no libclang and readers need no build. Invariant: each
//! committed file is exactly what this makes; `codegen --check` fails otherwise.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use bindgen::callbacks::{DeriveInfo, ParseCallbacks, TypeKind};

use bootstrap::confine::profile::PROFILES;

use crate::{events_page, metrics_page};

const HEADER: &str = "ebpf/include/probe/events.h";
const CONFINES: &str = "crates/bootstrap/src/confine";

/// A file that is made from others.
struct Generated {
    output: &'static str,
    /// What it is made from.
    source: &'static str,
    make: fn() -> anyhow::Result<String>,
}

const GENERATED: [Generated; 8] = [
    Generated { output: "crates/event-abi/src/generated.rs", source: HEADER, make: event_abi },
    Generated {
        output: events_page::OUTPUT,
        source: "crates/event/src/kinds",
        make: || Ok(events_page::generate()),
    },
    Generated {
        output: metrics_page::OUTPUT,
        source: "crates/bootstrap/src/metrics",
        make: || Ok(metrics_page::generate()),
    },
    Generated {
        output: "docs/fields.md",
        source: "the tables of crates/rule-model",
        make: || Ok(rule_model::fields_page()),
    },
    Generated {
        output: "docs/editors/secl.tmLanguage.json",
        source: "crates/rule-model and crates/secl",
        make: || Ok(rule_model::grammar()),
    },
    Generated { output: "deploy/seccomp/probe.json", source: CONFINES, make: || profile("probe") },
    Generated { output: "deploy/seccomp/analyzer.json", source: CONFINES, make: || profile("analyzer") },
    Generated { output: "deploy/seccomp/reporter.json", source: CONFINES, make: || profile("reporter") },
];

/// Writes the generated files.
pub(crate) fn write() -> anyhow::Result<()> {
    for generated in &GENERATED {
        let path = root()?.join(generated.output);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        std::fs::write(&path, (generated.make)()?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Fails when a committed file is not what [`write()`] would make.
pub(crate) fn check() -> anyhow::Result<()> {
    for Generated { output, source, make } in &GENERATED {
        let path = root()?.join(output);
        let committed =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let made = make()?;
        if committed != made {
            let line = committed.lines().zip(made.lines()).take_while(|(old, new)| old == new).count() + 1;
            bail!(
                "{output} does not match {source} from line {line} on: run `cargo run -p xtask -- codegen`"
            );
        }
    }
    Ok(())
}

fn root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_path_buf).context("crates/xtask has moved")
}

fn profile(service: &str) -> anyhow::Result<String> {
    let profile = PROFILES.iter().find(|profile| profile.service == service);
    Ok(profile.with_context(|| format!("there is no profile of the {service}"))?.file())
}

fn event_abi() -> anyhow::Result<String> {
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
