//! One column: its description in the catalog, its decoder, and the type it becomes.

use arrow_schema::DECIMAL128_MAX_PRECISION;
use export_task::options::Types;
use export_task::range::KeyKind;
use export_task::table::{Column, ParquetType};

use super::fields::TextRow;
use super::types::Decode;
use crate::error::SourceError;

/// The digits that a 128-bit decimal can have. MySQL's decimals have up to 65.
const MAX_PRECISION: u64 = DECIMAL128_MAX_PRECISION as u64;

/// A column's description in the catalog.
pub(super) struct ColumnDescription {
    pub name: String,
    pub nullable: bool,
    /// Whether the user may read the column.
    pub readable: bool,
    /// `information_schema.columns.data_type`, such as `int`.
    data_type: String,
    unsigned: bool,
    char_max_length: u64,
    precision: u64,
    scale: u64,
    datetime_precision: u64,
    charset: String,
    collation: String,
}

impl ColumnDescription {
    /// The columns of `information_schema.COLUMNS` that [`Self::from_row`] reads.
    pub(super) const COLUMNS: &str = "COLUMN_NAME, IS_NULLABLE, PRIVILEGES, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, \
         NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME";

    /// Parses a row in which [`Self::COLUMNS`] begin at position `from`.
    pub(super) fn from_row(row: &TextRow<'_>, from: usize) -> Result<Self, SourceError> {
        Ok(Self {
            name: row.name(from)?.to_owned(),
            nullable: row.name(from + 1)? != "NO",
            readable: row.text(from + 2)?.unwrap_or_default().split(',').any(|p| p.eq_ignore_ascii_case("select")),
            data_type: row.name(from + 3)?.to_ascii_lowercase(),
            // The word follows the name of the type. An enumeration's values may contain it too.
            unsigned: row.name(from + 4)?.split_once(' ').is_some_and(|(_, more)| more.starts_with("unsigned")),
            char_max_length: row.number(from + 5)?.unwrap_or_default(),
            precision: row.number(from + 6)?.unwrap_or_default(),
            scale: row.number(from + 7)?.unwrap_or_default(),
            datetime_precision: row.number(from + 8)?.unwrap_or_default(),
            charset: row.text(from + 9)?.unwrap_or_default().to_owned(),
            collation: row.text(from + 10)?.unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn column(&self, types: Types) -> Column {
        let decode = self.decode();
        // A precision is at most 65.
        let aurora_type = decode.aurora_type(self.precision as u8, self.scale as u8);
        let saturated = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
        Column {
            name: self.name.clone(),
            original_type: self.data_type.clone(),
            char_max_length: saturated(self.char_max_length),
            num_precision: saturated(self.precision),
            datetime_precision: saturated(self.datetime_precision),
            decode: decode.name().to_owned(),
            parquet: match types {
                Types::Aurora => aurora_type,
                Types::Native => self.native_type(decode).unwrap_or(aurora_type),
            },
            list: false,
        }
    }

    /// Returns the native Parquet type if AWS's exports use another one. `TIME` has none: it is not
    /// a time of day but an interval of up to 35 days, with a sign.
    fn native_type(&self, decode: Decode) -> Option<ParquetType> {
        Some(match (decode, self.data_type.as_str()) {
            (Decode::TinyInt, _) => ParquetType::Int8,
            (Decode::TinyIntUnsigned, _) => ParquetType::UInt8,
            (Decode::SmallInt, _) => ParquetType::Int16,
            (Decode::SmallIntUnsigned, _) => ParquetType::UInt16,
            (Decode::IntUnsigned, _) => ParquetType::UInt32,
            (Decode::BigIntUnsigned, _) => ParquetType::UInt64,
            (Decode::Float, _) => ParquetType::Float,
            (Decode::Date, _) => ParquetType::Date,
            // A TIMESTAMP is an instant. A DATETIME is the reading of a clock in some time zone.
            (Decode::Datetime, "datetime") => ParquetType::LocalTimestampMicros,
            (Decode::Text, "json") => ParquetType::Json,
            (Decode::Text, "uuid") => ParquetType::Uuid,
            _ => return None,
        })
    }

    fn decode(&self) -> Decode {
        let either = |signed, unsigned| if self.unsigned { unsigned } else { signed };
        match self.data_type.as_str() {
            "tinyint" => either(Decode::TinyInt, Decode::TinyIntUnsigned),
            "smallint" => either(Decode::SmallInt, Decode::SmallIntUnsigned),
            "mediumint" | "int" => either(Decode::Int, Decode::IntUnsigned),
            "bigint" => either(Decode::BigInt, Decode::BigIntUnsigned),
            "float" => Decode::Float,
            "double" => Decode::Double,
            "decimal" if self.precision > MAX_PRECISION => Decode::LongDecimal,
            "decimal" => Decode::Decimal,
            "year" => Decode::Year,
            "date" => Decode::Date,
            "time" => Decode::Time,
            "datetime" | "timestamp" => Decode::Datetime,
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector"
            | "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geomcollection" | "geometrycollection" => Decode::Bytes,
            // Text, ENUM, SET, JSON, and types that MariaDB sends as text: UUID, INET4, INET6.
            _ => Decode::Text,
        }
    }

    /// Returns the kind of the bounds of an index over the column, or `None` if they can't be
    /// partition bounds. The server does not order a FLOAT, an ENUM or a SET by what it prints. If
    /// a collation has no padding, MariaDB orders a CHAR with the blanks that fill it up, but
    /// compares it without them. A control character is then on the wrong side of a bound.
    pub(super) fn key_kind(&self) -> Option<KeyKind> {
        if self.nullable {
            return None;
        }
        Some(match self.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => KeyKind::Integer,
            "decimal" if self.precision <= MAX_PRECISION => KeyKind::Decimal,
            "date" | "datetime" | "timestamp" => KeyKind::Date,
            "binary" | "varbinary" => KeyKind::Bytes,
            "char" if self.collation.contains("_nopad_") => return None,
            "char" | "varchar" => KeyKind::Text { charset: self.charset.clone(), collation: self.collation.clone() },
            _ => return None,
        })
    }
}
