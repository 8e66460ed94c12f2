//! Which of a relation's rows a partition has.

use serde::{Deserialize, Serialize};

/// The rows of a partition. The ranges of a relation are disjoint and together cover every row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// Every row.
    All,
    /// Every row, sent by PostgreSQL without planning a query: no expression is computed.
    Unplanned,
    /// Heap blocks `from..to`; `None` is open, so that the last range also takes blocks added after planning.
    Blocks {
        /// First block.
        from: u32,
        /// First block that is not in the range, or `None` for no end.
        to: Option<u32>,
    },
    /// Values of a column that is never NULL: `from <= value < to`; `None` is open at that end.
    Key {
        /// The column, unquoted.
        column: String,
        /// Its type, unquoted: one of the server's own.
        type_name: String,
        /// Lower bound, inclusive, as the server prints it.
        from: Option<String>,
        /// Upper bound, exclusive.
        to: Option<String>,
    },
    /// Rows whose key in an index is `from` or above and below `to`, compared column by column as the server compares them;
    /// `None` is open at that end.
    Index {
        /// The index, unquoted.
        index: String,
        /// Its columns, never NULL: all of them or the first ones.
        columns: Vec<KeyColumn>,
        /// Lower bound, inclusive: values of the first columns, as their kind writes them.
        from: Option<Vec<String>>,
        /// Upper bound, exclusive.
        to: Option<Vec<String>>,
    },
}

impl Range {
    /// This range and `next`, which begins where this one ends; nothing when they are not ranges of the same kind.
    pub fn joined(&self, next: &Self) -> Option<Self> {
        match (self, next) {
            (Self::Blocks { from: 0, .. }, Self::Blocks { to: None, .. }) => Some(Self::All),
            (Self::Blocks { from, .. }, Self::Blocks { to, .. }) => Some(Self::Blocks { from: *from, to: *to }),
            (Self::Key { column, type_name, from, .. }, Self::Key { to, .. }) => Some(Self::Key {
                column: column.clone(),
                type_name: type_name.clone(),
                from: from.clone(),
                to: to.clone(),
            }),
            (Self::Index { index, columns, from, .. }, Self::Index { to, .. }) => {
                Some(Self::Index { index: index.clone(), columns: columns.clone(), from: from.clone(), to: to.clone() })
            }
            _ => None,
        }
    }
}

/// A column of an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyColumn {
    /// The column, unquoted.
    pub name: String,
    /// What it holds.
    pub kind: KeyKind,
}

/// What a key holds, and so how a bound is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// An integer, in digits.
    Integer,
    /// A number with a point, in digits.
    Decimal,
    /// A date, with or without a time, as the server prints it.
    Date,
    /// Bytes, in hexadecimal digits.
    Bytes,
    /// Text: the bytes it is stored in, in hexadecimal digits.
    Text {
        /// The column's character set.
        charset: String,
        /// The column's collation, which orders the index.
        collation: String,
    },
}
