//! One column: how the catalog describes it, how it is read, what it becomes.

use export_task::options::Types;
use export_task::table::{Column, ParquetType};

use super::types::Decode;

/// `pg_type` object ids of built-in types. They are part of the wire protocol and never change.
mod oid {
    pub const BIT: i64 = 1560;
    pub const VARBIT: i64 = 1562;
    pub const BPCHAR: i64 = 1042;
    pub const VARCHAR: i64 = 1043;
    pub const JSON: i64 = 114;
}

/// What the catalog says about a column.
pub(super) struct Described {
    pub name: String,
    /// The column's type is a domain.
    pub is_domain: bool,
    /// Its values are arrays.
    pub is_array: bool,
    /// Type the server sends values as, or an array's elements: that below a domain.
    pub sent_as: i64,
    /// The modifier of that type, -1 for none.
    pub sent_typmod: i32,
    /// That is an enumeration.
    pub is_enum: bool,
    /// `information_schema.columns.data_type`.
    pub original_type: String,
    /// The type, one level below a domain, that length and precision are of.
    pub type_oid: i64,
    /// Its modifier, -1 for none.
    pub typmod: i32,
}

impl Described {
    pub fn column(self, types: Types) -> Column {
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
        // An enumeration's label is text.
        if self.is_enum { Decode::Text } else { Decode::of_type(self.sent_as) }
    }

    fn decode(&self) -> Decode {
        let decode = self.sent();
        // AWS: a domain becomes a string, whatever its base type becomes; so does an array.
        let cast = self.is_array || self.is_domain && decode.parquet() != ParquetType::String;
        if cast { Decode::Cast } else { decode }
    }

    /// Parquet's own type where it has one that keeps every value, or nearly: the few it can't express (infinities, NaN,
    /// 24:00) are found by the reader. Of an array, the elements' type.
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

    /// The decimal type a `numeric` of declared precision and scale fits.
    fn decimal(&self) -> Option<ParquetType> {
        let declared = self.sent_typmod.checked_sub(4).filter(|declared| *declared >= 0)?;
        let precision = u8::try_from(declared >> 16).ok().filter(|precision| (1..=38).contains(precision))?;
        // Eleven bits with a sign. Parquet knows neither negative scales nor such above the precision.
        let scale = ((declared & 0x7FF) ^ 0x400) - 0x400;
        let scale = u8::try_from(scale).ok().filter(|scale| *scale <= precision)?;
        Some(ParquetType::Decimal { precision, scale })
    }

    /// Character length, numeric precision and fractional-second precision, by the rules of `information_schema` (its
    /// functions `_pg_char_max_length`, `_pg_numeric_precision` and `_pg_datetime_precision`), 0 where those say NULL.
    fn lengths(&self) -> (i32, i32, i32) {
        let declared = self.typmod >= 0;
        match (self.type_oid, Decode::of_type(self.type_oid)) {
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
