//! One column: how the catalog describes it, how it is read, what it becomes.

use export_task::options::Types;
use export_task::range::KeyKind;
use export_task::table::{Column, ParquetType};

use super::fields::TextRow;
use super::types::Decode;
use crate::error::SourceError;

/// What the catalog says about a column.
pub(super) struct Described {
    pub name: String,
    pub nullable: bool,
    /// The user may read it.
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

impl Described {
    /// What [`Described::of_row`] reads.
    pub const COLUMNS: &str = "COLUMN_NAME, IS_NULLABLE, PRIVILEGES, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, \
         NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME";

    /// A row of `information_schema.COLUMNS` whose first column is number `from`.
    pub fn of_row(row: &TextRow<'_>, from: usize) -> Result<Self, SourceError> {
        Ok(Self {
            name: row.name(from)?.to_owned(),
            nullable: row.name(from + 1)? != "NO",
            readable: row.text(from + 2)?.unwrap_or_default().split(',').any(|p| p.eq_ignore_ascii_case("select")),
            data_type: row.name(from + 3)?.to_ascii_lowercase(),
            // Behind the name of the type: those of an enumeration's values may hold anything.
            unsigned: row.name(from + 4)?.split_once(' ').is_some_and(|(_, more)| more.starts_with("unsigned")),
            char_max_length: row.number(from + 5)?.unwrap_or_default(),
            precision: row.number(from + 6)?.unwrap_or_default(),
            scale: row.number(from + 7)?.unwrap_or_default(),
            datetime_precision: row.number(from + 8)?.unwrap_or_default(),
            charset: row.text(from + 9)?.unwrap_or_default().to_owned(),
            collation: row.text(from + 10)?.unwrap_or_default().to_owned(),
        })
    }

    pub fn column(&self, types: Types) -> Column {
        let decode = self.decode();
        // A precision is at most 65.
        let becomes = decode.becomes(self.precision as u8, self.scale as u8);
        let limited = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
        Column {
            name: self.name.clone(),
            original_type: self.data_type.clone(),
            char_max_length: limited(self.char_max_length),
            num_precision: limited(self.precision),
            datetime_precision: limited(self.datetime_precision),
            decode: decode.name().to_owned(),
            parquet: match types {
                Types::Aurora => becomes,
                Types::Native => self.native(decode).unwrap_or(becomes),
            },
            list: false,
        }
    }

    /// Parquet's own type where AWS has another. `TIME` is no time of day but an interval of up to 35 days, with a sign, for
    /// which Parquet has no type.
    fn native(&self, decode: Decode) -> Option<ParquetType> {
        Some(match (decode, self.data_type.as_str()) {
            (Decode::TinyInt, _) => ParquetType::Int8,
            (Decode::TinyIntUnsigned, _) => ParquetType::UInt8,
            (Decode::SmallInt, _) => ParquetType::Int16,
            (Decode::SmallIntUnsigned, _) => ParquetType::UInt16,
            (Decode::IntUnsigned, _) => ParquetType::UInt32,
            (Decode::BigIntUnsigned, _) => ParquetType::UInt64,
            (Decode::Float, _) => ParquetType::Float,
            (Decode::Date, _) => ParquetType::Date,
            // A TIMESTAMP is an instant, a DATETIME what a clock somewhere shows.
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
            "decimal" if self.precision > 38 => Decode::LongDecimal,
            "decimal" => Decode::Decimal,
            "year" => Decode::Year,
            "date" => Decode::Date,
            "time" => Decode::Time,
            "datetime" | "timestamp" => Decode::Datetime,
            "bit" | "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector"
            | "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geomcollection" | "geometrycollection" => Decode::Bytes,
            // Text, ENUM, SET, JSON, and what other servers send as text: UUID, INET4, INET6.
            _ => Decode::Text,
        }
    }

    /// How bounds of an index over the column are written, where it can be cut by them. The server orders a FLOAT, an ENUM or
    /// a SET by something else than what it prints. MariaDB orders a CHAR by the blanks it is filled up with, but compares it
    /// without them where its collation is one without padding: a control character is then on another side of a bound.
    pub fn key_kind(&self) -> Option<KeyKind> {
        if self.nullable {
            return None;
        }
        Some(match self.data_type.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => KeyKind::Integer,
            "decimal" if self.precision <= 38 => KeyKind::Decimal,
            "date" | "datetime" | "timestamp" => KeyKind::Date,
            "binary" | "varbinary" => KeyKind::Bytes,
            "char" if self.collation.contains("_nopad_") => return None,
            "char" | "varchar" => KeyKind::Text { charset: self.charset.clone(), collation: self.collation.clone() },
            _ => return None,
        })
    }
}
