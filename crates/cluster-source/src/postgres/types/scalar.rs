//! Builds an array of values of one type: the values of a column, or the elements of a column's
//! lists.

use arrow_array::ArrayRef;
use arrow_buffer::NullBufferBuilder;
use export_task::table::ParquetType;

use super::DecodeError::{self, Malformed, TooLarge, Unrepresentable};
use super::{Decode, bits, datetime, interval, network, number, numeric};
use crate::values::{InvalidText, Values, end, push, push_uuid};

pub(super) struct ScalarBuilder {
    decode: Decode,
    parquet: ParquetType,
    server_version: i32,
    valid: NullBufferBuilder,
    values: Values,
}

/// Returns a number of a column that becomes a decimal.
#[inline]
fn decimal<T: TryFrom<i128>>(raw: &[u8], parquet: ParquetType) -> Result<T, DecodeError> {
    let ParquetType::Decimal { precision, scale } = parquet else { return Err(Malformed) };
    // A number with at most `precision` digits always fits.
    numeric::decimal(raw, precision, scale)?.try_into().map_err(|_| Unrepresentable)
}

/// `jsonb`: a format version, which is 1, and the text.
fn write_jsonb(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = raw.strip_prefix(&[1])?;
    out.extend_from_slice(text);
    Some(())
}

impl ScalarBuilder {
    pub(super) fn new(decode: Decode, parquet: ParquetType, server_version: i32) -> Self {
        Self { decode, parquet, server_version, valid: NullBufferBuilder::new(0), values: Values::new(parquet) }
    }

    pub(super) fn decode(&self) -> Decode {
        self.decode
    }

    /// Returns the number of values, including NULL.
    pub(super) fn len(&self) -> usize {
        self.valid.len()
    }

    /// Returns the size that is compared with the limit of values: the sent size, or the printed
    /// size where that is much larger.
    pub(super) fn size(&self, raw: &[u8]) -> usize {
        if self.decode == Decode::Bit { bits::printed_bit_size(raw).unwrap_or(0) } else { raw.len() }
    }

    /// Appends a value and returns the number of bytes it takes.
    #[inline]
    pub(super) fn append(&mut self, raw: &[u8]) -> Result<usize, DecodeError> {
        let size = match &mut self.values {
            Values::Bool(values) => number::bool(raw).ok_or(Malformed).map(|value| {
                values.append(value);
                1
            }),
            Values::I16(values) => number::int2(raw).ok_or(Malformed).map(|value| push(values, value)),
            Values::I32(values) => match self.decode {
                Decode::Int4 => number::int4(raw).ok_or(Malformed),
                Decode::Date => datetime::date(raw),
                _ => decimal(raw, self.parquet),
            }
            .map(|value| push(values, value)),
            Values::I64(values) => match self.decode {
                Decode::Int8 => number::int8(raw).ok_or(Malformed),
                Decode::Time => datetime::time(raw),
                Decode::Timestamp | Decode::Timestamptz => datetime::timestamp(raw),
                _ => decimal(raw, self.parquet),
            }
            .map(|value| push(values, value)),
            Values::I128(values) => decimal(raw, self.parquet).map(|value| push(values, value)),
            Values::Uuid(values) => raw.try_into().map(|value| push_uuid(values, value)).map_err(|_| Malformed),
            Values::F32(values) => number::float4(raw).ok_or(Malformed).map(|value| push(values, value)),
            Values::F64(values) => number::float8(raw).ok_or(Malformed).map(|value| push(values, value)),
            Values::Bytes { ends, bytes } => {
                let start = bytes.len();
                match self.decode {
                    Decode::Numeric => numeric::write(raw, bytes),
                    Decode::Date => datetime::write_date(raw, bytes),
                    Decode::Time => datetime::write_time(raw, bytes),
                    Decode::Timetz => datetime::write_timetz(raw, bytes),
                    Decode::Timestamp => datetime::write_timestamp(raw, bytes),
                    Decode::Timestamptz => datetime::write_timestamptz(raw, bytes),
                    Decode::Interval => interval::write(raw, self.server_version, bytes),
                    Decode::Uuid => bits::write_uuid(raw, bytes),
                    Decode::Jsonb => write_jsonb(raw, bytes),
                    Decode::Inet => network::write_inet(raw, bytes),
                    Decode::Macaddr => network::write_macaddr(raw, bytes),
                    Decode::Bit => bits::write_bit(raw, bytes),
                    Decode::Text | Decode::Bytea | Decode::Cast => {
                        bytes.extend_from_slice(raw);
                        Some(())
                    }
                    // The values of these types are never bytes.
                    Decode::Bool | Decode::Int2 | Decode::Int4 | Decode::Int8 | Decode::Float4 | Decode::Float8 => None,
                }
                .ok_or(Malformed)
                .and_then(|()| end(ends, bytes, start).ok_or(TooLarge))
            }
            // PostgreSQL has no such types.
            Values::I8(_) | Values::U8(_) | Values::U16(_) | Values::U32(_) | Values::U64(_) => Err(Malformed),
        };
        if size.is_ok() {
            self.valid.append_non_null();
        }
        size
    }

    /// Appends NULL and returns the number of bytes it takes.
    #[inline]
    pub(super) fn append_null(&mut self) -> usize {
        self.valid.append_null();
        self.values.append_null()
    }

    /// Returns the array of all values since the last call. Allocates buffers of the same size for
    /// the next array, up to `keep` bytes.
    pub(super) fn finish(&mut self, keep: usize) -> Result<ArrayRef, InvalidText> {
        self.values.finish(self.parquet, self.valid.finish(), keep)
    }
}
