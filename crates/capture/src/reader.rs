//! Reads captures frame by frame.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use event::Host;
use prost::Message;
use wire::v1;
use wire::v1::from_probe::Message as FromProbe;

use crate::{CaptureError, FRAME_HEADER_BYTES, MAGIC, MAX_FRAME_BYTES, VERSION, checksum};

/// One message of a capture, in the order the probe sent them.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every item is a batch, and each is moved once or twice"
)]
pub enum Item {
    /// The host that what follows comes from. Always first; another one later means that the probe was restarted.
    Hello(Host),
    /// Known processes and events.
    Batch(v1::Batch),
    /// The counters of the probe.
    Status(v1::ProbeStatus),
}

/// Reads a capture: an iterator of its items that ends after the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// Number of the frame that is read next, from 1.
    frame: u64,
    /// Where that frame starts in the file.
    offset: u64,
    content: Vec<u8>,
    has_ended: bool,
    session: u64,
    /// Of what comes after the last hello.
    wire_version: u32,
}

impl Reader<BufReader<File>> {
    /// Opens the capture at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a capture that this version knows.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(|source| CaptureError::Open { path: path.to_owned(), source })?;
        Self::new(BufReader::new(file))
    }
}

impl<R: Read> Reader<R> {
    /// Reads the start of a capture. `input` is read in small pieces: give a buffered one.
    ///
    /// # Errors
    /// When it cannot be read or is not a capture that this version knows.
    pub fn new(mut input: R) -> Result<Self, CaptureError> {
        let mut start = Vec::with_capacity(MAGIC.len() + 1);
        read_up_to(&mut input, MAGIC.len() + 1, &mut start)
            .map_err(|source| CaptureError::Read { frame: 0, source })?;
        let (version, magic) = match start.split_last() {
            Some((version, magic)) if start.len() == MAGIC.len() + 1 => (*version, magic),
            _ if !start.is_empty() && MAGIC.starts_with(&start) => {
                return Err(CaptureError::Truncated { frame: 0, lost: length(start.len()) });
            }
            _ => return Err(CaptureError::NotACapture),
        };
        if magic != MAGIC || version == 0 {
            return Err(CaptureError::NotACapture);
        }
        if version > VERSION {
            return Err(CaptureError::NewerVersion { found: version });
        }
        let offset = length(start.len());
        Ok(Self {
            input,
            frame: 1,
            offset,
            content: Vec::new(),
            has_ended: false,
            session: 0,
            wire_version: 0,
        })
    }

    /// The session of the probe that what was read last is from; 0 = not recorded.
    pub fn session(&self) -> u64 {
        self.session
    }

    /// The next item; `None` at the end.
    fn read_item(&mut self) -> Result<Option<Item>, CaptureError> {
        if !self.read_frame()? {
            return Ok(None);
        }
        let frame = self.frame;
        let message = v1::FromProbe::decode(self.content.as_slice())
            .map_err(|source| CaptureError::NotAMessage { frame, source })?
            .message
            .ok_or(CaptureError::Unexpected { frame, expected: "message that this program knows" })?;
        let item = match message {
            // Batches of version 2 have no table of shapes, and are decoded by that.
            FromProbe::Hello(hello) if !(1..=wire::WIRE_VERSION).contains(&hello.wire_version) => {
                return Err(CaptureError::OtherWireVersion { found: hello.wire_version });
            }
            FromProbe::Hello(hello) => {
                self.session = hello.session;
                self.wire_version = hello.wire_version;
                Item::Hello(hello.host.unwrap_or_default().into())
            }
            FromProbe::Batch(_) | FromProbe::Status(_) if frame == 1 => {
                return Err(CaptureError::Unexpected { frame, expected: "hello, which must be first" });
            }
            FromProbe::Batch(bytes) => {
                let parse = if self.wire_version == wire::wire1::VERSION {
                    wire::wire1::parse
                } else {
                    wire::batch::parse
                };
                Item::Batch(parse(bytes).map_err(|source| CaptureError::NotABatch { frame, source })?)
            }
            FromProbe::Status(status) => Item::Status(status),
        };
        self.offset += length(FRAME_HEADER_BYTES + self.content.len());
        self.frame += 1;
        Ok(Some(item))
    }

    /// Reads the content of the next frame; false at the end of the file.
    fn read_frame(&mut self) -> Result<bool, CaptureError> {
        let frame = self.frame;
        let failed = |source| CaptureError::Read { frame, source };
        self.content.clear();
        read_up_to(&mut self.input, FRAME_HEADER_BYTES, &mut self.content).map_err(failed)?;
        if self.content.is_empty() && frame > 1 {
            return Ok(false);
        }
        let Some((claimed, expected)) = frame_header(&self.content) else {
            return Err(CaptureError::Truncated { frame, lost: length(self.content.len()) });
        };
        let bytes = u32::from_le_bytes(claimed);
        let count = usize::try_from(bytes).unwrap_or(usize::MAX);
        if count > MAX_FRAME_BYTES {
            return Err(CaptureError::FrameTooLarge { frame, bytes: bytes.into(), offset: self.offset });
        }
        self.content.clear();
        read_up_to(&mut self.input, count, &mut self.content).map_err(failed)?;
        if self.content.len() < count {
            let lost = length(FRAME_HEADER_BYTES + self.content.len());
            return Err(CaptureError::Truncated { frame, lost });
        }
        // A fuzzer cannot guess checksums; without this it would never get past them.
        if checksum(claimed, &self.content) != expected && !cfg!(fuzzing) {
            return Err(CaptureError::Checksum { frame, offset: self.offset });
        }
        Ok(true)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Item, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let item = self.read_item().transpose();
        // Nothing after a damaged frame can be trusted: even where the next one starts is not known.
        self.has_ended = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Length and checksum of a frame.
fn frame_header(bytes: &[u8]) -> Option<([u8; 4], u32)> {
    let (length, checksum) = bytes.split_first_chunk::<4>()?;
    Some((*length, u32::from_le_bytes(checksum.try_into().ok()?)))
}

/// Appends up to `count` bytes, fewer only at the end of the input. The buffer grows with what arrives, not with
/// what a length claims.
fn read_up_to(input: &mut impl Read, count: usize, into: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        match input.by_ref().take(length(count - into.len().min(count))).read_to_end(into) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
