//! Column builders. Each value is decoded from the binary row straight into the buffers of an Arrow array, with no allocation
//! of its own. Malformed bytes give an error, never a panic.
//!
//! Numbers keep their type or are widened as AWS's table says, `DATETIME` and `TIMESTAMP` become microseconds. `DATE` and
//! `TIME` become the text the server prints; all other text and bytes are what it sends. For exports with types of Parquet's
//! own, numbers keep their width, a `DATE` becomes days and a `UUID` its bytes.

mod decimal;
mod temporal;
mod uuid;

use arrow_array::ArrayRef;
use arrow_buffer::NullBufferBuilder;
use export_task::table::{Column, ParquetType};

use super::fields::{fixed, string};
use super::query::Sent;
use crate::error::SourceError;
use crate::values::{InvalidText, Values, end, push, push_uuid};

/// `MYSQL_TYPE_…` of a column definition, as MySQL and MariaDB send them.
mod kind {
    pub const DECIMAL: u8 = 0;
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const VARCHAR: u8 = 15;
    pub const BIT: u8 = 16;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    /// ENUM, SET, all BLOB and TEXT types, VARCHAR, CHAR, GEOMETRY.
    pub const STRINGS: std::ops::RangeInclusive<u8> = 247..=255;
}

macro_rules! decodes {
    ($($variant:ident $name:literal;)*) => {
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
        }
    };
}

decodes! {
    TinyInt "tinyint";
    TinyIntUnsigned "tinyint unsigned";
    SmallInt "smallint";
    SmallIntUnsigned "smallint unsigned";
    // MEDIUMINT is sent in four bytes too.
    Int "int";
    IntUnsigned "int unsigned";
    BigInt "bigint";
    BigIntUnsigned "bigint unsigned";
    Float "float";
    Double "double";
    Decimal "decimal";
    // More digits than Parquet's decimals have: the text.
    LongDecimal "long decimal";
    Year "year";
    Date "date";
    Time "time";
    Datetime "datetime";
    Text "text";
    Bytes "bytes";
}

impl Decode {
    pub fn of_column(column: &Column) -> Result<Self, SourceError> {
        Self::of_name(&column.decode)
            .filter(|decode| decode.makes(column.parquet) && !column.list)
            .ok_or_else(|| SourceError::Plan(format!("column {} is read as {}", column.name, column.decode)))
    }

    /// What the column becomes, but for decimals, which the number of digits decides on.
    fn parquet(self) -> Option<ParquetType> {
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

    /// The type a column that is read so becomes.
    pub fn becomes(self, precision: u8, scale: u8) -> ParquetType {
        self.parquet().unwrap_or(ParquetType::Decimal { precision, scale })
    }

    fn makes(self, parquet: ParquetType) -> bool {
        match (self, parquet) {
            (Self::Decimal, ParquetType::Decimal { precision, scale }) => precision <= 38 && scale <= precision,
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
            (decode, parquet) => decode.parquet() == Some(parquet),
        }
    }

    /// Whether values that are sent so can be read so: the table is still what it was when the export was planned.
    pub fn reads(self, sent: Sent) -> bool {
        match self {
            Self::TinyInt | Self::TinyIntUnsigned => {
                sent.kind == kind::TINY && sent.unsigned == (self == Self::TinyIntUnsigned)
            }
            Self::SmallInt | Self::SmallIntUnsigned => {
                sent.kind == kind::SHORT && sent.unsigned == (self == Self::SmallIntUnsigned)
            }
            Self::Int | Self::IntUnsigned => {
                matches!(sent.kind, kind::LONG | kind::INT24) && sent.unsigned == (self == Self::IntUnsigned)
            }
            Self::BigInt | Self::BigIntUnsigned => {
                sent.kind == kind::LONGLONG && sent.unsigned == (self == Self::BigIntUnsigned)
            }
            Self::Float => sent.kind == kind::FLOAT,
            Self::Double => sent.kind == kind::DOUBLE,
            Self::Decimal | Self::LongDecimal => matches!(sent.kind, kind::DECIMAL | kind::NEWDECIMAL),
            Self::Year => sent.kind == kind::YEAR,
            Self::Date => sent.kind == kind::DATE,
            Self::Time => sent.kind == kind::TIME,
            Self::Datetime => matches!(sent.kind, kind::DATETIME | kind::TIMESTAMP),
            Self::Text | Self::Bytes => {
                matches!(sent.kind, kind::VARCHAR | kind::BIT | kind::VECTOR | kind::JSON)
                    || kind::STRINGS.contains(&sent.kind)
            }
        }
    }
}

/// Gathers the values of one column.
pub(super) struct ColumnBuilder {
    name: String,
    decode: Decode,
    parquet: ParquetType,
    /// Digits after the point: of a decimal, or of the seconds of a time.
    digits: u8,
    max_value_bytes: usize,
    valid: NullBufferBuilder,
    values: Values,
}

impl ColumnBuilder {
    pub fn new(column: &Column, max_value_bytes: usize) -> Result<Self, SourceError> {
        let decode = Decode::of_column(column)?;
        let digits = match column.parquet {
            ParquetType::Decimal { scale, .. } => scale,
            _ => u8::try_from(column.datetime_precision.clamp(0, 6)).unwrap_or(6),
        };
        Ok(Self {
            name: column.name.clone(),
            decode,
            parquet: column.parquet,
            digits,
            max_value_bytes,
            valid: NullBufferBuilder::new(0),
            values: Values::new(column.parquet),
        })
    }

