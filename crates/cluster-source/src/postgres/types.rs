//! Column builders. Each value is decoded from the server's binary form straight into the buffers of an Arrow array, with no
//! allocation of its own.
//!
//! One module per natively decoded type, named as PostgreSQL names it. Those of fixed size have `read`, which gives the
//! value; those that become text have `write`, which appends what the server's `::text` would give. Malformed bytes give
//! `None`, never a panic. `native` reads values as types of Parquet's own, `array` what becomes a list; `scalars` has the
//! buffers of both.
//!
//! Types that are not listed are cast by the server. `char(n)` is not cast: `::text` would strip the trailing blanks that the
//! server sends, prints and hands to every client. Nor is `oid` or `xml` native: few columns
//! are, and their binary form differs from their text.

mod array;
mod bit;
mod bool;
mod date;
mod float4;
mod float8;
mod inet;
mod int2;
mod int4;
mod int8;
mod interval;
mod jsonb;
mod macaddr;
mod native;
mod numeric;
mod print;
mod scalars;
mod time;
mod timestamp;
mod timestamptz;
mod timetz;
mod uuid;

use arrow_array::ArrayRef;
use export_task::table::{Column, ParquetType};

use crate::error::SourceError;
use crate::values::InvalidText;
use array::List;
use native::Unread;
use scalars::Scalars;

macro_rules! decodes {
    ($($variant:ident $name:literal $parquet:ident $($oid:literal)*;)*) => {
        /// How a column is read: [`Column::decode`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Decode { $($variant),* }

        impl Decode {
            /// The name in a plan.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            fn of_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// By `pg_type` object id, which is fixed for built-in types.
            pub fn of_type(oid: i64) -> Self {
                match oid { $($($oid => Self::$variant,)*)* _ => Self::Cast }
            }

            /// What the column becomes.
            pub fn parquet(self) -> ParquetType {
                match self { $(Self::$variant => ParquetType::$parquet),* }
            }
        }
    };
}

decodes! {
    Bool "bool" Boolean 16;
    Int2 "int2" Int16 21;
    Int4 "int4" Int32 23;
    Int8 "int8" Int64 20;
    Float4 "float4" Float 700;
    Float8 "float8" Double 701;
    Bytea "bytea" Binary 17;
    // text, varchar, char(n), name, json: what is sent is the text.
    Text "text" String 25 1043 1042 19 114;
    Numeric "numeric" String 1700;
    Date "date" String 1082;
    Time "time" String 1083;
    Timetz "timetz" String 1266;
    Timestamp "timestamp" String 1114;
    Timestamptz "timestamptz" String 1184;
    Interval "interval" String 1186;
    Uuid "uuid" String 2950;
    Jsonb "jsonb" String 3802;
    // Types that come in two lengths are sent and printed alike.
    Inet "inet" String 869 650;
    Macaddr "macaddr" String 829 774;
    Bit "bit" String 1560 1562;
    // Everything else: the server casts it to text.
    Cast "cast" String;
}

impl Decode {
    /// Whether it can be read as one of Parquet's own types.
    fn may_become(self, native: ParquetType) -> bool {
        matches!(
            (self, native),
            (Self::Date, ParquetType::Date)
                | (Self::Time, ParquetType::TimeMicros)
                | (Self::Timestamp, ParquetType::LocalTimestampMicros)
                | (Self::Timestamptz, ParquetType::TimestampMicros)
                | (Self::Numeric, ParquetType::Decimal { .. })
                | (Self::Uuid, ParquetType::Uuid)
                | (Self::Text | Self::Jsonb, ParquetType::Json)
        )
    }

    pub fn of_column(column: &Column) -> Result<Self, SourceError> {
        Self::of_name(&column.decode)
            .filter(|decode| decode.parquet() == column.parquet || decode.may_become(column.parquet))
            .ok_or_else(|| SourceError::Plan(format!("column {} is read as {}", column.name, column.decode)))
    }
}

/// Gathers the values of one column.
pub(super) struct ColumnBuilder {
    column: Column,
    /// The column's values, or the elements of its lists.
    scalars: Scalars,
    list: Option<List>,
}

impl ColumnBuilder {
    pub fn new(column: &Column, server_version: i32) -> Result<Self, SourceError> {
        Ok(Self {
            scalars: Scalars::new(Decode::of_column(column)?, column.parquet, server_version),
            list: column.list.then(|| List::new(column.parquet)),
            column: column.clone(),
        })
    }

    pub fn name(&self) -> &str {
        &self.column.name
    }

    /// How large a value is, for its limit: as it is sent, or as it is printed where that is much larger.
    pub fn size(&self, raw: &[u8]) -> usize {
        if self.list.is_some() { raw.len() } else { self.scalars.size(raw) }
    }

    /// Appends a value and returns how many bytes it takes.
    #[inline]
    pub fn append(&mut self, raw: &[u8]) -> Result<usize, SourceError> {
        let size = match &mut self.list {
            None => self.scalars.append(raw),
            Some(list) => list.append(raw, &mut self.scalars),
        };
        size.map_err(|why| self.error(why))
    }

    /// Appends NULL and returns how many bytes it takes.
    #[inline]
    pub fn append_null(&mut self) -> usize {
        match &mut self.list {
            None => self.scalars.append_null(),
            Some(list) => list.append_null(),
        }
    }

    /// The array of everything appended since the last time. Buffers for the next one are allocated as large as this one's,
    /// up to `keep` bytes.
    pub fn finish(&mut self, keep: usize) -> Result<ArrayRef, SourceError> {
        let invalid = |InvalidText| SourceError::InvalidText { column: Some(self.column.name.clone()) };
        let scalars = self.scalars.finish(keep).map_err(invalid)?;
        Ok(match &mut self.list {
            None => scalars,
            Some(list) => list.finish(scalars),
        })
    }

    #[cold]
    fn error(&self, why: Unread) -> SourceError {
        let column = self.column.name.clone();
        match why {
            Unread::Malformed => SourceError::Malformed { column, decode: self.scalars.decode().name() },
            Unread::Unrepresentable => SourceError::Unrepresentable { column, parquet: self.column.exported_name() },
            Unread::TooLarge => SourceError::ValueTooLarge { column: Some(column) },
        }
    }
}
