//! Compresses request bodies.

use std::io::{self, Write};

use bytes::Bytes;

use super::config::{CompressionKind, IntakeConfig};

/// An encoding of bodies with its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip(u32),
    Zstd(i32),
    Identity,
}

impl Compression {
    pub(crate) fn new(config: &IntakeConfig) -> Self {
        match config.compression_kind {
            CompressionKind::Gzip => Self::Gzip(config.compression_level),
            CompressionKind::Zstd => Self::Zstd(config.zstd_compression_level),
            CompressionKind::None => Self::Identity,
        }
    }

    /// Value of the `Content-Encoding` header.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Zstd(_) => "zstd",
            Self::Identity => "identity",
        }
    }

    pub(crate) fn compress(self, body: Bytes) -> io::Result<Bytes> {
        match self {
            Self::Gzip(level) => {
                // Event JSON shrinks to about a tenth.
                let out = Vec::with_capacity(body.len() / 8);
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::new(level));
                encoder.write_all(&body)?;
                encoder.finish().map(Bytes::from)
            }
            Self::Zstd(level) => zstd::bulk::compress(&body, level).map(Bytes::from),
            Self::Identity => Ok(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn every_encoding_gives_the_body_back() {
        let body = Bytes::from(br#"[{"message":"x"}]"#.repeat(1000));
        let gzip = Compression::Gzip(6).compress(body.clone()).unwrap();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
        let zstd = Compression::Zstd(1).compress(body.clone()).unwrap();
        assert_eq!(zstd::bulk::decompress(&zstd, body.len()).unwrap(), body);
        assert_eq!(Compression::Identity.compress(body.clone()).unwrap(), body);
        assert!(gzip.len() < body.len() / 10 && zstd.len() < body.len() / 10);
    }
}
