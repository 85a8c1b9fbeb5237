//! What can be wrong with a capture.

use std::io;
use std::path::PathBuf;

use crate::{MAX_FRAME_BYTES, VERSION};

/// Why a capture cannot be read or written, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("cannot open the capture {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot create the capture {path}: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Reading failed part way.
    #[error("cannot read frame {frame} of the capture: {source}")]
    Read {
        /// Number of the frame, from 1; 0 is the start of the file.
        frame: u64,
        /// The cause.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write the capture: {0}")]
    Write(#[source] io::Error),
    /// The magic is not there.
    #[error("not a capture: it does not start with SHRKCAP; JSON lines must be converted first")]
    NotACapture,
    /// The file was written by a later version of Shrike.
    #[error(
        "the capture has format version {found}, this program reads versions 1 to {VERSION}: use a newer shrike"
    )]
    NewerVersion {
        /// The version in the file.
        found: u8,
    },
    /// The messages in the file were written by a version of Shrike that means something else by them.
    #[error(
        "the capture holds messages of wire version {found}, this program reads versions 1 to {version}: use the shrike \
         that recorded it to convert it to JSON lines",
        version = wire::WIRE_VERSION
    )]
    OtherWireVersion {
        /// The version in the file.
        found: u32,
    },
    /// The file ends inside a frame.
    #[error(
        "the capture is truncated in frame {frame}: everything before it is complete, its last {lost} bytes are lost"
    )]
    Truncated {
        /// Number of the frame, from 1; 0 is the start of the file.
        frame: u64,
        /// Bytes of the incomplete frame.
        lost: u64,
    },
    /// A frame is not what was written.
    #[error(
        "frame {frame} of the capture is damaged (its checksum is wrong): everything before byte {offset} is complete"
    )]
    Checksum {
        /// Number of the frame, from 1.
        frame: u64,
        /// Where it starts in the file.
        offset: u64,
    },
    /// A frame claims to be larger than any that is written.
    #[error(
        "frame {frame} of the capture claims {bytes} bytes, more than the {MAX_FRAME_BYTES} a frame may have: the file is damaged at byte {offset}"
    )]
    FrameTooLarge {
        /// Number of the frame, from 1.
        frame: u64,
        /// Its length.
        bytes: u64,
        /// Where it starts in the file.
        offset: u64,
    },
    /// A message cannot be put into a frame.
    #[error(
        "a message of {bytes} bytes does not fit a frame of a capture, which has {MAX_FRAME_BYTES} at most"
    )]
    MessageTooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The checksum is right, but the content is not a message.
    #[error("frame {frame} of the capture is not a message that this program knows: {source}")]
    NotAMessage {
        /// Number of the frame, from 1.
        frame: u64,
        /// The cause.
        source: prost::DecodeError,
    },
    /// A frame holds a batch that is none.
    #[error("the batch in frame {frame} of the capture cannot be read: {source}")]
    NotABatch {
        /// Number of the frame, from 1.
        frame: u64,
        /// The cause.
        source: wire::WireError,
    },
    /// A frame holds no message, or the first is not the hello with the host.
    #[error("frame {frame} of the capture holds no {expected}")]
    Unexpected {
        /// Number of the frame, from 1.
        frame: u64,
        /// What must be there.
        expected: &'static str,
    },
}
