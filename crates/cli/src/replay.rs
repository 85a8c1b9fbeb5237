//! `shrike replay`: hands the capture to the analyzer's own replay.

use std::os::unix::process::CommandExt;

use crate::args::ReplayArgs;
use crate::failure::Failure;
use crate::launch::programs;

/// Becomes `shrike-analyzer replay`, so that what runs is exactly the analyzer that is installed.
pub(crate) fn run(args: ReplayArgs) -> Result<(), Failure> {
    let analyzer = programs::find("shrike-analyzer")?;
    let mut command = std::process::Command::new(&analyzer);
    command.arg("replay").arg(&args.file);
    if args.json {
        command.arg("--json");
    }
    Err(Failure::File { action: "start", path: analyzer, source: command.exec() })
}
