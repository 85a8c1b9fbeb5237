//! Captures to JSON lines and back.
//!
//! Known processes and events come through unchanged, and the hosts. Counters of the probe are left out: they
//! belong to one recording, not to what happened. Batches may be cut differently.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use event::{Event, KnownProcess};
use serde::de::DeserializeSeed as _;
use wire::{WireError, batch, status};

use crate::jsonl::defaults::Context;
use crate::jsonl::task_line::TaskLineSeed;
use crate::jsonl::to_event::{self, Record};
use crate::jsonl::{AnyLine, LineKind, from_event};
use crate::{CaptureError, Item, MAX_FRAME_BYTES, Reader, Writer};

pub use crate::jsonl::to_event::LineProblem;

/// Events in one batch at most, as a probe does it.
const BATCH_EVENTS: usize = 1024;

/// Why a conversion stopped.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The capture cannot be read or written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A batch in the capture is not what it must be.
    #[error("batch {seq} of the capture is damaged: {source}")]
    Batch {
        /// Number of the batch.
        seq: u64,
        /// The cause.
        source: WireError,
    },
    /// The JSON lines cannot be opened.
    #[error("cannot open {path}: {source}")]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The JSON lines cannot be read.
    #[error("cannot read line {line}: {source}")]
    Read {
        /// Line number, from 1.
        line: u64,
        /// The cause.
        source: io::Error,
    },
    /// The JSON lines cannot be written.
    #[error("cannot write JSON lines: {0}")]
    Write(#[source] io::Error),
    /// A line is longer than anything that fits a capture.
    #[error("line {line} is longer than {MAX_FRAME_BYTES} bytes: is this a file of JSON lines?")]
    LineTooLong {
        /// Line number, from 1.
        line: u64,
    },
    /// A line is not JSON, has an unknown key or a value of the wrong type.
    #[error("line {line}, column {column}: {message}", column = source.column(), message = without_position(source))]
    Json {
        /// Line number, from 1.
        line: u64,
        /// The cause; its own line number is always 1.
        source: serde_json::Error,
    },
    /// A line is complete JSON, but does not make sense.
    #[error("line {line}: {source}")]
    Line {
        /// Line number, from 1.
        line: u64,
        /// The cause.
        source: LineProblem,
    },
    /// The first line is not the host.
    #[error("line {line}: the first line must be of kind host, like {{\"kind\":\"host\",\"capture\":1}}")]
    NoHost {
        /// Line number, from 1; the last when there is no line at all.
        line: u64,
    },
}

/// How much was converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Converted {
    /// Known processes.
    pub processes: u64,
    /// Events.
    pub events: u64,
}

/// Writes a capture as JSON lines. Give a buffered `output`.
///
/// # Errors
/// When the capture is damaged (everything before the damage was written) or `output` cannot be written.
pub fn to_jsonl<R: Read, W: Write>(capture: Reader<R>, mut output: W) -> Result<Converted, ConvertError> {
    let mut converted = Converted::default();
    for item in capture {
        match item? {
            Item::Hello(host) => write_line(&mut output, &from_event::host_line(host))?,
            Item::Status(_) => {}
            Item::Batch(message) => {
                let decoded = batch::decode(&message)
                    .map_err(|source| ConvertError::Batch { seq: message.seq, source })?;
                for process in &decoded.processes {
                    write_line(&mut output, &from_event::process_line(process))?;
                    converted.processes += 1;
                }
                for event in &decoded.events {
                    write_line(&mut output, &from_event::event_line(event))?;
                    converted.events += 1;
                }
            }
        }
    }
    output.flush().map_err(ConvertError::Write)?;
    Ok(converted)
}

/// Writes JSON lines as a capture. Give a buffered `output`.
///
/// # Errors
/// At the first line that is not right, by number and key; when something cannot be read or written.
pub fn from_jsonl<R: BufRead, W: Write>(lines: R, output: W) -> Result<Converted, ConvertError> {
    let mut converted = Converted::default();
    let mut lines = JsonLines::new(lines);
    let Some(Item::Hello(host)) = lines.next().transpose()? else {
        return Err(ConvertError::NoHost { line: lines.line });
    };
    let mut capture = Writer::new(output, &status::hello(&host, ""))?;
    for item in lines.by_ref() {
        match item? {
            Item::Hello(host) => capture.write_host(&host, "")?,
            Item::Status(status) => capture.write_status(status)?,
            Item::Batch(batch) => capture.write_batch(batch)?,
        }
    }
    converted.processes += lines.written.processes;
    converted.events += lines.written.events;
    capture.flush()?;
    Ok(converted)
}

