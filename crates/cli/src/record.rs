//! `shrike record`: the stream of the probe, as it is, into a capture file.
//!
//! Invariant: a file with the wanted name is complete. Until then the recording is in a temporary file beside it.

use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use capture::Writer;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tempfile::NamedTempFile;
use tokio_stream::StreamExt;
use wire::v1::{FromProbe, RecordRequest, from_probe::Message};

use crate::api;
use crate::args::{Global, RecordArgs};
use crate::failure::Failure;
use crate::view::terminal::note;
use crate::view::text::grouped;

/// Time for what a recording begins with, which an analyzer with a probe has.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// What was recorded so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Recorded {
    events: u64,
    batches: u64,
    bytes: u64,
}

/// Records until `--duration`, `--count`, Ctrl-C or the end of the stream.
pub(crate) async fn run(args: RecordArgs, global: Global) -> Result<(), Failure> {
    let unfinished = unfinished(&args.file, args.force)?;
    let mut client = api::connect(&global.socket).await?;
    let mut stream = api::answer(&global.socket, client.record(RecordRequest {})).await?;
    let refused = |status: tonic::Status| api::refused(&global.socket, &status);

    // Without a probe nothing comes, for as long as it is away.
    let first = tokio::time::timeout(HELLO_WITHIN, stream.next()).await.ok().flatten();
    let hello = match first.transpose().map_err(refused)?.and_then(|first| first.message) {
        Some(Message::Hello(hello)) => hello,
        _ => {
            let message = "it has no probe to record yet, `shrike status` says why".to_owned();
            return Err(Failure::WentAway { socket: global.socket.clone(), message });
        }
    };
    let failed = |source| Failure::Capture { path: args.file.clone(), source };
    let mut writer = Writer::new(BufWriter::new(unfinished), &hello).map_err(failed)?;

    let bar = progress();
    let mut recorded = Recorded::default();
    let receive = async {
        while let Some(message) = stream.next().await {
            let Some(message) = message.map_err(refused)?.message else { continue };
            recorded.add(&message);
            writer.write(message).map_err(failed)?;
            bar.set_message(recorded.text());
            if args.count.is_some_and(|count| recorded.events >= count) {
                break;
            }
        }
        Ok(())
    };
    let in_time = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let ended: Result<(), Failure> = tokio::select! {
        ended = receive => ended,
        () = in_time => Ok(()),
        signal = bootstrap::shutdown::requested() => signal.map(drop).map_err(Failure::system("wait for Ctrl-C")),
    };
    bar.finish_and_clear();
    // What was recorded before an analyzer went away is worth keeping.
    let file = writer.finish().map_err(failed)?.into_inner().map_err(|error| Failure::File {
        action: "write",
        path: args.file.clone(),
        source: error.into_error(),
    })?;
    keep(file, &args.file, args.force)?;
    note(&format!("{}: {}", args.file.display(), recorded.text()));
    ended
}

impl Recorded {
    fn add(&mut self, message: &Message) {
        // The size as encoded is also what the file grows by, but for eight bytes of frame header.
        let whole = FromProbe { message: Some(message.clone()) };
        self.bytes += u64::try_from(prost::Message::encoded_len(&whole)).unwrap_or(u64::MAX) + 8;
        if let Message::Batch(bytes) = message
            && let Ok(batch) = wire::batch::parse(bytes.clone())
        {
            self.batches += 1;
            self.events += wire::batch::kinds(&batch).total();
        }
    }

    fn text(self) -> String {
        let (events, batches) = (grouped(self.events.into()), grouped(self.batches.into()));
        format!("{events} events in {batches} batches, {}", HumanBytes(self.bytes))
    }
}

fn progress() -> ProgressBar {
    // Drawn on standard error, and not at all when that is no terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} recording {elapsed}: {msg} (Ctrl-C ends)") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A temporary file in the directory of `file`, so that renaming it is atomic.
pub(crate) fn unfinished(file: &Path, force: bool) -> Result<NamedTempFile, Failure> {
    if !force && file.symlink_metadata().is_ok() {
        return Err(Failure::FileExists { path: file.to_owned() });
    }
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".shrike-")
        .tempfile_in(dir)
        .map_err(Failure::file("create a file in", dir))
}

/// Gives a finished temporary file its name, on disk.
pub(crate) fn keep(unfinished: NamedTempFile, file: &Path, force: bool) -> Result<(), Failure> {
    unfinished.as_file().sync_all().map_err(Failure::file("write", file))?;
    let kept = if force { unfinished.persist(file) } else { unfinished.persist_noclobber(file) };
    kept.map(drop).map_err(|error| {
        if error.error.kind() == std::io::ErrorKind::AlreadyExists {
            return Failure::FileExists { path: file.to_owned() };
        }
        Failure::File { action: "write", path: file.to_owned(), source: error.error }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_neither_replaced_nor_touched_without_force() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.cap");
        std::fs::write(&file, "precious").unwrap();
        assert!(matches!(unfinished(&file, false), Err(Failure::FileExists { .. })));
        // It may also appear while we record.
        let recording = unfinished(&dir.path().join("b.cap"), false).unwrap();
        assert!(matches!(keep(recording, &file, false), Err(Failure::FileExists { .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        keep(unfinished(&file, true).unwrap(), &file, true).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    }

    #[test]
    fn a_recording_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(unfinished(&dir.path().join("a.cap"), false).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
