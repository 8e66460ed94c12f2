//! Column builders. Each value is decoded from the server's binary form straight into the buffers
//! of an Arrow array, without an allocation per value.
//!
//! There is one module per family of natively decoded types. A function with the name of a type
//! (`int4`, `date`) returns the value of Parquet's own type. A function `write_…` appends what the
//! server's `::text` would give. Malformed bytes give `None` or [`DecodeError::Malformed`], never a
//! panic. `array` builds lists; `scalar` builds everything else; `print` has the digits.
//!
//! To add a type: Add a line to `decodes!`, the function to its family's module, and a match arm to
//! [`ScalarBuilder::append`].
//!
//! Types that are not listed are converted to text by the server. `char(n)` is read as sent,
//! because `::text` would strip its trailing blanks. The server sends and prints these blanks to
//! every client. `oid` and `xml` are not decoded natively: few columns have these types, and their
//! binary form differs from their text.

mod array;
mod bits;
mod datetime;
mod interval;
mod network;
mod number;
mod numeric;
mod print;
mod scalar;

use arrow_array::ArrayRef;
use export_task::table::{Column, ParquetType};

use crate::error::SourceError;
use crate::values::InvalidText;
use array::ListBuilder;
use scalar::ScalarBuilder;

macro_rules! decodes {
    ($($variant:ident $name:literal $parquet:ident $($oid:literal)*;)*) => {
        /// How a column is read. [`Column::decode`] holds the name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Decode { $($variant),* }

        impl Decode {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the name in a plan.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Returns how values of a type are read. The `pg_type` object id is fixed for built-in
            /// types.
            pub(super) fn from_type(oid: u32) -> Self {
                match oid { $($($oid => Self::$variant,)*)* _ => Self::Cast }
            }

            /// Returns the Parquet type that AWS's exports use.
            pub(super) fn parquet(self) -> ParquetType {
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
    // text, varchar, char(n), name, json: the server sends the text.
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
    // A type and its variant (`cidr`, `macaddr8`, `varbit`) are sent and printed in the same way.
    Inet "inet" String 869 650;
    Macaddr "macaddr" String 829 774;
    Bit "bit" String 1560 1562;
    // Everything else: the server converts it to text.
    Cast "cast" String;
}

impl Decode {
    /// Returns whether values can be read as this Parquet type.
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

    pub(super) fn from_column(column: &Column) -> Result<Self, SourceError> {
        Self::from_name(&column.decode)
            .filter(|decode| decode.parquet() == column.parquet || decode.may_become(column.parquet))
            .ok_or_else(|| {
                SourceError::Plan(format!("column {} has an unknown decoder, {}", column.name, column.decode))
            })
    }
}

/// Why a value was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecodeError {
    /// Its bytes are not what its type allows.
    Malformed,
    /// The Parquet type has no such value. The table is then left out and reported.
    Unrepresentable,
    /// The batch has no room for it.
    TooLarge,
}

/// Builds the array of one column.
pub(super) struct ColumnBuilder {
    column: Column,
    /// The column's values, or the elements of its lists.
    scalars: ScalarBuilder,
    list: Option<ListBuilder>,
}

impl ColumnBuilder {
    pub(super) fn new(column: &Column, server_version: i32) -> Result<Self, SourceError> {
        Ok(Self {
            scalars: ScalarBuilder::new(Decode::from_column(column)?, column.parquet, server_version),
            list: column.list.then(|| ListBuilder::new(column.parquet)),
            column: column.clone(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.column.name
    }

    /// Returns the size that is compared with the limit of values: the sent size, or the printed
    /// size where that is much larger.
    pub(super) fn size(&self, raw: &[u8]) -> usize {
        if self.list.is_some() { raw.len() } else { self.scalars.size(raw) }
    }

    /// Appends a value and returns the number of bytes it takes.
    #[inline]
    pub(super) fn append(&mut self, raw: &[u8]) -> Result<usize, SourceError> {
        let size = match &mut self.list {
            None => self.scalars.append(raw),
            Some(list) => list.append(raw, &mut self.scalars),
        };
        size.map_err(|error| self.error(error))
    }

    /// Appends NULL and returns the number of bytes it takes.
    #[inline]
    pub(super) fn append_null(&mut self) -> usize {
        match &mut self.list {
            None => self.scalars.append_null(),
            Some(list) => list.append_null(),
        }
    }

    /// Returns the array of all values since the last call. Allocates buffers of the same size for
    /// the next array, up to `keep` bytes.
    pub(super) fn finish(&mut self, keep: usize) -> Result<ArrayRef, SourceError> {
        let invalid = |InvalidText| SourceError::InvalidText { column: Some(self.column.name.clone()) };
        let scalars = self.scalars.finish(keep).map_err(invalid)?;
        Ok(match &mut self.list {
            None => scalars,
            Some(list) => list.finish(scalars),
        })
    }

    #[cold]
    fn error(&self, error: DecodeError) -> SourceError {
        let column = self.column.name.clone();
        match error {
            DecodeError::Malformed => SourceError::Malformed { column, decode: self.scalars.decode().name() },
            DecodeError::Unrepresentable => {
                SourceError::Unrepresentable { column, parquet: self.column.exported_name() }
            }
            DecodeError::TooLarge => SourceError::ValueTooLarge { column: Some(column) },
        }
    }
}
