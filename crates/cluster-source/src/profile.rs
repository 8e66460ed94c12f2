//! What a server says of a table as a whole: how many rows there are, and of each column how many values, their hash,
//! their bounds and their sum. The server computes all of it in SQL. So whoever compares an export with it shares no code
//! with the reader of rows, and no row leaves the server.
//!
//! The hash of a column is a sum over its values. It doesn't depend on the order of rows. Added are the first fifteen
//! hexadecimal digits of the SHA-256 of each value's canonical form (see [`Form`]). (MySQL 9 has no MD5 any more.)

/// A table as the server's catalog has it.
#[derive(Clone, Debug)]
pub struct ListedTable {
    /// Schema the table is in (for MySQL the database).
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<ListedColumn>,
    /// Its rows are in partitions.
    pub(crate) partitioned: bool,
}

/// A column as `information_schema.columns` has it.
#[derive(Clone, Debug)]
pub struct ListedColumn {
    /// The column's name.
    pub name: String,
    /// `data_type`.
    pub original_type: String,
    /// Declared length of character types, else 0.
    pub char_max_length: i32,
    /// Declared or implied precision of numeric types, else 0.
    pub num_precision: i32,
    /// Precision of date and time types, else 0.
    pub datetime_precision: i32,
    /// The server's own type below domains, or that of an array's elements.
    pub(crate) base: String,
    /// Its values are arrays.
    pub(crate) is_array: bool,
}

/// How values are compared. It follows from the type a column has in the files, and decides on the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Truth values: `t` and `f`.
    Boolean,
    /// Integers and decimals of a fixed scale: their digits, with all digits of the scale.
    Exact,
    /// Numbers of any size that the files hold as text: that text.
    ExactText,
    /// Floating-point numbers of four bytes. Of PostgreSQL the form is their bytes, of MySQL what the server prints of the
    /// same number in eight bytes. MySQL cuts digits off where an expression takes more than 22 characters. So the sign
    /// stands in front, and then `2` for what is below 1e-150 and was multiplied by 2^1074, `1` for what is below 1 and was
    /// multiplied by 2^600, else `0`.
    Single,
    /// Floating-point numbers of eight bytes, likewise.
    Double,
    /// Text, in UTF-8.
    Text,
    /// Bytes.
    Bytes,
    /// Days since 1970: the digits of their number.
    Date,
    /// Microseconds since midnight: the digits of their number.
    Time,
    /// Microseconds since 1970: the digits of their number.
    Timestamp,
    /// UUIDs: lower case with hyphens.
    Uuid,
}

/// What is asked of one column.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The column.
    pub column: &'a ListedColumn,
    /// How its values, or the elements of its lists, are compared.
    pub form: Form,
    /// It is a list. Its canonical form has the SHA-256 of its elements in their order, and `-` for NULL, with commas
    /// between.
    pub list: bool,
    /// Distinct values are to be counted.
    pub distinct: bool,
}

/// What a server says of one column. Numbers are decimal, and as the server prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Values that are not NULL.
    pub values: u64,
    /// The hash, absent where there are no values.
    pub hash: Option<String>,
    /// Different values, where they were asked for.
    pub distinct: Option<u64>,
    /// The smallest value; of text, bytes and UUIDs the SHA-256 of the first in the order of bytes. Absent for lists.
    pub least: Option<String>,
    /// The largest, likewise.
    pub greatest: Option<String>,
    /// The sum of exact numbers that are finite.
    pub sum: Option<String>,
}

/// What a server says of a table.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Its rows.
    pub rows: u64,
    /// Its columns, in the order they were asked for.
    pub columns: Vec<Measures>,
}

/// Columns in one statement: a server's limit on expressions is above a thousand.
pub(crate) const COLUMNS: usize = 64;

/// One statement's answer, taken value by value.
pub(crate) struct Answer<I>(pub I);

impl<I: Iterator<Item = Option<String>>> Answer<I> {
    /// The next value, `None` for NULL.
    pub fn text(&mut self) -> Option<String> {
        self.0.next().flatten()
    }

    /// The next value, which is a count.
    pub fn count(&mut self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    /// The next values, in the order that statements ask for them.
    pub fn measures(&mut self, asked: &Asked<'_>) -> Option<Measures> {
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
    /// Whether values can be added up without loss.
    pub fn has_sum(self) -> bool {
        matches!(self, Self::Exact | Self::ExactText)
    }

    /// Whether values are ordered as bytes.
    pub fn is_bytes(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Uuid)
    }
}
