//! `shrike dump`: recordings of what a workload does.
//!
//! `start`, `list` and `stop` ask the analyzer. What looks into files, converts and compares them, and builds one from a capture needs no service and no root.

mod diff;
mod files;
mod from_capture;
mod live;
mod show;
mod stats;
mod tree;

use crate::args::{DumpCommand, Global};
use crate::failure::Failure;

/// Runs one of the commands.
pub(crate) async fn run(command: DumpCommand, global: &Global) -> Result<(), Failure> {
    match command {
        DumpCommand::Start(args) => live::start(&args, global).await,
        DumpCommand::List(args) => live::list(&args, global).await,
        DumpCommand::Stop(args) => live::stop(&args, global).await,
        DumpCommand::Show(args) => show::run(&args, global.color),
        DumpCommand::Convert(args) => files::convert(&args),
        DumpCommand::Diff(args) => diff::run(&args, global.color),
        DumpCommand::Stats(args) => stats::run(&args, global.color),
        DumpCommand::FromCapture(args) => from_capture::run(&args),
    }
}
