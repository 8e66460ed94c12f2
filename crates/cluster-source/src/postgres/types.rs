//! Column builders. Each value is decoded from the server's binary form straight into the buffers of an Arrow array, with no
//! allocation of its own.
//!
//! One module per natively decoded type, named as PostgreSQL names it. Those of fixed size have `read`, which gives the
//! value; those that become text have `write`, which appends what the server's `::text` would give. Malformed bytes give
//! `None`, never a panic.
//!
//! Types that are not listed are cast by the server. `char(n)` is not cast: `::text` would strip the trailing blanks that the
//! server sends, prints and hands to every client. Nor is `oid` or `xml` native: few columns
//! are, and their binary form differs from their text.

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
mod time;
mod timestamp;
mod timestamptz;
mod timetz;
mod uuid;

use arrow_array::ArrayRef;
use arrow_buffer::NullBufferBuilder;
use export_task::plan::{Column, ParquetType};

use crate::error::SourceError;
use crate::values::{InvalidText, Values, end, push, push_uuid};
use native::Unread;

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

/// The value, or `None` and why.
#[inline]
fn exact<T>(value: Result<T, Unread>, unrepresentable: &mut bool) -> Option<T> {
    *unrepresentable = matches!(value, Err(Unread::Unrepresentable));
    value.ok()
}

/// A number of a column that becomes a decimal.
#[inline]
fn decimal<T: TryFrom<i128>>(raw: &[u8], parquet: ParquetType) -> Result<T, Unread> {
    let ParquetType::Decimal { precision, scale } = parquet else { return Err(Unread::Malformed) };
    // What has no more than the column's digits fits.
    native::decimal(raw, precision, scale)?.try_into().map_err(|_| Unread::Unrepresentable)
}

/// Gathers the values of one column.
pub(super) struct ColumnBuilder {
    name: String,
    decode: Decode,
    parquet: ParquetType,
    server_version: i32,
    valid: NullBufferBuilder,
    values: Values,
}

impl ColumnBuilder {
    pub fn new(column: &Column, server_version: i32) -> Result<Self, SourceError> {
        let decode = Decode::of_column(column)?;
        let parquet = column.parquet;
        let values = Values::new(parquet);
        let valid = NullBufferBuilder::new(0);
        Ok(Self { name: column.name.clone(), decode, parquet, server_version, valid, values })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// How large a value is, for its limit: as it is sent, or as it is printed where that is much larger.
    pub fn size(&self, raw: &[u8]) -> usize {
        if self.decode == Decode::Bit { bit::printed_size(raw).unwrap_or(0) } else { raw.len() }
    }

    /// Appends a value and returns how many bytes it takes.
    #[inline]
    pub fn append(&mut self, raw: &[u8]) -> Result<usize, SourceError> {
        let mut unrepresentable = false;
        let size = match &mut self.values {
            Values::Bool(values) => bool::read(raw).map(|value| {
                values.append(value);
                1
            }),
            Values::I16(values) => int2::read(raw).map(|value| push(values, value)),
            Values::I32(values) => match self.decode {
                Decode::Int4 => int4::read(raw),
                Decode::Date => exact(native::date(raw), &mut unrepresentable),
                _ => exact(decimal(raw, self.parquet), &mut unrepresentable),
            }
            .map(|value| push(values, value)),
            Values::I64(values) => match self.decode {
                Decode::Int8 => int8::read(raw),
                Decode::Time => exact(native::time(raw), &mut unrepresentable),
                Decode::Timestamp | Decode::Timestamptz => exact(native::timestamp(raw), &mut unrepresentable),
                _ => exact(decimal(raw, self.parquet), &mut unrepresentable),
            }
            .map(|value| push(values, value)),
            Values::I128(values) => {
                exact(decimal(raw, self.parquet), &mut unrepresentable).map(|value| push(values, value))
            }
            Values::Uuid(values) => raw.try_into().ok().map(|value| push_uuid(values, value)),
            Values::F32(values) => float4::read(raw).map(|value| push(values, value)),
            Values::F64(values) => float8::read(raw).map(|value| push(values, value)),
            Values::Bytes { ends, bytes } => {
                let start = bytes.len();
                match self.decode {
                    Decode::Numeric => numeric::write(raw, bytes),
                    Decode::Date => date::write(raw, bytes),
                    Decode::Time => time::write(raw, bytes),
                    Decode::Timetz => timetz::write(raw, bytes),
                    Decode::Timestamp => timestamp::write(raw, bytes),
                    Decode::Timestamptz => timestamptz::write(raw, bytes),
                    Decode::Interval => interval::write(raw, self.server_version, bytes),
                    Decode::Uuid => uuid::write(raw, bytes),
                    Decode::Jsonb => jsonb::write(raw, bytes),
                    Decode::Inet => inet::write(raw, bytes),
                    Decode::Macaddr => macaddr::write(raw, bytes),
                    Decode::Bit => bit::write(raw, bytes),
                    _ => {
                        bytes.extend_from_slice(raw);
                        Some(())
                    }
                }
                .and_then(|()| end(ends, bytes, start))
            }
        };
        match size {
            Some(size) => {
                self.valid.append_non_null();
                Ok(size)
            }
            None if unrepresentable => {
                Err(SourceError::Unrepresentable { column: self.name.clone(), parquet: self.parquet.exported_name() })
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
