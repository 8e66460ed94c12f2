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
mod numeric;
mod print;
mod time;
mod timestamp;
mod timestamptz;
mod timetz;
mod uuid;

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, StringArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use export_task::plan::{Column, ParquetType};

use crate::error::SourceError;

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
    pub fn of_column(column: &Column) -> Result<Self, SourceError> {
        Self::of_name(&column.decode)
            .filter(|decode| decode.parquet() == column.parquet)
            .ok_or_else(|| SourceError::Plan(format!("column {} is read as {}", column.name, column.decode)))
    }
}

/// Gathers the values of one column.
pub(super) struct ColumnBuilder {
    name: String,
    decode: Decode,
    server_version: i32,
    valid: NullBufferBuilder,
    values: Values,
}

enum Values {
    Bool(BooleanBufferBuilder),
    Int2(Vec<i16>),
    Int4(Vec<i32>),
    Int8(Vec<i64>),
    Float4(Vec<f32>),
    Float8(Vec<f64>),
    Bytes { ends: Vec<i32>, bytes: Vec<u8> },
}

impl ColumnBuilder {
    pub fn new(column: &Column, server_version: i32) -> Result<Self, SourceError> {
        let decode = Decode::of_column(column)?;
        let values = match decode {
            Decode::Bool => Values::Bool(BooleanBufferBuilder::new(0)),
            Decode::Int2 => Values::Int2(Vec::new()),
            Decode::Int4 => Values::Int4(Vec::new()),
            Decode::Int8 => Values::Int8(Vec::new()),
            Decode::Float4 => Values::Float4(Vec::new()),
            Decode::Float8 => Values::Float8(Vec::new()),
            _ => Values::Bytes { ends: vec![0], bytes: Vec::new() },
        };
        Ok(Self { name: column.name.clone(), decode, server_version, valid: NullBufferBuilder::new(0), values })
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
        let size = match &mut self.values {
            Values::Bool(values) => bool::read(raw).map(|value| {
                values.append(value);
                1
            }),
            Values::Int2(values) => int2::read(raw).map(|value| push(values, value)),
            Values::Int4(values) => int4::read(raw).map(|value| push(values, value)),
            Values::Int8(values) => int8::read(raw).map(|value| push(values, value)),
            Values::Float4(values) => float4::read(raw).map(|value| push(values, value)),
            Values::Float8(values) => float8::read(raw).map(|value| push(values, value)),
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
                .and_then(|()| i32::try_from(bytes.len()).ok())
                .map(|end| {
                    ends.push(end);
                    bytes.len() - start + size_of::<i32>()
                })
            }
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
        match &mut self.values {
            Values::Bool(values) => {
                values.append(false);
                1
            }
            Values::Int2(values) => push(values, 0),
            Values::Int4(values) => push(values, 0),
            Values::Int8(values) => push(values, 0),
            Values::Float4(values) => push(values, 0.0),
            Values::Float8(values) => push(values, 0.0),
            Values::Bytes { ends, bytes } => {
                // `append` has checked the last end, which this repeats.
                push(ends, i32::try_from(bytes.len()).unwrap_or(i32::MAX))
            }
        }
    }

    /// The array of everything appended since the last time. Buffers for the next one are allocated as large as this one's,
    /// up to `keep` bytes.
    pub fn finish(&mut self, keep: usize) -> Result<ArrayRef, SourceError> {
        let nulls = self.valid.finish();
        Ok(match &mut self.values {
            Values::Bool(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int2(values) => Arc::new(Int16Array::new(scalars(values), nulls)),
            Values::Int4(values) => Arc::new(Int32Array::new(scalars(values), nulls)),
            Values::Int8(values) => Arc::new(Int64Array::new(scalars(values), nulls)),
            Values::Float4(values) => Arc::new(Float32Array::new(scalars(values), nulls)),
            Values::Float8(values) => Arc::new(Float64Array::new(scalars(values), nulls)),
            Values::Bytes { ends, bytes } => {
                let mut next_ends = Vec::with_capacity(ends.len());
                next_ends.push(0);
                let ends = OffsetBuffer::new(std::mem::replace(ends, next_ends).into());
                // A little more room than last time, so that a slightly longer batch doesn't grow its buffer.
                let room = (bytes.len() + bytes.len() / 8).min(keep);
                let bytes = Buffer::from_vec(std::mem::replace(bytes, Vec::with_capacity(room)));
                if self.decode == Decode::Bytea {
                    Arc::new(BinaryArray::new(ends, bytes, nulls))
                } else {
                    // Offsets and nulls fit by construction, so all this can find is text that is no UTF-8.
                    let array = StringArray::try_new(ends, bytes, nulls);
                    Arc::new(array.map_err(|_| SourceError::InvalidText { column: Some(self.name.clone()) })?)
                }
            }
        })
    }
}

fn push<T>(values: &mut Vec<T>, value: T) -> usize {
    values.push(value);
    size_of::<T>()
}

fn scalars<T: arrow_buffer::ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let next = Vec::with_capacity(values.len());
    std::mem::replace(values, next).into()
}
