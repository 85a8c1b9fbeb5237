//! A group of payloads in the reporter's care, shared by the outputs and never copied for one.
//!
//! The documents are the analyzer's and trusted to be lines of JSON: what is checked is that the lists fit together,
//! and of each document its size and that it is UTF-8.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use prost::Message;
use wire::v1;

use crate::intake::documents::Documents;
use crate::intake::fate::{Fate, Resolved, Settlement};
use crate::intake::invalid::InvalidGroup;
use crate::intake::labels::{LabelId, Labels};
use crate::intake::mark::Mark;
use crate::metrics::DropCause;
use crate::outputs::output::Output;

/// Charged for every payload beside its document: its share of the lists and of what outputs note about it.
const PAYLOAD_BYTES: usize = 32;
/// Charged for every group.
const GROUP_BYTES: usize = 512;

/// Which groups go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    High,
    Low,
}

impl Class {
    pub(crate) const ALL: [Self; 2] = [Self::High, Self::Low];

    /// Name used in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }

    fn of(message: &v1::PayloadGroup) -> Result<Self, InvalidGroup> {
        match v1::PayloadClass::try_from(message.class) {
            Ok(v1::PayloadClass::High) => Ok(Self::High),
            Ok(v1::PayloadClass::Low) => Ok(Self::Low),
            Err(_) => Err(InvalidGroup::Class { number: message.number, class: message.class }),
        }
    }
}

/// A group that was taken.
#[derive(Debug)]
pub(crate) struct Group {
    number: u64,
    class: Class,
    documents: Documents,
    time_ms: Vec<i64>,
    tags: Box<str>,
    service: Box<str>,
    labels: Vec<(Box<str>, LabelId)>,
    label: Bytes,
    /// What no output can use.
    unfit: Vec<(u32, DropCause)>,
    /// Of what outputs can use.
    counts: Vec<(u8, u64)>,
    accepted_ms: i64,
    fate: Mutex<Fate>,
    mark: Arc<Mark>,
    outputs: Arc<[Arc<Output>]>,
}

impl Group {
    /// Checks a message and makes a group of it, the next one of `mark`.
    pub(crate) fn new(
        mut message: v1::PayloadGroup,
        mark: Arc<Mark>,
        outputs: Arc<[Arc<Output>]>,
        labels: &Labels,
    ) -> Result<Self, InvalidGroup> {
        let number = message.number;
        let expected = mark.next_number();
        if number != expected {
            return Err(InvalidGroup::Number { number, expected });
        }
        let class = Class::of(&message)?;
        let documents = Documents::take(&mut message)?;
        let unfit = documents.unfit();
        let fate = Fate::new(documents.len(), outputs.iter().map(|output| output.is_reliable()), &unfit);
        Ok(Self::assemble(message, class, (documents, unfit, fate), (mark, outputs), (labels, now_ms())))
    }

    /// Makes a group again of what [`Group::encode`] made, for one output, which has it in its spool.
    pub(crate) fn from_spool(
        body: Vec<u8>,
        (output, record, accepted_ms): (usize, u64, i64),
        labels: &Labels,
    ) -> Option<Self> {
        let mut message = v1::PayloadGroup::decode(Bytes::from(body)).ok()?;
        let class = Class::of(&message).ok()?;
        let documents = Documents::take(&mut message).ok()?;
        let unfit = documents.unfit();
        let fate = Fate::spooled(documents.len(), output, record, &unfit);
        // Its sender has its mark, so there is none to move and no other output to ask.
        let care = (Arc::default(), Vec::new().into());
        Some(Self::assemble(message, class, (documents, unfit, fate), care, (labels, accepted_ms)))
    }

