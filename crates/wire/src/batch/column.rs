//! Reading columns: lengths are checked once, up front, so that taking values cannot fail.

use std::iter::Copied;
use std::slice::Iter;

use crate::WireError;

/// One column of a table with a known number of rows. An absent column is 0 in every row.
pub(super) struct Column<'a, T> {
    name: &'static str,
    values: Copied<Iter<'a, T>>,
}

impl<'a, T: Copy + Default> Column<'a, T> {
    /// The column `name`, which must have `rows` values or none.
    pub(super) fn new(name: &'static str, values: &'a [T], rows: usize) -> Result<Self, WireError> {
        if !values.is_empty() && values.len() != rows {
            return Err(WireError::ColumnLength { column: name, got: values.len(), rows });
        }
        Ok(Self { name, values: values.iter().copied() })
    }

    /// The value of the next row.
    pub(super) fn take(&mut self) -> T {
        self.values.next().unwrap_or_default()
    }
}

impl Column<'_, u32> {
    /// The dictionary row that the next value names.
    pub(super) fn entry<'d, D>(&mut self, dictionary: &'d [D]) -> Result<&'d D, WireError> {
        row(self.name, dictionary, self.take())
    }

    /// The dictionary row that the next value names, where 0 is none.
    pub(super) fn optional<'d, D>(&mut self, dictionary: &'d [D]) -> Result<Option<&'d D>, WireError> {
        self.take().checked_sub(1).map(|index| row(self.name, dictionary, index)).transpose()
    }

    /// The next value as one of an enumeration.
    pub(super) fn known<E>(&mut self, from_u8: impl FnOnce(u8) -> Option<E>) -> Result<E, WireError> {
        let value = self.take();
        let known = u8::try_from(value).ok().and_then(from_u8);
        known.ok_or(WireError::UnknownValue { column: self.name, value: value.into() })
    }

    /// The next value as a narrower number.
    pub(super) fn narrow<N: TryFrom<u32>>(&mut self) -> Result<N, WireError> {
        let value = self.take();
        N::try_from(value).ok().ok_or(WireError::OutOfRange { column: self.name, value: value.into() })
    }
}

impl Column<'_, u64> {
    /// The dictionary row that the next value names.
    pub(super) fn entry<'d, D>(&mut self, dictionary: &'d [D]) -> Result<&'d D, WireError> {
        let index = self.narrow()?;
        row(self.name, dictionary, index)
    }

    /// The next value as a narrower number.
    pub(super) fn narrow<N: TryFrom<u64>>(&mut self) -> Result<N, WireError> {
        let value = self.take();
        N::try_from(value).ok().ok_or(WireError::OutOfRange { column: self.name, value: value.into() })
    }

    /// The next value, which is in zigzag form, as a narrower number.
    pub(super) fn signed<N: TryFrom<i64>>(&mut self) -> Result<N, WireError> {
        let value = self.take();
        let value = (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
        N::try_from(value).ok().ok_or(WireError::OutOfRange { column: self.name, value: value.into() })
    }

    /// What is wrong with this value of it.
    pub(super) fn out_of_range(&self, value: u64) -> WireError {
        WireError::OutOfRange { column: self.name, value: value.into() }
    }
}

/// Row `index` of `dictionary`.
pub(super) fn row<'d, D>(column: &'static str, dictionary: &'d [D], index: u32) -> Result<&'d D, WireError> {
    let found = usize::try_from(index).ok().and_then(|index| dictionary.get(index));
    found.ok_or(WireError::UnknownRow { column, index, rows: dictionary.len() })
}

/// Whether a column can be left out because every row is 0.
pub(super) fn drop_if_zero<T: Default + PartialEq>(column: &mut Vec<T>) {
    if column.iter().all(|value| *value == T::default()) {
        *column = Vec::new();
    }
}
