//! The events of a batch: a column for each field of each kind, written and read by the description of the kind.

use std::slice::IterMut;
use std::sync::Arc;

use event::{
    Address, Builder, Event, Exec, ExitStatus, Field, File, Flags, Kind, Names, PerKind, ProcessKey, Task,
    Text, Visitor, What,
};

use super::column::Column;
use super::decode::{Result, row_count};
use super::encode::Encoder;
use super::zigzag;
use crate::{WireError, v1};

/// The columns of every kind, while they grow.
#[derive(Default)]
pub(super) struct Columns(PerKind<Vec<v1::Column>>);

impl Columns {
    /// Adds a row to the columns of a kind.
    pub(super) fn push<'a>(encoder: &mut Encoder<'a>, what: &'a What) {
        let kind = what.kind();
        // Taken out while the encoder is asked for rows of its dictionaries.
        let mut columns = std::mem::take(encoder.columns.0.get_mut(kind));
        columns.resize_with(kind.fields().len(), v1::Column::default);
        what.visit(&mut Row { encoder, columns: columns.iter_mut() });
        *encoder.columns.0.get_mut(kind) = columns;
    }

    /// The tables of the kinds that have rows. Columns that are 0 in every row are left out.
    pub(super) fn finish(mut self) -> Vec<v1::KindTable> {
        let mut tables = Vec::new();
        for kind in Kind::ALL {
            let mut columns = std::mem::take(self.0.get_mut(kind));
            for column in &mut columns {
                super::column::drop_if_zero(&mut column.values);
            }
            if !columns.is_empty() {
                tables.push(v1::KindTable { kind: kind.number().into(), columns });
            }
        }
        tables
    }
}

/// Writes the fields of one event.
struct Row<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    columns: IterMut<'e, v1::Column>,
}

impl Row<'_, '_> {
    fn push(&mut self, value: u64) {
        // There is a column for every field.
        if let Some(column) = self.columns.next() {
            column.values.push(value);
        }
    }
}

impl<'a> Visitor<'a> for Row<'_, 'a> {
    fn file(&mut self, _: &'static Field, file: &'a Arc<File>) {
        let row = self.encoder.file(file);
        self.push(row.into());
    }

    fn program(&mut self, _: &'static Field, exec: &'a Arc<Exec>) {
        let row = self.encoder.exec(exec);
        self.push(row.into());
    }

    fn process(&mut self, _: &'static Field, key: ProcessKey) {
        let row = self.encoder.key(key);
        self.push(row.into());
    }

    fn status(&mut self, _: &'static Field, status: ExitStatus) {
        let (value, cause) = match status {
            ExitStatus::Exited(code) => (code, 0),
            ExitStatus::Signaled(signal) => (signal, 1),
            ExitStatus::CoreDumped(signal) => (signal, 2),
        };
        self.push(u64::from(value) * 4 + cause);
    }

    fn address(&mut self, _: &'static Field, address: &'a Address) {
        let row = self.encoder.address(address);
        self.push(row.into());
    }

    fn text(&mut self, _: &'static Field, text: &'a Text) {
        let row = self.encoder.text(text.as_bytes());
        self.push(row.into());
    }

    fn number(&mut self, _: &'static Field, _: &'static Names, number: u32) {
        self.push(number.into());
    }

    fn flags(&mut self, _: &'static Field, _: &'static Flags, flags: u32) {
        self.push(flags.into());
    }

    fn mode(&mut self, _: &'static Field, mode: u32) {
        self.push(mode.into());
    }

    fn descriptor(&mut self, _: &'static Field, retval: i32) {
        self.push(zigzag(retval.into()));
    }

    fn errno(&mut self, _: &'static Field, retval: i32) {
        self.push(zigzag(retval.into()));
    }
}

/// The dictionaries that events refer to.
pub(super) struct Parts<'a> {
    pub(super) tasks: &'a [Arc<Task>],
    pub(super) keys: &'a [ProcessKey],
    pub(super) files: &'a [Arc<File>],
    pub(super) execs: &'a [Arc<Exec>],
    pub(super) addresses: &'a [Address],
    pub(super) texts: &'a [Text],
}

