//! Writes captures frame by frame.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use event::Host;
use prost::Message;
use wire::v1;
use wire::v1::from_probe::Message as FromProbe;

use crate::{CaptureError, FRAME_HEADER_BYTES, MAGIC, MAX_FRAME_BYTES, VERSION, checksum};

/// Writes a capture. Dropping it without [`Writer::finish`] may lose what is buffered, never what was flushed.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    frame: Vec<u8>,
}

impl Writer<BufWriter<File>> {
    /// Creates the capture at `path`, readable by its owner only, because it holds arguments and environments. A
    /// file that exists is replaced.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, hello: &v1::ProbeHello) -> Result<Self, CaptureError> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = file.map_err(|source| CaptureError::Create { path: path.to_owned(), source })?;
        Self::new(BufWriter::new(file), hello)
    }
}

impl<W: Write> Writer<W> {
    /// Starts a capture of what a probe says after this hello (see [`wire::status::hello`]).
    ///
    /// # Errors
    /// When `output` cannot be written.
    pub fn new(mut output: W, hello: &v1::ProbeHello) -> Result<Self, CaptureError> {
        output.write_all(&MAGIC).map_err(CaptureError::Write)?;
        output.write_all(&[VERSION]).map_err(CaptureError::Write)?;
        let mut writer = Self { output, frame: Vec::new() };
        writer.write(FromProbe::Hello(hello.clone()))?;
        Ok(writer)
    }

    /// Appends any message of the probe's stream as it is.
    ///
    /// # Errors
    /// When it is larger than a frame may be, or cannot be written.
    pub fn write(&mut self, message: FromProbe) -> Result<(), CaptureError> {
        let message = v1::FromProbe { message: Some(message) };
        let bytes = message.encoded_len();
        let length = match u32::try_from(bytes) {
            Ok(length) if bytes <= MAX_FRAME_BYTES => length.to_le_bytes(),
            _ => return Err(CaptureError::MessageTooLarge { bytes }),
        };
        let content = message.encode_to_vec();
        self.frame.clear();
        self.frame.reserve(FRAME_HEADER_BYTES + content.len());
        self.frame.extend_from_slice(&length);
        self.frame.extend_from_slice(&checksum(length, &content).to_le_bytes());
        self.frame.extend_from_slice(&content);
        // In one call, so that a reader of the growing file sees whole frames as far as the system allows.
        self.output.write_all(&self.frame).map_err(CaptureError::Write)
    }

    /// Appends a later hello: the probe was restarted, what follows comes from this host.
    ///
    /// # Errors
    /// See [`Writer::write`].
    pub fn write_host(&mut self, host: &Host, version: &str) -> Result<(), CaptureError> {
        self.write(FromProbe::Hello(wire::status::hello(host, version)))
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// See [`Writer::write`].
    pub fn write_batch(&mut self, batch: v1::Batch) -> Result<(), CaptureError> {
        self.write(wire::batch::message(&batch))
    }

    /// Appends the counters of the probe.
    ///
    /// # Errors
    /// See [`Writer::write`].
    pub fn write_status(&mut self, status: v1::ProbeStatus) -> Result<(), CaptureError> {
        self.write(FromProbe::Status(status))
    }

    /// Hands on what is buffered, so that a crash after this loses nothing before it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.output.flush().map_err(CaptureError::Write)
    }

    /// Flushes and gives the output back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<W, CaptureError> {
        self.flush()?;
        Ok(self.output)
    }
}
