//! Chores of the repository that need code: `cargo xtask <chore>`.

mod codegen;
mod events_page;
mod metrics_page;
mod tidy;

use std::path::Path;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["codegen"] => codegen::write(),
        ["codegen", "--check"] => codegen::check(),
        ["tidy"] => tidy::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")),
        _ => bail!("usage: cargo xtask codegen [--check] | tidy"),
    }
}
