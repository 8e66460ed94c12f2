//! One column: how the catalog describes it, how it is read, and which Parquet type it gets.

use export_task::options::Types;
use export_task::table::{Column, ParquetType};
use serde::Deserialize;

use super::types::Decode;

/// `pg_type` object ids of built-in types. They are part of the wire protocol and never change.
mod oid {
    pub(super) const BIT: u32 = 1560;
    pub(super) const VARBIT: u32 = 1562;
    pub(super) const BPCHAR: u32 = 1042;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const JSON: u32 = 114;
}

/// What the catalog says about a column.
#[derive(Deserialize)]
pub(super) struct DescribedColumn {
    name: String,
    is_domain: bool,
    is_array: bool,
    /// The type that the server sends values as: the base type of a domain. For an array, the type
    /// of its elements.
    sent_as: u32,
    /// The modifier of `sent_as`, -1 for none.
    sent_typmod: i32,
    /// Whether `sent_as` is an enumeration.
    is_enum: bool,
    /// `information_schema.columns.data_type`.
    original_type: String,
    /// The column's type or, for a domain, the type it is declared over. It determines length and
    /// precision.
    type_oid: u32,
    /// The modifier of `type_oid`, -1 for none.
    typmod: i32,
}

impl DescribedColumn {
    pub(super) fn column(self, types: Types) -> Column {
        let (decode, parquet) = match types {
            Types::Aurora => {
                let decode = self.decode();
                (decode, decode.parquet())
            }
            Types::Native => self.native(),
        };
        let list = self.is_array && types == Types::Native;
        let (char_max_length, num_precision, datetime_precision) = self.lengths();
        Column {
            name: self.name,
            original_type: self.original_type,
            char_max_length,
            num_precision,
            datetime_precision,
            decode: decode.name().to_owned(),
            parquet,
            list,
        }
    }

    fn sent(&self) -> Decode {
        // The server sends an enumeration's label as text.
        if self.is_enum { Decode::Text } else { Decode::from_type(self.sent_as) }
    }

    fn decode(&self) -> Decode {
        let decode = self.sent();
        // As in AWS's exports, a domain becomes a string whatever its base type is. So does an
        // array.
        let cast = self.is_array || self.is_domain && decode.parquet() != ParquetType::String;
        if cast { Decode::Cast } else { decode }
    }

    /// Returns Parquet's own type where it can express all values, or all but a few. The reader
    /// reports the exceptions (infinities, NaN, 24:00). For an array, returns the type of its
    /// elements.
    fn native(&self) -> (Decode, ParquetType) {
        let decode = self.sent();
        let parquet = match decode {
            Decode::Date => ParquetType::Date,
            Decode::Time => ParquetType::TimeMicros,
            Decode::Timestamp => ParquetType::LocalTimestampMicros,
            Decode::Timestamptz => ParquetType::TimestampMicros,
            Decode::Uuid => ParquetType::Uuid,
            Decode::Jsonb => ParquetType::Json,
            Decode::Text if self.sent_as == oid::JSON && !self.is_enum => ParquetType::Json,
            Decode::Numeric => self.decimal().unwrap_or(ParquetType::String),
            other => other.parquet(),
        };
        (decode, parquet)
    }

    /// Returns the decimal type for a `numeric` of declared precision and scale.
    fn decimal(&self) -> Option<ParquetType> {
        let declared = self.sent_typmod.checked_sub(4).filter(|declared| *declared >= 0)?;
        let precision = u8::try_from(declared >> 16).ok().filter(|precision| (1..=38).contains(precision))?;
        // The scale has eleven bits with a sign. Parquet has no negative scales and no scales above
        // the precision.
        let scale = ((declared & 0x7FF) ^ 0x400) - 0x400;
        let scale = u8::try_from(scale).ok().filter(|scale| *scale <= precision)?;
        Some(ParquetType::Decimal { precision, scale })
    }

    /// Returns character length, numeric precision and fractional-second precision, by the rules of
    /// `information_schema` (its functions `_pg_char_max_length`, `_pg_numeric_precision` and
    /// `_pg_datetime_precision`). 0 stands for their NULL.
    fn lengths(&self) -> (i32, i32, i32) {
        let declared = self.typmod >= 0;
        match (self.type_oid, Decode::from_type(self.type_oid)) {
            (oid::BPCHAR | oid::VARCHAR, _) if declared => (self.typmod.saturating_sub(4), 0, 0),
            (oid::BIT | oid::VARBIT, _) if declared => (self.typmod, 0, 0),
            (_, Decode::Int2) => (0, 16, 0),
            (_, Decode::Int4) => (0, 32, 0),
            (_, Decode::Int8) => (0, 64, 0),
            (_, Decode::Float4) => (0, 24, 0),
            (_, Decode::Float8) => (0, 53, 0),
            (_, Decode::Numeric) if declared => (0, (self.typmod.saturating_sub(4) >> 16) & 0xFFFF, 0),
            (_, Decode::Time | Decode::Timetz | Decode::Timestamp | Decode::Timestamptz) => {
                (0, 0, if declared { self.typmod } else { 6 })
            }
            (_, Decode::Interval) => {
                let precision = self.typmod & 0xFFFF;
                (0, 0, if declared && precision != 0xFFFF { precision } else { 6 })
            }
            _ => (0, 0, 0),
        }
    }
}
