//! Values of one type on their way into an array: those of a column, or the elements of a column's lists.

use arrow_array::ArrayRef;
use arrow_buffer::NullBufferBuilder;
use export_task::table::ParquetType;

use super::native::Unread::{self, Malformed, TooLarge, Unrepresentable};
use super::{
    Decode, bit, bool, date, float4, float8, inet, int2, int4, int8, interval, jsonb, macaddr, native, numeric, time,
    timestamp, timestamptz, timetz, uuid,
};
use crate::values::{InvalidText, Values, end, push, push_uuid};

pub(super) struct Scalars {
    decode: Decode,
    parquet: ParquetType,
    server_version: i32,
    valid: NullBufferBuilder,
    values: Values,
}

/// A number of a column that becomes a decimal.
#[inline]
fn decimal<T: TryFrom<i128>>(raw: &[u8], parquet: ParquetType) -> Result<T, Unread> {
    let ParquetType::Decimal { precision, scale } = parquet else { return Err(Malformed) };
    // What has no more than the column's digits fits.
    native::decimal(raw, precision, scale)?.try_into().map_err(|_| Unrepresentable)
}

impl Scalars {
    pub fn new(decode: Decode, parquet: ParquetType, server_version: i32) -> Self {
        Self { decode, parquet, server_version, valid: NullBufferBuilder::new(0), values: Values::new(parquet) }
    }

    pub fn decode(&self) -> Decode {
        self.decode
    }

    /// How many there are, NULL included.
    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// How large a value is, for its limit: as it is sent, or as it is printed where that is much larger.
    pub fn size(&self, raw: &[u8]) -> usize {
        if self.decode == Decode::Bit { bit::printed_size(raw).unwrap_or(0) } else { raw.len() }
    }

    /// Appends a value and returns how many bytes it takes.
    #[inline]
    pub fn append(&mut self, raw: &[u8]) -> Result<usize, Unread> {
        let size = match &mut self.values {
            Values::Bool(values) => bool::read(raw).ok_or(Malformed).map(|value| {
                values.append(value);
                1
            }),
            Values::I16(values) => int2::read(raw).ok_or(Malformed).map(|value| push(values, value)),
            Values::I32(values) => match self.decode {
                Decode::Int4 => int4::read(raw).ok_or(Malformed),
                Decode::Date => native::date(raw),
                _ => decimal(raw, self.parquet),
            }
            .map(|value| push(values, value)),
            Values::I64(values) => match self.decode {
                Decode::Int8 => int8::read(raw).ok_or(Malformed),
                Decode::Time => native::time(raw),
                Decode::Timestamp | Decode::Timestamptz => native::timestamp(raw),
                _ => decimal(raw, self.parquet),
            }
            .map(|value| push(values, value)),
            Values::I128(values) => decimal(raw, self.parquet).map(|value| push(values, value)),
            Values::Uuid(values) => raw.try_into().map(|value| push_uuid(values, value)).map_err(|_| Malformed),
            Values::F32(values) => float4::read(raw).ok_or(Malformed).map(|value| push(values, value)),
            Values::F64(values) => float8::read(raw).ok_or(Malformed).map(|value| push(values, value)),
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
                .ok_or(Malformed)
                .and_then(|()| end(ends, bytes, start).ok_or(TooLarge))
            }
            // Other engines' types.
            Values::I8(_) | Values::U8(_) | Values::U16(_) | Values::U32(_) | Values::U64(_) => Err(Malformed),
        };
        if size.is_ok() {
            self.valid.append_non_null();
        }
        size
    }

    /// Appends NULL and returns how many bytes it takes.
    #[inline]
    pub fn append_null(&mut self) -> usize {
        self.valid.append_null();
        self.values.append_null()
    }

    /// The array of everything appended since the last time. Buffers for the next one are allocated as large as this one's,
    /// up to `keep` bytes.
    pub fn finish(&mut self, keep: usize) -> Result<ArrayRef, InvalidText> {
        self.values.finish(self.parquet, self.valid.finish(), keep)
    }
}
