//! Builds record batches from binary rows. Does no input or output.

use arrow_array::RecordBatch;
use export_task::table::Table;

use super::query::ColumnDefinition;
use super::types::ColumnBuilder;
use crate::batch::{BatchBuilder, BatchOptions};
use crate::error::SourceError;

/// Builds record batches from the rows of the binary protocol. Does no input or output.
pub struct Batcher {
    gathering: BatchBuilder,
    columns: Vec<ColumnBuilder>,
}

impl Batcher {
    /// Creates a batcher for rows of a table's columns.
    ///
    /// # Errors
    /// [`SourceError::Plan`] if another version of this program made the plan.
    pub fn new(table: &Table, options: BatchOptions) -> Result<Self, SourceError> {
        let gathering = BatchBuilder::new(table, options);
        let columns = table.columns.iter().map(|column| ColumnBuilder::new(column, gathering.max_value_bytes()));
        Ok(Self { columns: columns.collect::<Result<_, _>>()?, gathering })
    }

    /// Checks that columns with these definitions can be read as planned.
    pub(super) fn check(&self, definitions: &[ColumnDefinition]) -> Result<(), SourceError> {
        if definitions.len() != self.columns.len() {
            return Err(SourceError::Protocol("unexpected number of columns in result"));
        }
        match self.columns.iter().zip(definitions).find(|(column, definition)| !column.decode().reads(**definition)) {
            None => Ok(()),
            Some((column, _)) => {
                let (name, decode) = (column.name(), column.decode().name());
                Err(SourceError::Changed { source: format!("column {name} is no longer sent as {decode}").into() })
            }
        }
    }

    /// Adds a row, which is the payload of a packet. Returns whether the batch is full.
    ///
    /// # Errors
    /// [`SourceError`] if the row is malformed or too large.
    #[inline]
    pub fn append(&mut self, payload: &[u8]) -> Result<bool, SourceError> {
        self.gathering.check_row(payload.len())?;
        // The bitmap has two unused bits, then one for each column.
        let bitmap_bytes = (self.columns.len() + 2).div_ceil(8);
        let Some((nulls, mut row)) = payload.get(1..).and_then(|rest| rest.split_at_checked(bitmap_bytes)) else {
            return Err(SourceError::Protocol("truncated row"));
        };
        let mut bytes = 0;
        for (bit, column) in (2..).zip(&mut self.columns) {
            let null = nulls[bit / 8] >> (bit % 8) & 1 == 1;
            bytes += if null { column.append_null() } else { column.append(&mut row)? };
        }
        if !row.is_empty() {
            return Err(SourceError::Protocol("unexpected bytes at the end of a row"));
        }
        Ok(self.gathering.add(bytes))
    }

    /// Returns the rows added since the last call, or `None` if there are none.
    ///
    /// # Errors
    /// [`SourceError::InvalidText`] if a text is not valid UTF-8.
    pub fn take(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        self.gathering.take(&mut self.columns, ColumnBuilder::finish)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Decimal128Type, Int32Type};
    use export_task::table::{Column, ParquetType};
    use proptest::prelude::*;

    use super::*;

    const DECIMAL: ParquetType = ParquetType::Decimal { precision: 38, scale: 3 };
    /// Each decoder with each type it can produce.
    const ALL: &[(&str, ParquetType)] = &[
        ("tinyint", ParquetType::Int32),
        ("tinyint unsigned", ParquetType::Int16),
        ("smallint", ParquetType::Int32),
        ("smallint unsigned", ParquetType::Int32),
        ("int", ParquetType::Int32),
        ("int unsigned", ParquetType::Int64),
        ("bigint", ParquetType::Int64),
        ("bigint unsigned", ParquetType::Decimal { precision: 20, scale: 0 }),
        ("float", ParquetType::Double),
        ("double", ParquetType::Double),
        ("decimal", ParquetType::Decimal { precision: 9, scale: 9 }),
        ("decimal", ParquetType::Decimal { precision: 18, scale: 0 }),
        ("decimal", DECIMAL),
        ("long decimal", ParquetType::String),
        ("year", ParquetType::Int32),
        ("date", ParquetType::String),
        ("time", ParquetType::String),
        ("datetime", ParquetType::TimestampMicros),
        ("text", ParquetType::String),
        ("bytes", ParquetType::Binary),
        ("tinyint", ParquetType::Int8),
        ("tinyint unsigned", ParquetType::UInt8),
        ("smallint", ParquetType::Int16),
        ("smallint unsigned", ParquetType::UInt16),
        ("int unsigned", ParquetType::UInt32),
        ("bigint unsigned", ParquetType::UInt64),
        ("float", ParquetType::Float),
        ("date", ParquetType::Date),
        ("datetime", ParquetType::LocalTimestampMicros),
        ("text", ParquetType::Json),
        ("text", ParquetType::Uuid),
    ];

