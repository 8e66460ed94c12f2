//! Profiles of tables: the number of rows, and for each column the number of values, their hash,
//! their bounds and their sum. The server computes all of it in SQL. So a comparison of an export
//! with a profile shares no code with the reader of rows, and no row leaves the server.
//!
//! The hash of a column is a sum over its values, so it does not depend on the order of rows. A
//! value contributes the first fifteen hexadecimal digits of the SHA-256 of its canonical form (see
//! [`Form`]). (MD5 is no choice: MySQL 9 has none.)

/// A table as the server's catalog describes it.
#[derive(Clone, Debug)]
pub struct ListedTable {
    /// The table's schema (on MySQL its database).
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// The table's columns in order.
    pub columns: Vec<ListedColumn>,
    pub(crate) partitioned: bool,
}

/// A column as `information_schema.columns` describes it.
#[derive(Clone, Debug)]
pub struct ListedColumn {
    /// The column's name.
    pub name: String,
    /// `data_type`.
    pub original_type: String,
    /// Declared length of character types, 0 for other types.
    pub char_max_length: i32,
    /// Declared or implied precision of numeric types, 0 for other types.
    pub num_precision: i32,
    /// Precision of date and time types, 0 for other types.
    pub datetime_precision: i32,
    /// The built-in type that a domain is based on. For an array, that of its elements.
    pub(crate) base: String,
    pub(crate) is_array: bool,
}

/// How values are compared. The type of a column in the files determines the form, and the form
/// determines how a value is written for the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Booleans: `t` and `f`.
    Boolean,
    /// Integers and decimals of a fixed scale: their digits, with all digits of the scale.
    Exact,
    /// Numbers of any size that the files hold as text: the same text.
    ExactText,
    /// Floating-point numbers of four bytes. On PostgreSQL the form is their bytes. On MySQL it is
    /// the text that the server prints for the same number in eight bytes. MySQL cuts off digits
    /// where an expression takes more than 22 characters. So small numbers are scaled first: the
    /// text begins with the sign, then `2` for a number below 1e-150, which is multiplied by
    /// 2^1074, `1` for a number below 1, which is multiplied by 2^600, or `0`.
    Single,
    /// Floating-point numbers of eight bytes, in the same form.
    Double,
    /// Text, in UTF-8.
    Text,
    /// Bytes.
    Bytes,
    /// Days since 1970-01-01, in decimal digits.
    Date,
    /// Microseconds since midnight, in decimal digits.
    Time,
    /// Microseconds since 1970-01-01, in decimal digits.
    Timestamp,
    /// UUIDs: lower case with hyphens.
    Uuid,
}

/// A request to profile one column.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The column.
    pub column: &'a ListedColumn,
    /// How the values are compared. For lists, how the elements are compared.
    pub form: Form,
    /// Whether values are lists. The canonical form of a list is the SHA-256 of each element in
    /// order, `-` for NULL, separated by commas.
    pub list: bool,
    /// Whether to count distinct values.
    pub distinct: bool,
}

/// The profile of one column. Numbers are decimal, as the server prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Number of values that are not NULL.
    pub values: u64,
    /// The hash. It is absent if there are no values.
    pub hash: Option<String>,
    /// Number of distinct values, if requested.
    pub distinct: Option<u64>,
    /// The smallest value. For text, bytes and UUIDs, the SHA-256 of the first value in the order
    /// of bytes. Absent for lists.
    pub least: Option<String>,
    /// The largest value, in the same form as `least`.
    pub greatest: Option<String>,
    /// The sum of the finite values, for exact numbers.
    pub sum: Option<String>,
}

/// The profile of a table.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Number of rows.
    pub rows: u64,
    /// The columns in the order of the request.
    pub columns: Vec<Measures>,
}

/// Maximum number of columns in one statement. A server's limit on expressions is above a thousand.
pub(crate) const COLUMNS: usize = 64;

/// The answer to one statement, read value by value.
pub(crate) struct Answer<I>(pub I);

impl<I: Iterator<Item = Option<String>>> Answer<I> {
    /// Returns the next value, or `None` for NULL.
    pub(crate) fn text(&mut self) -> Option<String> {
        self.0.next().flatten()
    }

    /// Returns the next value as a count.
    pub(crate) fn count(&mut self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    /// Returns the next values as the profile of a column. The statement selects them in this
    /// order.
    pub(crate) fn measures(&mut self, asked: &Asked<'_>) -> Option<Measures> {
        let mut measures = Measures { values: self.count()?, hash: self.text(), ..Measures::default() };
        if asked.distinct {
            measures.distinct = Some(self.count()?);
        }
        if !asked.list {
            (measures.least, measures.greatest) = (self.text(), self.text());
            if asked.form.has_sum() {
                measures.sum = self.text();
            }
        }
        Some(measures)
    }
}

impl Form {
    /// Returns whether values can be added without loss.
    pub fn has_sum(self) -> bool {
        matches!(self, Self::Exact | Self::ExactText)
    }

    /// Returns whether values are ordered as bytes.
    pub fn is_bytes(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Uuid)
    }
}