pub(super) fn decode(table: &v1::EventTable, parts: &Parts<'_>) -> Result<Vec<Event>> {
    let rows = row_count("events", table.kind.len())?;
    let mut columns = columns_of(table)?;
    let mut time = Column::new("events.time", &table.time, rows)?;
    let mut task = Column::new("events.task", &table.task, rows)?;
    let mut events = Vec::with_capacity(rows);
    let mut boot_ns = 0_u64;
    for number in &table.kind {
        boot_ns = boot_ns.wrapping_add_signed(time.take());
        let task = task.entry(parts.tasks)?;
        // A newer probe knows more kinds; their columns are in tables that this version does not read.
        let Some(kind) = Kind::from_number((*number).into()) else { continue };
        let what = What::build(kind, &mut Cells { columns: columns.get_mut(kind).iter_mut(), parts })?;
        events.push(Event { boot_ns, task: Arc::clone(task), what });
    }
    Ok(events)
}

/// The columns of every kind, each with as many values as there are events of the kind. What a newer version has added
/// at the end is left out.
fn columns_of(table: &v1::EventTable) -> Result<PerKind<Vec<Column<'_, u64>>>> {
    let mut rows = PerKind::<usize>::default();
    for kind in table.kind.iter().filter_map(|number| Kind::from_number((*number).into())) {
        *rows.get_mut(kind) += 1;
    }
    let mut columns = PerKind::<Vec<Column<'_, u64>>>::default();
    for table in &table.kinds {
        let Some(kind) = u16::try_from(table.kind).ok().and_then(Kind::from_number) else { continue };
        let pairs = kind.fields().iter().zip(&table.columns);
        *columns.get_mut(kind) = pairs
            .map(|(field, column)| Column::new(field.path, &column.values, rows.get(kind)))
            .collect::<Result<_>>()?;
    }
    Ok(columns)
}

/// Reads the fields of one event. A field without a column is one that the sender did not have: it has no value.
struct Cells<'c, 'a> {
    columns: IterMut<'c, Column<'a, u64>>,
    parts: &'c Parts<'c>,
}

impl Cells<'_, '_> {
    fn shared<T: Default>(column: Option<&mut Column<'_, u64>>, rows: &[Arc<T>]) -> Result<Arc<T>> {
        column.map_or_else(|| Ok(Arc::default()), |column| column.entry(rows).map(Arc::clone))
    }

    fn narrow(&mut self) -> Result<u32> {
        self.columns.next().map_or(Ok(0), |column| column.narrow())
    }

    fn result(&mut self) -> Result<i32> {
        self.columns.next().map_or(Ok(0), |column| column.signed())
    }
}

impl Builder for Cells<'_, '_> {
    type Error = WireError;

    fn file(&mut self, _: &'static Field) -> Result<Arc<File>> {
        Self::shared(self.columns.next(), self.parts.files)
    }

    fn program(&mut self, _: &'static Field) -> Result<Arc<Exec>> {
        Self::shared(self.columns.next(), self.parts.execs)
    }

    fn process(&mut self, _: &'static Field) -> Result<ProcessKey> {
        let keys = self.parts.keys;
        self.columns.next().map_or_else(|| Ok(ProcessKey::default()), |column| column.entry(keys).copied())
    }

    fn status(&mut self, _: &'static Field) -> Result<ExitStatus> {
        let Some(column) = self.columns.next() else { return Ok(ExitStatus::Exited(0)) };
        let packed = column.take();
        let value = u8::try_from(packed / 4).ok();
        match (value, packed % 4) {
            (Some(code), 0) => Ok(ExitStatus::Exited(code)),
            (Some(signal), 1) => Ok(ExitStatus::Signaled(signal)),
            (Some(signal), 2) => Ok(ExitStatus::CoreDumped(signal)),
            _ => Err(column.out_of_range(packed)),
        }
    }

    fn address(&mut self, _: &'static Field) -> Result<Address> {
        let addresses = self.parts.addresses;
        self.columns.next().map_or_else(|| Ok(Address::default()), |column| column.entry(addresses).cloned())
    }

    fn text(&mut self, _: &'static Field) -> Result<Text> {
        let texts = self.parts.texts;
        self.columns.next().map_or_else(|| Ok(Text::default()), |column| column.entry(texts).cloned())
    }

    fn number(&mut self, _: &'static Field, _: &'static Names) -> Result<u32> {
        self.narrow()
    }

    fn flags(&mut self, _: &'static Field, _: &'static Flags) -> Result<u32> {
        self.narrow()
    }

    fn mode(&mut self, _: &'static Field) -> Result<u32> {
        self.narrow()
    }

    fn descriptor(&mut self, _: &'static Field) -> Result<i32> {
        self.result()
    }

    fn errno(&mut self, _: &'static Field) -> Result<i32> {
        self.result()
    }
}