    fn batcher(columns: &[(&str, ParquetType)]) -> Result<Batcher, SourceError> {
        let column = |(decode, parquet): &(&str, ParquetType)| Column {
            name: format!("c_{decode}"),
            original_type: String::new(),
            char_max_length: 0,
            num_precision: 0,
            datetime_precision: 6,
            decode: (*decode).to_owned(),
            parquet: *parquet,
            list: false,
        };
        let table = Table {
            id: 0,
            database: "d".to_owned(),
            schema: "d".to_owned(),
            name: "t".to_owned(),
            directory_suffix: None,
            columns: columns.iter().map(column).collect(),
        };
        Batcher::new(&table, BatchOptions::default())
    }

    #[test]
    fn a_row_is_read_to_its_end() {
        let columns = [("int", ParquetType::Int32), ("text", ParquetType::String), ("decimal", DECIMAL)];
        let row = b"\0\x08\x07\0\0\0\x06-1.250";
        let mut batcher = batcher(&columns).unwrap();
        batcher.append(row).unwrap();
        for end in 0..row.len() {
            assert!(batcher.append(&row[..end]).is_err(), "{end}");
        }
        assert!(batcher.append(&[row, &b"x"[..]].concat()).is_err());
        let mut batcher = self::batcher(&columns).unwrap();
        batcher.append(row).unwrap();
        let batch = batcher.take().unwrap().unwrap();
        assert_eq!(batch.column(0).as_primitive::<Int32Type>().value(0), 7);
        assert_eq!(batch.column(1).null_count(), 1);
        assert_eq!(batch.column(2).as_primitive::<Decimal128Type>().value(0), -1250);
        assert!(batcher.take().unwrap().is_none());
    }

    #[test]
    fn text_must_be_valid_utf_8() {
        let mut batcher = batcher(&[("text", ParquetType::String)]).unwrap();
        batcher.append(b"\0\0\x02\xff\xfe").unwrap();
        assert!(matches!(batcher.take(), Err(SourceError::InvalidText { .. })));
    }

    #[test]
    fn a_plan_of_another_version_is_refused() {
        for column in [("int4", ParquetType::Int32), ("int", ParquetType::Int64), ("decimal", ParquetType::Int64)] {
            assert!(matches!(batcher(&[column]), Err(SourceError::Plan(_))));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_rows_never_panic(rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5)) {
            let mut batcher = batcher(ALL).unwrap();
            for row in rows {
                let _ = batcher.append(&row);
            }
        }

        #[test]
        fn arbitrary_values_never_panic(
            column in prop::sample::select(ALL),
            values in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    ("[-0-9.]{0,45}").prop_map(|text| [&[text.len() as u8], text.as_bytes()].concat()),
                    prop::collection::vec(prop_oneof![Just(0_u8), Just(0xFF), Just(4), Just(12), any::<u8>()], 1..13),
                ],
                1..8,
            ),
        ) {
            let mut batcher = batcher(&[column]).unwrap();
            let read = values.iter().all(|value| batcher.append(&[&[0, 0], &value[..]].concat()).is_ok());
            if read {
                let _ = batcher.take();
            }
        }
    }
}
