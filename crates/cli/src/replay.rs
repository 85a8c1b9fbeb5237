//! `shrike replay`: lets the installed analyzer replay the capture, and shows what comes of it as `shrike events` does.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use prost::Message as _;
use wire::v1::EventMessage;

use crate::args::{Global, ReplayArgs, SelectArgs};
use crate::events::Printer;
use crate::failure::Failure;
use crate::launch::programs;
use crate::view::terminal::Terminal;

/// No message of the analyzer is larger.
const MAX_MESSAGE_BYTES: u64 = 64 << 20;

/// Replays the capture. The analyzer does the work, so that what runs is exactly the one that is installed.
pub(crate) fn run(args: &ReplayArgs, global: &Global) -> Result<(), Failure> {
    let analyzer = programs::find("shrike-analyzer")?;
    let mut command = Command::new(&analyzer);
    command.arg("replay").arg(&args.file);
    if args.select.json {
        command.arg("--json");
    }
    if is_everything(&args.select) {
        // All of it, with what the system says of itself: nothing is left for us to do.
        return Err(Failure::File { action: "start", path: analyzer, source: command.exec() });
    }
    command.arg("--messages").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(Failure::file("start", &analyzer))?;
    let mut printer = Printer::new(Terminal::stdout(global.color), &args.select);
    let shown = match child.stdout.take() {
        Some(messages) => show(BufReader::new(messages), &mut printer, &analyzer),
        None => Ok(()),
    };
    // Its output is closed now, so it ends. Why it failed is on standard error already.
    let ended = child.wait().map_err(Failure::system("wait for the analyzer"))?;
    shown?;
    printer.close();
    if ended.success() { Ok(()) } else { Err(Failure::Passed(1)) }
}

/// Whether every document is wanted, as it is.
fn is_everything(args: &SelectArgs) -> bool {
    let SelectArgs {
        kinds,
        containers,
        comms,
        paths,
        args: texts,
        failed,
        excluded,
        loader: _,
        tree: _,
        count,
        json,
    } = args;
    let has_filter = [kinds, containers, comms, paths, texts, excluded].iter().any(|list| !list.is_empty());
    *json && !has_filter && !failed && count.is_none()
}

/// Prints the messages until they end or enough were shown.
fn show(mut messages: impl BufRead, printer: &mut Printer, analyzer: &Path) -> Result<(), Failure> {
    printer.header()?;
    while let Some(message) = next(&mut messages).map_err(Failure::file("read the events of", analyzer))? {
        if printer.event(&message)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The next message, with its length in front.
fn next(messages: &mut impl BufRead) -> std::io::Result<Option<EventMessage>> {
    let mut length: u64 = 0;
    for position in 0..10 {
        let mut byte = [0];
        if messages.read(&mut byte)? == 0 {
            return if position == 0 { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) };
        }
        let [byte] = byte;
        length |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            break;
        }
    }
    if length > MAX_MESSAGE_BYTES {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    messages.take(length).read_to_end(&mut bytes)?;
    EventMessage::decode(bytes.as_slice()).map(Some).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_to_their_end_and_damage_is_an_error() {
        let messages =
            ["/a".to_owned(), "/b".repeat(300)].map(|path| EventMessage { path, ..EventMessage::default() });
        let bytes: Vec<u8> = messages.iter().flat_map(EventMessage::encode_length_delimited_to_vec).collect();
        let mut rest = bytes.as_slice();
        for message in &messages {
            assert_eq!(next(&mut rest).unwrap().as_ref(), Some(message));
        }
        assert_eq!(next(&mut rest).unwrap(), None);
        for bad in [&[0x80][..], &[0xff; 10], &[5, 1, 2]] {
            assert!(next(&mut &*bad).is_err(), "{bad:?}");
        }
    }
}