    /// What is put into a spool: the message as it was submitted.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let class = match self.class {
            Class::High => v1::PayloadClass::High,
            Class::Low => v1::PayloadClass::Low,
        };
        let tags = self.tags.split(',').filter(|tag| !tag.is_empty());
        let mut message = v1::PayloadGroup {
            class: class.into(),
            time_ms: self.time_ms.clone(),
            tags: tags.map(str::to_owned).collect(),
            service: self.service.to_string(),
            labels: self.labels.iter().map(|(name, _)| name.to_string()).collect(),
            label: self.label.clone(),
            ..v1::PayloadGroup::default()
        };
        self.documents.put(&mut message);
        message.encode_to_vec()
    }

    fn assemble(
        message: v1::PayloadGroup,
        class: Class,
        (documents, unfit, fate): (Documents, Vec<(u32, DropCause)>, Fate),
        (mark, outputs): (Arc<Mark>, Arc<[Arc<Output>]>),
        (labels, accepted_ms): (&Labels, i64),
    ) -> Self {
        let mut group = Self {
            number: message.number,
            class,
            documents,
            time_ms: message.time_ms,
            tags: join_tags(&message.tags),
            service: message.service.into(),
            labels: message.labels.into_iter().map(|name| (name.as_str().into(), labels.id(&name))).collect(),
            label: message.label,
            unfit,
            counts: Vec::new(),
            accepted_ms,
            fate: Mutex::new(fate),
            mark,
            outputs,
        };
        group.counts = group.tally(group.fit_runs().flatten());
        group
    }

    pub(crate) fn class(&self) -> Class {
        self.class
    }

    /// Documents, the unfit too.
    pub(crate) fn len(&self) -> u32 {
        self.documents.len()
    }

    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Why outputs do not get some of them.
    pub(crate) fn unfit(&self) -> &[(u32, DropCause)] {
        &self.unfit
    }

    /// Documents that outputs get.
    pub(crate) fn n_fit(&self) -> u32 {
        self.len().saturating_sub(u32::try_from(self.unfit.len()).unwrap_or(u32::MAX))
    }

    /// What a queue is charged for it.
    pub(crate) fn bytes(&self) -> usize {
        GROUP_BYTES + self.tags.len() + self.documents.bytes() + self.len() as usize * PAYLOAD_BYTES
    }

    /// Runs of documents that outputs get; one, unless something is unfit.
    pub(crate) fn fit_runs(&self) -> impl Iterator<Item = Range<u32>> {
        let starts = std::iter::once(0).chain(self.unfit.iter().map(|(place, _)| place + 1));
        let ends = self.unfit.iter().map(|(place, _)| *place).chain([self.len()]);
        starts.zip(ends).map(|(start, end)| start..end).filter(|run| !run.is_empty())
    }

    /// When the event of a document happened, milliseconds since the epoch; 0 = not known.
    pub(crate) fn time_ms(&self, place: u32) -> i64 {
        self.time_ms.get(place as usize).copied().unwrap_or_default()
    }

    /// Tags joined by commas.
    pub(crate) fn tags(&self) -> &str {
        &self.tags
    }

    /// May be empty.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// When the reporter accepted it, milliseconds since the epoch.
    pub(crate) fn accepted_ms(&self) -> i64 {
        self.accepted_ms
    }

    /// Notes what became of documents at an output; returns what changed, with the count of each label.
    pub(crate) fn resolve(
        &self,
        output: usize,
        range: Range<u32>,
        outcome: Result<(), DropCause>,
    ) -> (Resolved, Vec<(LabelId, u64)>) {
        let mut fate = self.fate();
        let resolved = fate.resolve(output, range.clone(), outcome);
        let settlement = fate.settle(|output| self.has_left(output));
        drop(fate);
        let counts = if resolved.counted_before.is_empty() && range.len() == self.len() as usize {
            self.named(&self.counts)
        } else {
            let before = &resolved.counted_before;
            self.named(&self.tally(range.filter(|place| before.binary_search(place).is_err())))
        };
        if let Some(settlement) = settlement {
            self.settled(settlement);
        }
        (resolved, counts)
    }

    /// Settles the group if the mark waits for no output any more.
    pub(crate) fn settle(&self) {
        let settlement = self.fate().settle(|output| self.has_left(output));
        if let Some(settlement) = settlement {
            self.settled(settlement);
        }
    }

    /// The spool of an output is asked to take it.
    pub(crate) fn ask_spool(&self, output: usize) {
        self.fate().ask_spool(output);
    }

    /// The spool of an output is writing the record with this number; false when it need not.
    pub(crate) fn begin_record(&self, output: usize, record: u64) -> bool {
        self.fate().begin_record(output, record)
    }

    /// The spool of an output could not take it.
    pub(crate) fn refuse_record(&self, output: usize) {
        self.fate().refuse_record(output);
        self.settle();
    }

    /// The spool of an output has it, durably; returns how many payloads the output has not resolved. Whoever has counted
    /// them settles it.
    pub(crate) fn keep(&self, output: usize) -> u32 {
        self.fate().keep(output)
    }

    /// Whether the spool of an output has it.
    pub(crate) fn is_kept(&self, output: usize) -> bool {
        self.fate().is_kept(output)
    }

    /// Its record in the spool of an output.
    pub(crate) fn record(&self, output: usize) -> Option<u64> {
        self.fate().record(output)
    }

    /// How many documents of each label outputs get of it.
    pub(crate) fn label_counts(&self) -> Vec<(LabelId, u64)> {
        self.named(&self.counts)
    }

    /// Whether an output has no use for it any more.
    pub(crate) fn is_void_for(&self, output: usize) -> bool {
        self.fate().is_void_for(output)
    }

    fn settled(&self, settlement: Settlement) {
        for (output, places) in settlement.written_off {
            if let Some(output) = self.outputs.get(output) {
                output.write_off(&self.named(&self.tally(places)));
            }
        }
        let mut lost: Vec<(&'static str, Vec<u32>)> = Vec::new();
        for (place, cause) in settlement.lost {
            match lost.iter_mut().find(|(known, _)| *known == cause.loss()) {
                Some((_, places)) => places.push(place),
                None => lost.push((cause.loss(), vec![place])),
            }
        }
        let loss = |(cause, places): (&str, Vec<u32>)| v1::GroupLoss {
            number: self.number,
            cause: cause.to_owned(),
            counts: self.tally(places).into_iter().map(|count| self.label_count(count)).collect(),
        };
        self.mark.settle(self.number, lost.into_iter().map(loss).collect());
    }

    fn label_count(&self, (label, payloads): (u8, u64)) -> v1::LabelCount {
        let label = self.labels.get(usize::from(label)).map(|(name, _)| name.to_string());
        v1::LabelCount { label: label.unwrap_or_default(), payloads }
    }

    /// How many documents of each of its labels there are in `places`.
    fn tally(&self, places: impl IntoIterator<Item = u32>) -> Vec<(u8, u64)> {
        let mut counts = [0_u64; 256];
        for place in places {
            let count = self.label.get(place as usize).and_then(|label| counts.get_mut(usize::from(*label)));
            if let Some(count) = count {
                *count += 1;
            }
        }
        (0..=u8::MAX).zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    /// The same, by the labels that the reporter counts by.
    fn named(&self, counts: &[(u8, u64)]) -> Vec<(LabelId, u64)> {
        let id = |label: u8| self.labels.get(usize::from(label)).map_or(LabelId::OTHER, |(_, id)| *id);
        counts.iter().map(|(label, count)| (id(*label), *count)).collect()
    }

    fn has_left(&self, output: usize) -> bool {
        self.outputs.get(output).is_none_or(|output| output.has_left())
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins tags as the intake wants them; a comma inside a tag would make two of it and becomes `_`.
fn join_tags(tags: &[String]) -> Box<str> {
    let mut joined = String::with_capacity(tags.iter().map(|tag| tag.len() + 1).sum());
    for tag in tags {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.extend(tag.chars().map(|c| if c == ',' { '_' } else { c }));
    }
    joined.into_boxed_str()
}

/// The wall clock in milliseconds since the epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "group/tests.rs"]
pub(crate) mod tests;
