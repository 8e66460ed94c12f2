//! Column builders. They decode each value from the binary row straight into the buffers of an
//! Arrow array, without an allocation for the value. Malformed bytes cause an error, never a panic.
//!
//! Numbers keep their type or are widened as AWS's table says. `DATETIME` and `TIMESTAMP` become
//! microseconds. `DATE` and `TIME` become the text that the server prints. All other text and bytes
//! stay as the server sends them. In exports with native Parquet types, numbers keep their width, a
//! `DATE` becomes days, and a `UUID` becomes its bytes.

mod decimal;
mod temporal;
mod uuid;

use arrow_array::ArrayRef;
use arrow_buffer::NullBufferBuilder;
use arrow_schema::DECIMAL128_MAX_PRECISION;
use export_task::table::{Column, ParquetType};
use mysql_common::constants::ColumnType;

use super::fields::{fixed, string};
use super::query::ColumnDefinition;
use crate::error::SourceError;
use crate::values::{InvalidText, Values, end, push, push_uuid};

macro_rules! decodes {
    ($($variant:ident $name:literal;)*) => {
        /// The decoder of a column, named in [`Column::decode`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Decode { $($variant),* }

        impl Decode {
            /// Returns the name in a plan.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

decodes! {
    TinyInt "tinyint";
    TinyIntUnsigned "tinyint unsigned";
    SmallInt "smallint";
    SmallIntUnsigned "smallint unsigned";
    // The server sends MEDIUMINT in four bytes too.
    Int "int";
    IntUnsigned "int unsigned";
    BigInt "bigint";
    BigIntUnsigned "bigint unsigned";
    Float "float";
    Double "double";
    Decimal "decimal";
    // A decimal with more digits than a 128-bit decimal can have. It stays text.
    LongDecimal "long decimal";
    Year "year";
    Date "date";
    Time "time";
    Datetime "datetime";
    Text "text";
    Bytes "bytes";
}

impl Decode {
    pub(super) fn from_column(column: &Column) -> Result<Self, SourceError> {
        Self::from_name(&column.decode).filter(|decode| decode.produces(column.parquet) && !column.list).ok_or_else(
            || SourceError::Plan(format!("column {} has unsupported decoder {}", column.name, column.decode)),
        )
    }

    /// Returns the type in AWS's exports, or `None` if it depends on the column's number of digits.
    fn aurora_parquet(self) -> Option<ParquetType> {
        Some(match self {
            Self::TinyIntUnsigned => ParquetType::Int16,
            Self::TinyInt | Self::SmallInt | Self::SmallIntUnsigned | Self::Int | Self::Year => ParquetType::Int32,
            Self::IntUnsigned | Self::BigInt => ParquetType::Int64,
            Self::BigIntUnsigned => ParquetType::Decimal { precision: 20, scale: 0 },
            Self::Float | Self::Double => ParquetType::Double,
            Self::LongDecimal | Self::Date | Self::Time | Self::Text => ParquetType::String,
            Self::Datetime => ParquetType::TimestampMicros,
            Self::Bytes => ParquetType::Binary,
            Self::Decimal => return None,
        })
    }

    /// Returns the type of a column in AWS's exports.
    pub(super) fn aurora_type(self, precision: u8, scale: u8) -> ParquetType {
        self.aurora_parquet().unwrap_or(ParquetType::Decimal { precision, scale })
    }

    /// Returns whether the decoder can produce a type.
    fn produces(self, parquet: ParquetType) -> bool {
        match (self, parquet) {
            (Self::Decimal, ParquetType::Decimal { precision, scale }) => {
                precision <= DECIMAL128_MAX_PRECISION && scale <= precision
            }
            (Self::TinyInt, ParquetType::Int8)
            | (Self::TinyIntUnsigned, ParquetType::UInt8)
            | (Self::SmallInt, ParquetType::Int16)
            | (Self::SmallIntUnsigned, ParquetType::UInt16)
            | (Self::IntUnsigned, ParquetType::UInt32)
            | (Self::BigIntUnsigned, ParquetType::UInt64)
            | (Self::Float, ParquetType::Float)
            | (Self::Date, ParquetType::Date)
            | (Self::Datetime, ParquetType::LocalTimestampMicros)
            | (Self::Text, ParquetType::Json | ParquetType::Uuid) => true,
            (decode, parquet) => decode.aurora_parquet() == Some(parquet),
        }
    }

    /// Returns whether the decoder can read a column of a result. If not, the table was altered
    /// after the export was planned.
    pub(super) fn reads(self, definition: ColumnDefinition) -> bool {
        match self {
            Self::TinyInt | Self::TinyIntUnsigned => {
                definition.column_type == ColumnType::MYSQL_TYPE_TINY
                    && definition.unsigned == (self == Self::TinyIntUnsigned)
            }
            Self::SmallInt | Self::SmallIntUnsigned => {
                definition.column_type == ColumnType::MYSQL_TYPE_SHORT
                    && definition.unsigned == (self == Self::SmallIntUnsigned)
            }
            Self::Int | Self::IntUnsigned => {
                matches!(definition.column_type, ColumnType::MYSQL_TYPE_LONG | ColumnType::MYSQL_TYPE_INT24)
                    && definition.unsigned == (self == Self::IntUnsigned)
            }
            Self::BigInt | Self::BigIntUnsigned => {
                definition.column_type == ColumnType::MYSQL_TYPE_LONGLONG
                    && definition.unsigned == (self == Self::BigIntUnsigned)
            }
            Self::Float => definition.column_type == ColumnType::MYSQL_TYPE_FLOAT,
            Self::Double => definition.column_type == ColumnType::MYSQL_TYPE_DOUBLE,
            Self::Decimal | Self::LongDecimal => {
                matches!(definition.column_type, ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL)
            }
            Self::Year => definition.column_type == ColumnType::MYSQL_TYPE_YEAR,
            Self::Date => definition.column_type == ColumnType::MYSQL_TYPE_DATE,
            Self::Time => definition.column_type == ColumnType::MYSQL_TYPE_TIME,
            Self::Datetime => {
                matches!(definition.column_type, ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_TIMESTAMP)
            }
            Self::Text | Self::Bytes => is_string(definition.column_type),
        }
    }
}

/// Returns whether the server sends a type as a string: ENUM, SET, all BLOB and TEXT types,
/// VARCHAR, CHAR, GEOMETRY.
fn is_string(column_type: ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::MYSQL_TYPE_VARCHAR
            | ColumnType::MYSQL_TYPE_BIT
            | ColumnType::MYSQL_TYPE_VECTOR
            | ColumnType::MYSQL_TYPE_JSON
            | ColumnType::MYSQL_TYPE_ENUM
            | ColumnType::MYSQL_TYPE_SET
            | ColumnType::MYSQL_TYPE_TINY_BLOB
            | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
            | ColumnType::MYSQL_TYPE_LONG_BLOB
            | ColumnType::MYSQL_TYPE_BLOB
            | ColumnType::MYSQL_TYPE_VAR_STRING
            | ColumnType::MYSQL_TYPE_STRING
            | ColumnType::MYSQL_TYPE_GEOMETRY
    )
}

/// Builds the array of one column.
pub(super) struct ColumnBuilder {
    name: String,
    decode: Decode,
    parquet: ParquetType,
    /// The digits after the point of a decimal, or of the seconds of a time.
    scale: u8,
    max_value_bytes: usize,
    valid: NullBufferBuilder,
    values: Values,
}

impl ColumnBuilder {
    pub(super) fn new(column: &Column, max_value_bytes: usize) -> Result<Self, SourceError> {
        let decode = Decode::from_column(column)?;
        let scale = match column.parquet {
            ParquetType::Decimal { scale, .. } => scale,
            _ => u8::try_from(column.datetime_precision.clamp(0, 6)).unwrap_or(6),
        };
        Ok(Self {
            name: column.name.clone(),
            decode,
            parquet: column.parquet,
            scale,
            max_value_bytes,
            valid: NullBufferBuilder::new(0),
            values: Values::new(column.parquet),
        })
    }

    pub(super) fn decode(&self) -> Decode {
        self.decode
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a value off the front of a row and appends it. Returns its size in the array.
    #[inline]
    pub(super) fn append(&mut self, row: &mut &[u8]) -> Result<usize, SourceError> {
        // Takes a number of a fixed width, and widens it if the buffer has a wider type.
        macro_rules! number {
            ($to:ident, $sent:ty) => {
                fixed(row).map(|value| push($to, <$sent>::from_le_bytes(value).into()))
            };
        }
        let size = match (self.decode, &mut self.values) {
            (Decode::TinyInt, Values::I32(to)) => number!(to, i8),
            (Decode::TinyIntUnsigned, Values::I16(to)) => number!(to, u8),
            (Decode::SmallInt, Values::I32(to)) => number!(to, i16),
            (Decode::SmallIntUnsigned | Decode::Year, Values::I32(to)) => number!(to, u16),
            (Decode::TinyInt, Values::I8(to)) => number!(to, i8),
            (Decode::TinyIntUnsigned, Values::U8(to)) => number!(to, u8),
            (Decode::SmallInt, Values::I16(to)) => number!(to, i16),
            (Decode::SmallIntUnsigned, Values::U16(to)) => number!(to, u16),
            (Decode::IntUnsigned, Values::U32(to)) => number!(to, u32),
            (Decode::BigIntUnsigned, Values::U64(to)) => number!(to, u64),
            (Decode::Float, Values::F32(to)) => number!(to, f32),
            (Decode::Int, Values::I32(to)) => number!(to, i32),
            (Decode::IntUnsigned, Values::I64(to)) => number!(to, u32),
            (Decode::BigInt, Values::I64(to)) => number!(to, i64),
            (Decode::BigIntUnsigned, Values::I128(to)) => number!(to, u64),
            // Each 32-bit number is also a 64-bit number, so widening changes no value.
            (Decode::Float, Values::F64(to)) => number!(to, f32),
            (Decode::Double, Values::F64(to)) => number!(to, f64),
            (Decode::Decimal, Values::I32(to)) => {
                decimal::read(row, self.scale).and_then(|value| Some(push(to, value.try_into().ok()?)))
            }
            (Decode::Decimal, Values::I64(to)) => {
                decimal::read(row, self.scale).and_then(|value| Some(push(to, value.try_into().ok()?)))
            }
            (Decode::Decimal, Values::I128(to)) => decimal::read(row, self.scale).map(|value| push(to, value)),
            (Decode::Datetime, Values::I64(to)) => match temporal::instant(row) {
                Some(Some(instant)) => Some(push(to, instant)),
                Some(None) => return Err(SourceError::NoInstant { column: self.name.clone() }),
                None => None,
            },
            (Decode::Date, Values::I32(to)) => match temporal::day(row) {
                Some(Some(day)) => Some(push(to, day)),
                Some(None) => return Err(SourceError::NoInstant { column: self.name.clone() }),
                None => None,
            },
            (Decode::Text, Values::Uuid(to)) => string(row).and_then(uuid::read).map(|value| push_uuid(to, &value)),
            (Decode::Date, Values::Bytes { ends, bytes }) => {
                let start = bytes.len();
                temporal::write_date(row, bytes).and_then(|()| end(ends, bytes, start))
            }
            (Decode::Time, Values::Bytes { ends, bytes }) => {
                let start = bytes.len();
                temporal::write_time(row, self.scale, bytes).and_then(|()| end(ends, bytes, start))
            }
            (_, Values::Bytes { ends, bytes }) => match string(row) {
                Some(value) if value.len() > self.max_value_bytes => {
                    return Err(SourceError::ValueTooLarge { column: Some(self.name.clone()) });
                }
                Some(value) => {
                    let start = bytes.len();
                    bytes.extend_from_slice(value);
                    end(ends, bytes, start)
                }
                None => None,
            },
            _ => None,
        };
        match size {
            Some(size) => {
                self.valid.append_non_null();
                Ok(size)
            }
            None => Err(SourceError::Malformed { column: self.name.clone(), decode: self.decode.name() }),
        }
    }

    /// Appends NULL. Returns its size in the array.
    #[inline]
    pub(super) fn append_null(&mut self) -> usize {
        self.valid.append_null();
        self.values.append_null()
    }

    /// Returns the array of the values appended since the last call. Allocates buffers of the same
    /// size for the next array, up to `keep` bytes.
    pub(super) fn finish(&mut self, keep: usize) -> Result<ArrayRef, SourceError> {
        let array = self.values.finish(self.parquet, self.valid.finish(), keep);
        array.map_err(|InvalidText| SourceError::InvalidText { column: Some(self.name.clone()) })
    }
}
