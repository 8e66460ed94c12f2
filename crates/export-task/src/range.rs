//! The rows of a relation that belong to a partition.

use serde::{Deserialize, Serialize};

/// The rows of a partition. The ranges of a relation are disjoint and together cover every row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// Every row.
    All,
    /// Every row. PostgreSQL sends them without planning a query, so it computes no expression.
    Unplanned,
    /// Heap blocks `from..to`. `None` means that the range has no end: the last range includes
    /// blocks that are added after planning.
    Blocks {
        /// First block.
        from: u32,
        /// First block after the range. `None` means that the range has no end.
        to: Option<u32>,
    },
    /// Rows with `from <= value < to` in a column that is never NULL. `None` means no bound.
    Key {
        /// The column, unquoted.
        column: String,
        /// The column's type, unquoted. It is one of the server's built-in types.
        type_name: String,
        /// Lower bound, inclusive, in the server's spelling.
        from: Option<String>,
        /// Upper bound, exclusive.
        to: Option<String>,
    },
    /// Rows with `from <= key < to` in an index. The key's columns compare one after the other, as
    /// the server compares them. `None` is no bound.
    Index {
        /// The index, unquoted.
        index: String,
        /// All columns of the index, or the first ones. They are never NULL.
        columns: Vec<KeyColumn>,
        /// Lower bound, inclusive: values of the first columns, each written as [`KeyKind`] says.
        from: Option<Vec<String>>,
        /// Upper bound, exclusive.
        to: Option<Vec<String>>,
    },
}

impl Range {
    /// Returns the union of this range and `next`, which begins where this one ends. Returns `None`
    /// if the ranges are not of the same kind.
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
    /// The kind of its values.
    pub kind: KeyKind,
}

/// The kind of values in a key's column. It determines how a bound is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// An integer, in decimal digits.
    Integer,
    /// A number with a decimal point, in decimal digits.
    Decimal,
    /// A date, with or without a time, in the server's spelling.
    Date,
    /// Bytes, in hexadecimal digits.
    Bytes,
    /// Text: its bytes as the server stores them, in hexadecimal digits.
    Text {
        /// The column's character set.
        charset: String,
        /// The column's collation, which orders the index.
        collation: String,
    },
}
