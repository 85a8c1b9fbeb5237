//! gzip without anything that differs from run to run, and back within a limit.

use std::io::{Read as _, Write as _};

use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

use super::DecodeError;

/// Compressed, without a name and a time in the head.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer =
        GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::default());
    // A vector takes everything.
    let written = writer.write_all(bytes).and_then(|()| writer.finish());
    written.unwrap_or_default()
}

/// The other way round.
///
/// # Errors
/// When it is not gzip, or has more than `max_bytes` in it.
pub fn gunzip(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut plain).map_err(DecodeError::Gzip)?;
    if plain.len() > max_bytes {
        return Err(DecodeError::TooLarge { max_bytes });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_and_is_the_same_every_time() {
        let text = "abc".repeat(1000);
        let packed = gzip(text.as_bytes());
        assert_eq!(packed, gzip(text.as_bytes()));
        assert_eq!(packed.get(4..10), Some([0, 0, 0, 0, 0, 255].as_slice()));
        assert!(packed.len() < 100);
        assert_eq!(gunzip(&packed, 3000).unwrap(), text.as_bytes());
        assert!(matches!(gunzip(&packed, 2999), Err(DecodeError::TooLarge { max_bytes: 2999 })));
        assert!(matches!(gunzip(&packed[..40.min(packed.len() - 1)], 3000), Err(DecodeError::Gzip(_))));
        assert!(matches!(gunzip(b"no", 3000), Err(DecodeError::Gzip(_))));
    }
}
