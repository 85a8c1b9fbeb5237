//! Turns parcels into files: encodes, writes, and finishes what a killed analyzer left.
//!
//! Blocks: it is called on a thread for that.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use activity_tree::Dump;
use bootstrap::log_limit::LogLimit;
use dump::{Format, Missed, PREFIX, Partial, Recorded};

use super::manager::{Finished, Transcoded};
use super::store::Store;
use crate::metrics::DumpMetrics;
use crate::stages::dump::Parcel;

/// What a copy of a dump says of how it is to be finished: formats, `gz`, and `ended`, with `+` between. No file that people
/// see has it.
const RESUME: &str = "dump_resume:";

/// What a copy is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// A dump that runs: whoever finds it finds the dump of an analyzer that was killed.
    Killed,
    /// One that ended and waits for tags: it lacks nothing.
    Ended,
}

/// What writes files.
pub(super) struct Keeper {
    pub(super) store: Option<Store>,
    pub(super) tags: Vec<String>,
    pub(super) distribution: String,
    pub(super) metrics: DumpMetrics,
    pub(super) limit: LogLimit,
}

impl Keeper {
    /// Writes a copy, for the case that the analyzer is killed.
    pub(super) fn copy(&mut self, parcel: Parcel, resume: Resume) {
        let Some(store) = &self.store else { return };
        let name = parcel.name.clone();
        let mut words: Vec<&str> = parcel.formats.iter().map(|format| format.name()).collect();
        words.extend(parcel.is_packed.then_some("gz"));
        words.extend((resume == Resume::Ended).then_some("ended"));
        let resume = format!("{RESUME}{}", words.join("+"));
        let mut dump = parcel.into_dump(&self.tags, &self.distribution);
        dump.tags.push(resume);
        match store.put_running(&name, &dump.to_protobuf()) {
            Ok(()) => self.metrics.checkpoints.inc(),
            Err(error) => self.failed(&error),
        }
    }

    /// Writes a dump that ended in its formats, and gives what listeners get.
    pub(super) fn finish(&mut self, parcel: Parcel, has_listeners: bool) -> Option<Finished> {
        let (formats, is_packed) = (parcel.formats.clone(), parcel.is_packed);
        let dump = parcel.into_dump(&self.tags, &self.distribution);
        if dump.tree.is_empty() {
            self.metrics.empty.inc();
        } else {
            self.write(&dump, &formats, is_packed);
        }
        if let Some(store) = &self.store {
            store.remove_running(&dump.metadata.name);
        }
        has_listeners.then(|| finished(dump))
    }

    fn write(&mut self, dump: &Dump, formats: &[Format], is_packed: bool) -> Vec<(Format, String)> {
        let mut written = Vec::new();
        for format in formats {
            let bytes = encoded(dump, *format, is_packed);
            let Some(store) = &mut self.store else { continue };
            let removed = store.removed();
            let put = store.put(&dump.metadata.name, *format, is_packed, &bytes);
            self.metrics.deleted.add(store.removed() - removed);
            match put {
                Ok(path) => {
                    self.metrics.stored.inc();
                    self.metrics.stored_bytes.add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    tracing::info!(path = %path.display(), bytes = bytes.len(), "wrote a dump");
                    written.push((*format, path.display().to_string()));
                }
                Err(error) => self.failed(&error),
            }
        }
        written
    }

    /// Finishes what a killed analyzer left.
    pub(super) fn recover(&mut self) {
        let Some(store) = &self.store else { return };
        for (name, bytes) in store.left_running() {
            let read = dump::read(Path::new("copy.protobuf"), &bytes).map(Recorded::into_dump);
            match read {
                Ok(mut dump) => {
                    let (formats, is_packed) = resume(&mut dump);
                    let written = if dump.tree.is_empty() {
                        Vec::new()
                    } else {
                        self.write(&dump, &formats, is_packed)
                    };
                    self.metrics.recovered.inc();
                    tracing::warn!(
                        dump = name,
                        files = written.len(),
                        "finished a dump that an analyzer left when it was killed"
                    );
                }
                Err(error) => {
                    tracing::error!(%error, dump = name, "the copy of a dump that ran cannot be read: it is lost");
                    self.metrics.failed.inc();
                }
            }
            if let Some(store) = &self.store {
                store.remove_running(&name);
            }
        }
    }

    /// Writes a file of the directory in other formats beside it.
    pub(super) fn transcode(&mut self, file: &str, formats: &[Format], is_packed: bool) -> Transcoded {
        let Some(store) = &self.store else {
            return Err("dumps are not kept: see the log of the analyzer".to_owned());
        };
        let (name, path, bytes) = store.read(file).map_err(|error| error.to_string())?;
        let recorded = dump::read(&path, &bytes).map_err(|error| format!("{file}: {error}"))?;
        let mut dump = recorded.into_dump();
        dump.metadata.name = name;
        let written = self.write(&dump, formats, is_packed);
        if written.len() < formats.len() {
            return Err("not every file could be written: see the log of the analyzer".to_owned());
        }
        Ok(written)
    }

    fn failed(&self, error: &super::store::StoreError) {
        self.metrics.failed.inc();
        if let Some(suppressed) = self.limit.permit() {
            tracing::error!(%error, suppressed, "a file of a dump is not written");
        }
    }
}

/// What a copy says of how it is to be finished; from then on it says that it was killed, if it was.
fn resume(dump: &mut Dump) -> (Vec<Format>, bool) {
    let said = dump.tags.iter().position(|tag| tag.starts_with(RESUME)).map(|at| dump.tags.remove(at));
    let said = said.as_deref().and_then(|said| said.strip_prefix(RESUME)).unwrap_or_default().to_owned();
    let words: Vec<&str> = said.split('+').collect();
    if !words.contains(&"ended") {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut missed = Missed::default();
        missed.set_partial(Partial::Killed);
        missed.time(dump.metadata.end, now_ns, "analyzer_killed");
        debug_assert!(missed.tags().iter().all(|tag| tag.starts_with(PREFIX)), "tags of what was missed");
        dump.tags.extend(missed.tags());
    }
    (words.iter().filter_map(|word| word.parse().ok()).collect(), words.contains(&"gz"))
}

fn encoded(dump: &Dump, format: Format, is_packed: bool) -> Vec<u8> {
    let bytes = Recorded::Dump(Box::new(dump.clone())).encode(format);
    if is_packed { activity_tree::gzip(&bytes) } else { bytes }
}

fn finished(dump: Dump) -> Finished {
    let value = |name: &str| {
        let found = dump.tags.iter().filter_map(|tag| tag.split_once(':')).find(|(key, _)| *key == name);
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let selector = (value("image_name"), value("image_tag"));
    let (name, data) = (dump.metadata.name.clone(), encoded(&dump, Format::Protobuf, false));
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    Finished { name, selector, header: dump::header(&dump, Format::Protobuf, bytes), data }
}
