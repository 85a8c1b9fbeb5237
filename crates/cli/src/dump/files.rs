//! Dumps as files: reading, writing, converting.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use dump::{Format, Recorded};
use indicatif::HumanBytes;

use crate::args::DumpConvertArgs;
use crate::failure::Failure;
use crate::record::{keep, unfinished};
use crate::view::terminal::{note, print};

/// Reads a dump or profile.
pub(crate) fn read(path: &Path) -> Result<Recorded, Failure> {
    let bytes = std::fs::read(path).map_err(Failure::file("open", path))?;
    dump::read(path, &bytes).map_err(|source| Failure::Dump { path: path.to_owned(), source })
}

/// What the ending of a file to write says, and whether it is packed.
pub(crate) fn form(path: &Path) -> Result<(Format, bool), Failure> {
    Format::of_path(path).ok_or_else(|| Failure::UnknownDumpEnding { path: path.to_owned() })
}

/// Writes a file that appears when it is complete.
pub(crate) fn write(
    path: &Path,
    recorded: Recorded,
    form: (Format, bool),
    force: bool,
) -> Result<(), Failure> {
    let mut file = unfinished(path, force)?;
    let bytes = encode(recorded, form);
    file.write_all(&bytes).map_err(Failure::file("write", path))?;
    keep(file, path, force)?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    note(&format!("{}: {}", path.display(), HumanBytes(size)));
    Ok(())
}

fn encode(recorded: Recorded, (format, is_packed): (Format, bool)) -> Vec<u8> {
    let bytes = recorded.encode(format);
    if is_packed { activity_tree::gzip(&bytes) } else { bytes }
}

/// Writes to standard output, unless that is a terminal that cannot show it.
pub(crate) fn show(recorded: Recorded, format: Format) -> Result<(), Failure> {
    let is_text = matches!(format, Format::Json | Format::Dot);
    if !is_text && std::io::stdout().is_terminal() {
        return Err(Failure::NotForATerminal { format });
    }
    let mut bytes = encode(recorded, (format, false));
    if is_text && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    print(&bytes)
}

/// `shrike dump convert`.
pub(crate) fn convert(args: &DumpConvertArgs) -> Result<(), Failure> {
    match (&args.output, args.to) {
        (Some(output), Some(format)) => {
            let is_packed = output.extension().is_some_and(|ending| ending == "gz");
            write(output, read(&args.input)?, (format, is_packed), args.force)
        }
        (Some(output), None) => {
            let form = form(output)?;
            write(output, read(&args.input)?, form, args.force)
        }
        // One of them is there: the command line says so.
        (None, format) => show(read(&args.input)?, format.unwrap_or(Format::Json)),
    }
}
