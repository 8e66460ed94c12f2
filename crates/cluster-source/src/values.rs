//! The buffers of one column, for every engine. Decoders append to the buffers that become the
//! Arrow array, so there is no allocation or copy per value.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal32Array, Decimal64Array, Decimal128Array,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use export_task::table::ParquetType;

use crate::batch::{UUID_BYTES, data_type};

/// The buffers of one column, by the type of their items.
pub(crate) enum Values {
    Bool(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128(Vec<i128>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bytes { ends: Vec<i32>, bytes: Vec<u8> },
    Uuid(Vec<u8>),
}

/// The bytes of a text column are not UTF-8.
pub(crate) struct InvalidText;

impl Values {
    pub(crate) fn new(parquet: ParquetType) -> Self {
        match parquet {
            ParquetType::Boolean => Self::Bool(BooleanBufferBuilder::new(0)),
            ParquetType::Int8 => Self::I8(Vec::new()),
            ParquetType::Int16 => Self::I16(Vec::new()),
            ParquetType::Int32 | ParquetType::Date | ParquetType::Decimal { precision: ..=9, .. } => {
                Self::I32(Vec::new())
            }
            ParquetType::Int64
            | ParquetType::TimestampMicros
            | ParquetType::LocalTimestampMicros
            | ParquetType::TimeMicros
            | ParquetType::Decimal { precision: ..=18, .. } => Self::I64(Vec::new()),
            ParquetType::Decimal { .. } => Self::I128(Vec::new()),
            ParquetType::UInt8 => Self::U8(Vec::new()),
            ParquetType::UInt16 => Self::U16(Vec::new()),
            ParquetType::UInt32 => Self::U32(Vec::new()),
            ParquetType::UInt64 => Self::U64(Vec::new()),
            ParquetType::Float => Self::F32(Vec::new()),
            ParquetType::Double => Self::F64(Vec::new()),
            ParquetType::Uuid => Self::Uuid(Vec::new()),
            ParquetType::String | ParquetType::Json | ParquetType::Binary => {
                Self::Bytes { ends: vec![0], bytes: Vec::new() }
            }
        }
    }

    /// Appends a placeholder for NULL and returns the number of bytes it takes.
    #[inline]
    pub(crate) fn append_null(&mut self) -> usize {
        match self {
            Self::Bool(values) => {
                values.append(false);
                1
            }
            Self::I8(values) => push(values, 0),
            Self::I16(values) => push(values, 0),
            Self::I32(values) => push(values, 0),
            Self::I64(values) => push(values, 0),
            Self::I128(values) => push(values, 0),
            Self::U8(values) => push(values, 0),
            Self::U16(values) => push(values, 0),
            Self::U32(values) => push(values, 0),
            Self::U64(values) => push(values, 0),
            Self::F32(values) => push(values, 0.0),
            Self::F64(values) => push(values, 0.0),
            Self::Uuid(values) => push_uuid(values, &[0; 16]),
            Self::Bytes { ends, bytes } => {
                // The offset is that of the previous value, which `end` has checked.
                push(ends, i32::try_from(bytes.len()).unwrap_or(i32::MAX))
            }
        }
    }

    /// Returns the array of all values since the last call, with the Arrow type of `parquet`.
    /// Allocates buffers of the same size for the next array, up to `keep` bytes.
    pub(crate) fn finish(
        &mut self,
        parquet: ParquetType,
        nulls: Option<NullBuffer>,
        keep: usize,
    ) -> Result<ArrayRef, InvalidText> {
        let data_type = data_type(parquet);
        Ok(match self {
            Self::Bool(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Self::I8(values) => Arc::new(Int8Array::new(scalars(values), nulls)),
            Self::I16(values) => Arc::new(Int16Array::new(scalars(values), nulls)),
            Self::I32(values) => match parquet {
                ParquetType::Int32 => Arc::new(Int32Array::new(scalars(values), nulls)),
                ParquetType::Date => Arc::new(Date32Array::new(scalars(values), nulls)),
                _ => Arc::new(Decimal32Array::new(scalars(values), nulls).with_data_type(data_type)),
            },
            Self::I64(values) => match parquet {
                ParquetType::Int64 => Arc::new(Int64Array::new(scalars(values), nulls)),
                ParquetType::TimeMicros => Arc::new(Time64MicrosecondArray::new(scalars(values), nulls)),
                ParquetType::TimestampMicros | ParquetType::LocalTimestampMicros => {
                    Arc::new(TimestampMicrosecondArray::new(scalars(values), nulls).with_data_type(data_type))
                }
                _ => Arc::new(Decimal64Array::new(scalars(values), nulls).with_data_type(data_type)),
            },
            Self::I128(values) => Arc::new(Decimal128Array::new(scalars(values), nulls).with_data_type(data_type)),
            Self::U8(values) => Arc::new(UInt8Array::new(scalars(values), nulls)),
            Self::U16(values) => Arc::new(UInt16Array::new(scalars(values), nulls)),
            Self::U32(values) => Arc::new(UInt32Array::new(scalars(values), nulls)),
            Self::U64(values) => Arc::new(UInt64Array::new(scalars(values), nulls)),
            Self::F32(values) => Arc::new(Float32Array::new(scalars(values), nulls)),
            Self::F64(values) => Arc::new(Float64Array::new(scalars(values), nulls)),
            Self::Uuid(values) => {
                let next = Vec::with_capacity(values.len());
                let bytes = Buffer::from_vec(std::mem::replace(values, next));
                Arc::new(FixedSizeBinaryArray::new(UUID_BYTES, bytes, nulls))
            }
            Self::Bytes { ends, bytes } => {
                let mut next_ends = Vec::with_capacity(ends.len());
                next_ends.push(0);
                let ends = OffsetBuffer::new(std::mem::replace(ends, next_ends).into());
                // The next buffer is a little larger, so that a slightly longer batch does not have
                // to grow it.
                let room = (bytes.len() + bytes.len() / 8).min(keep);
                let bytes = Buffer::from_vec(std::mem::replace(bytes, Vec::with_capacity(room)));
                if parquet == ParquetType::Binary {
                    Arc::new(BinaryArray::new(ends, bytes, nulls))
                } else {
                    // Offsets and nulls fit by construction, so the only possible error is text
                    // that is not UTF-8.
                    Arc::new(StringArray::try_new(ends, bytes, nulls).map_err(|_| InvalidText)?)
                }
            }
        })
    }
}

/// Appends a value and returns the number of bytes it takes.
#[inline]
pub(crate) fn push<T>(values: &mut Vec<T>, value: T) -> usize {
    values.push(value);
    size_of::<T>()
}

/// Appends a UUID and returns the number of bytes it takes.
#[inline]
pub(crate) fn push_uuid(values: &mut Vec<u8>, value: &[u8; 16]) -> usize {
    values.extend_from_slice(value);
    value.len()
}

/// Ends the value that was appended to `bytes` from `start`, and returns the number of bytes it
/// takes. Returns `None` if the buffer is larger than offsets can express.
#[inline]
pub(crate) fn end(ends: &mut Vec<i32>, bytes: &[u8], start: usize) -> Option<usize> {
    ends.push(i32::try_from(bytes.len()).ok()?);
    Some(bytes.len() - start + size_of::<i32>())
}

fn scalars<T: ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let next = Vec::with_capacity(values.len());
    std::mem::replace(values, next).into()
}
