//! When a file grew to which size, sampled by a thread that does nothing else.
//!
//! Reading a flood of documents takes longer than writing it, so the time at which a reader comes to a line says nothing
//! of the time at which the line was there. Sizes are cheap to look at, and keep up. Invariant: a time that is given
//! is never before the moment at which the line was written; it is later by one sample at most.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

/// Time between two looks at the size. The error of each measured time, upwards.
const SAMPLE: Duration = Duration::from_millis(5);

/// Where a line ends in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file; its name changes when it is rotated.
    pub inode: u64,
    /// Bytes up to the end of the line.
    pub end: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: SystemTime,
    inode: u64,
    size: u64,
}

/// Samples of a file.
#[derive(Debug)]
pub struct Growth {
    /// Ends the thread when it is dropped.
    stop: Sender<()>,
    thread: std::thread::JoinHandle<Vec<Sample>>,
}

/// All samples of a file.
#[derive(Debug)]
pub struct Grown(Vec<Sample>);

impl Growth {
    /// Starts to look at the file with this name, which need not be there yet.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn watch(path: &Path) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let path = path.to_owned();
        let thread =
            std::thread::Builder::new().name("growth".to_owned()).spawn(move || sample(&path, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends it, after a last look.
    ///
    /// # Errors
    /// When the thread panicked.
    pub fn end(self) -> anyhow::Result<Grown> {
        drop(self.stop);
        Ok(Grown(self.thread.join().map_err(|_panic| anyhow::anyhow!("sampling ended with a panic"))?))
    }
}

impl Grown {
    /// The first moment at which the line that ends here was seen to be there; `None` when it never was.
    #[must_use]
    pub fn reached(&self, place: &Place) -> Option<SystemTime> {
        let first = self.0.iter().position(|sample| sample.inode == place.inode)?;
        let samples = self.0.get(first..)?;
        // The last bytes before a rotation may be in no sample of their file: they were there before the next one.
        let is_there = |sample: &&Sample| sample.inode != place.inode || sample.size >= place.end;
        samples.iter().find(is_there).map(|sample| sample.at)
    }
}

fn sample(path: &Path, stopped: &Receiver<()>) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    loop {
        let is_last = !matches!(stopped.recv_timeout(SAMPLE), Err(RecvTimeoutError::Timeout));
        // Time after size: what is counted was there by then.
        if let Ok(metadata) = std::fs::metadata(path) {
            let (inode, size) = (metadata.ino(), metadata.len());
            if samples.last().is_none_or(|last| (last.inode, last.size) != (inode, size)) {
                samples.push(Sample { at: SystemTime::now(), inode, size });
            }
        }
        if is_last {
            return samples;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(samples: &[(u64, u64, u64)]) -> Grown {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Grown(
            samples
                .iter()
                .map(|(seconds, inode, size)| Sample { at: at(*seconds), inode: *inode, size: *size })
                .collect(),
        )
    }

    #[test]
    fn a_line_is_there_when_its_file_has_grown_over_its_end_or_another_was_begun() {
        let grown = grown(&[(1, 7, 10), (2, 7, 20), (3, 8, 5), (4, 8, 50)]);
        let reached = |inode, end| {
            let at = grown.reached(&Place { inode, end })?;
            at.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
        };
        assert_eq!([reached(7, 10), reached(7, 11), reached(7, 21)], [Some(1), Some(2), Some(3)]);
        assert_eq!([reached(8, 50), reached(8, 51), reached(9, 1)], [Some(4), None, None]);
    }

    #[test]
    fn a_time_is_not_before_the_line_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        let growth = Growth::watch(&path).unwrap();
        let before = SystemTime::now();
        std::fs::write(&path, "one\n").unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let grown = growth.end().unwrap();
        assert!(grown.reached(&Place { inode, end: 4 }).unwrap() >= before);
        assert_eq!(grown.reached(&Place { inode, end: 5 }), None);
    }
}