    pub fn decode(&self) -> Decode {
        self.decode
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a value off the front of a row, appends it and returns how many bytes it takes.
    #[inline]
    pub fn append(&mut self, row: &mut &[u8]) -> Result<usize, SourceError> {
        let size = match (self.decode, &mut self.values) {
            (Decode::TinyInt, Values::I32(to)) => fixed(row).map(|value| push(to, i8::from_le_bytes(value).into())),
            (Decode::TinyIntUnsigned, Values::I16(to)) => {
                fixed(row).map(|value| push(to, u8::from_le_bytes(value).into()))
            }
            (Decode::SmallInt, Values::I32(to)) => fixed(row).map(|value| push(to, i16::from_le_bytes(value).into())),
            (Decode::SmallIntUnsigned | Decode::Year, Values::I32(to)) => {
                fixed(row).map(|value| push(to, u16::from_le_bytes(value).into()))
            }
            (Decode::TinyInt, Values::I8(to)) => fixed(row).map(|value| push(to, i8::from_le_bytes(value))),
            (Decode::TinyIntUnsigned, Values::U8(to)) => fixed(row).map(|value| push(to, u8::from_le_bytes(value))),
            (Decode::SmallInt, Values::I16(to)) => fixed(row).map(|value| push(to, i16::from_le_bytes(value))),
            (Decode::SmallIntUnsigned, Values::U16(to)) => fixed(row).map(|value| push(to, u16::from_le_bytes(value))),
            (Decode::IntUnsigned, Values::U32(to)) => fixed(row).map(|value| push(to, u32::from_le_bytes(value))),
            (Decode::BigIntUnsigned, Values::U64(to)) => fixed(row).map(|value| push(to, u64::from_le_bytes(value))),
            (Decode::Float, Values::F32(to)) => fixed(row).map(|value| push(to, f32::from_le_bytes(value))),
            (Decode::Int, Values::I32(to)) => fixed(row).map(|value| push(to, i32::from_le_bytes(value))),
            (Decode::IntUnsigned, Values::I64(to)) => {
                fixed(row).map(|value| push(to, u32::from_le_bytes(value).into()))
            }
            (Decode::BigInt, Values::I64(to)) => fixed(row).map(|value| push(to, i64::from_le_bytes(value))),
            (Decode::BigIntUnsigned, Values::I128(to)) => {
                fixed(row).map(|value| push(to, u64::from_le_bytes(value).into()))
            }
            // Every number of 32 bits is one of 64 bits: widening changes no value.
            (Decode::Float, Values::F64(to)) => fixed(row).map(|value| push(to, f32::from_le_bytes(value).into())),
            (Decode::Double, Values::F64(to)) => fixed(row).map(|value| push(to, f64::from_le_bytes(value))),
            (Decode::Decimal, Values::I32(to)) => {
                decimal::read(row, self.digits).and_then(|value| Some(push(to, value.try_into().ok()?)))
            }
            (Decode::Decimal, Values::I64(to)) => {
                decimal::read(row, self.digits).and_then(|value| Some(push(to, value.try_into().ok()?)))
            }
            (Decode::Decimal, Values::I128(to)) => decimal::read(row, self.digits).map(|value| push(to, value)),
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
                temporal::write_time(row, self.digits, bytes).and_then(|()| end(ends, bytes, start))
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

    /// Appends NULL and returns how many bytes it takes.
    #[inline]
    pub fn append_null(&mut self) -> usize {
        self.valid.append_null();
        self.values.append_null()
    }

    /// The array of everything appended since the last time. Buffers for the next one are allocated as large as this one's,
    /// up to `keep` bytes.
    pub fn finish(&mut self, keep: usize) -> Result<ArrayRef, SourceError> {
        let array = self.values.finish(self.parquet, self.valid.finish(), keep);
        array.map_err(|InvalidText| SourceError::InvalidText { column: Some(self.name.clone()) })
    }
}