/// Reads JSON lines as if they were a capture: the same items, so that both can be replayed.
#[derive(Debug)]
pub struct JsonLines<R> {
    input: R,
    line: u64,
    buffer: Vec<u8>,
    context: Context,
    processes: Vec<KnownProcess>,
    events: Vec<Event>,
    /// Bytes that the pending batch may take.
    pending_bytes: usize,
    seq: u64,
    ready: VecDeque<Item>,
    has_host: bool,
    has_ended: bool,
    written: Converted,
}

impl JsonLines<io::BufReader<std::fs::File>> {
    /// Opens the JSON lines at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ConvertError> {
        let file = std::fs::File::open(path)
            .map_err(|source| ConvertError::Open { path: path.to_owned(), source })?;
        Ok(Self::new(io::BufReader::new(file)))
    }
}

impl<R: BufRead> JsonLines<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: 0,
            buffer: Vec::new(),
            context: Context::default(),
            processes: Vec::new(),
            events: Vec::new(),
            pending_bytes: 0,
            seq: 0,
            ready: VecDeque::new(),
            has_host: false,
            has_ended: false,
            written: Converted::default(),
        }
    }

    /// Reads one line into the pending batch; false at the end.
    fn read(&mut self) -> Result<bool, ConvertError> {
        self.line += 1;
        let line = self.line;
        self.buffer.clear();
        let limit = u64::try_from(MAX_FRAME_BYTES).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.buffer);
        read.map_err(|source| ConvertError::Read { line, source })?;
        if self.buffer.is_empty() {
            return if self.has_host { Ok(false) } else { Err(ConvertError::NoHost { line }) };
        }
        if self.buffer.len() == MAX_FRAME_BYTES && self.buffer.last() != Some(&b'\n') {
            return Err(ConvertError::LineTooLong { line });
        }
        let text = self.buffer.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(true);
        }
        let json = |source| ConvertError::Json { line, source };
        let problem = |source| ConvertError::Line { line, source };
        let AnyLine { kind } = serde_json::from_slice(text).map_err(json)?;
        if kind == LineKind::Host {
            let host = to_event::host(serde_json::from_slice(text).map_err(json)?).map_err(problem)?;
            self.cut();
            self.context = Context::default();
            self.has_host = true;
            self.ready.push_back(Item::Hello(host));
            return Ok(true);
        }
        if !self.has_host {
            return Err(ConvertError::NoHost { line });
        }
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let task_line = TaskLineSeed(kind).deserialize(&mut deserializer).map_err(json)?;
        deserializer.end().map_err(json)?;
        let record = to_event::record(task_line, &mut self.context).map_err(problem)?;
        self.add(record);
        Ok(true)
    }

    /// Puts a record into the pending batch, and cuts before it where it would not fit.
    fn add(&mut self, record: Record) {
        let (bytes, must_cut) = match &record {
            // Processes come before the events of their batch.
            Record::Process(process) => (batch::process_bytes(process), !self.events.is_empty()),
            Record::Event(event) => (batch::event_bytes(event), self.events.len() >= BATCH_EVENTS),
        };
        if must_cut || self.pending_bytes.saturating_add(bytes) > batch::TARGET_BYTES {
            self.cut();
        }
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        match record {
            Record::Process(process) => self.processes.push(process),
            Record::Event(event) => self.events.push(event),
        }
    }

    /// Finishes the pending batch, if there is anything in it.
    fn cut(&mut self) {
        if self.processes.is_empty() && self.events.is_empty() {
            return;
        }
        self.seq += 1;
        self.ready.push_back(Item::Batch(batch::encode(self.seq, &self.processes, &self.events)));
        self.written.processes += u64::try_from(self.processes.len()).unwrap_or(u64::MAX);
        self.written.events += u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        self.processes.clear();
        self.events.clear();
        self.pending_bytes = 0;
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Result<Item, ConvertError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.has_ended {
            match self.read() {
                Ok(true) => {}
                Ok(false) => {
                    self.has_ended = true;
                    self.cut();
                }
                Err(error) => {
                    self.has_ended = true;
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

fn write_line<W: Write>(output: &mut W, line: &impl serde::Serialize) -> Result<(), ConvertError> {
    serde_json::to_writer(&mut *output, line).map_err(|error| ConvertError::Write(error.into()))?;
    output.write_all(b"\n").map_err(ConvertError::Write)
}

/// What the JSON parser says, without its position: it sees one line only and always calls it line 1.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
