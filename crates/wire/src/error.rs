//! Why a message is refused.

/// Why a message from the wire or a file is not what it claims to be.
///
/// Every one means that the sender is broken, of another version, or hostile; the message is dropped and counted
/// as a whole, because columns that disagree say nothing certain about any single event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A column does not have one value per row.
    #[error("column {column} has {got} values for {rows} rows")]
    ColumnLength {
        /// Table and column.
        column: &'static str,
        /// Values in it.
        got: usize,
        /// Rows of its table.
        rows: usize,
    },
    /// A table has more rows than any that is made.
    #[error("table {table} has {rows} rows, more than the {max} a batch may have", max = crate::batch::MAX_ROWS)]
    TooManyRows {
        /// The table.
        table: &'static str,
        /// Its rows.
        rows: usize,
    },
    /// A value refers to a dictionary row that does not exist.
    #[error("column {column} refers to row {index} of a dictionary with {rows} rows")]
    UnknownRow {
        /// Table and column.
        column: &'static str,
        /// The row asked for.
        index: u32,
        /// Rows of the dictionary.
        rows: usize,
    },
    /// A value is not one that this version knows.
    #[error("column {column} holds {value}, which means nothing in wire version {version}", version = crate::WIRE_VERSION)]
    UnknownValue {
        /// Table and column.
        column: &'static str,
        /// The value.
        value: u64,
    },
    /// A value does not fit what it stands for.
    #[error("column {column} holds {value}, which is out of range")]
    OutOfRange {
        /// Table and column.
        column: &'static str,
        /// The value.
        value: i128,
    },
    /// The lengths of a table of strings do not add up to the bytes it has.
    #[error("the lengths in {column} add up to {claimed}, but there are {got}")]
    Lengths {
        /// Table and column.
        column: &'static str,
        /// What the lengths claim; `u64::MAX` when they overflow.
        claimed: u64,
        /// What there is.
        got: usize,
    },
    /// A name that must be UTF-8 is not.
    #[error("column {column} refers to text {index}, which is not UTF-8")]
    NotUtf8 {
        /// Table and column.
        column: &'static str,
        /// Row number of the text.
        index: u32,
    },
    /// The bytes of a batch are not one.
    #[error("not an encoded batch: {0}")]
    NotABatch(String),
}
