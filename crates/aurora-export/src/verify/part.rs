//! Reads one part file to its last page.

use std::fs::File;

use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeType, TimeUnit, TimestampType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::{Type, TypePtr};

use super::tally::{Comparison, Tally, UnknownType};

/// Maximum number of rows in memory at once.
const BATCH_ROWS: usize = 1024;
/// Approximate maximum number of bytes in memory at once.
const BATCH_BYTES: usize = 64 << 20;

/// A part file is damaged or does not match the metadata.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error("its columns differ from the metadata")]
    Schema,
    #[error("its number of rows differs from its footer")]
    Rows,
    #[error("it is not a complete Parquet file")]
    Parquet(#[from] ParquetError),
    #[error("it can't be read to the end")]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Type(#[from] UnknownType),
}

/// The measures of one file or of several.
pub(super) struct Part {
    pub rows: u64,
    /// One tally for each column that is compared.
    pub columns: Vec<Option<Tally>>,
}

impl Part {
    /// Reads a file. `columns` holds the expected names and types, as in the metadata.
    pub(super) fn read(
        file: &File,
        columns: &[(String, String)],
        comparisons: &[Option<Comparison>],
    ) -> Result<Self, PartError> {
        // The Arrow schema that some writers embed must not change how columns are read.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(file, options)?;
        let fields = metadata.metadata().file_metadata().schema_descr().root_schema().get_fields();
        let found = fields.iter().map(|field| Some((field.name().to_owned(), column(field)?)));
        if !found.eq(columns.iter().map(|column| Some(column.clone()))) {
            return Err(PartError::Schema);
        }
        let mut part =
            Self { rows: 0, columns: comparisons.iter().map(|comparison| comparison.map(Tally::new)).collect() };
        for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
                file.try_clone().map_err(ParquetError::from)?,
                metadata.clone(),
            )
            .with_projection(ProjectionMask::all())
            .with_row_groups(vec![number])
            .with_batch_size(batch_rows(group));
            let before = part.rows;
            for batch in reader.build()? {
                let batch = batch?;
                part.rows += batch.num_rows() as u64;
                for (tally, array) in part.columns.iter_mut().zip(batch.columns()) {
                    if let Some(tally) = tally {
                        tally.add(array)?;
                    }
                }
            }
            if i128::from(part.rows - before) != i128::from(group.num_rows()) {
                return Err(PartError::Rows);
            }
        }
        if i128::from(part.rows) != i128::from(metadata.metadata().file_metadata().num_rows()) {
            return Err(PartError::Rows);
        }
        Ok(part)
    }

    /// Adds the measures of another file of the table.
    pub(super) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        for (tally, other) in self.columns.iter_mut().zip(other.columns) {
            if let (Some(tally), Some(other)) = (tally, other) {
                tally.merge(other);
            }
        }
    }
}

/// Returns the number of rows of a row group to read at once.
fn batch_rows(group: &RowGroupMetaData) -> usize {
    let rows = usize::try_from(group.num_rows()).unwrap_or(1).max(1);
    let bytes = usize::try_from(group.total_byte_size()).unwrap_or(usize::MAX);
    (BATCH_BYTES / (bytes / rows).max(1)).clamp(1, BATCH_ROWS)
}

/// Returns a column's type as the metadata spells it. Returns `None` if the column or the elements
/// of its list can't be NULL, because exports have no such columns.
fn column(field: &TypePtr) -> Option<String> {
    if field.get_basic_info().repetition() != Repetition::OPTIONAL {
        return None;
    }
    if field.is_primitive() {
        return type_name(field);
    }
    let info = field.get_basic_info();
    let is_list = info.logical_type_ref() == Some(&LogicalType::List) || info.converted_type() == ConvertedType::LIST;
    let ([repeated], true) = (field.get_fields(), is_list) else { return None };
    let ([element], Repetition::REPEATED) =
        (repeated.is_group().then(|| repeated.get_fields())?, repeated.get_basic_info().repetition())
    else {
        return None;
    };
    let optional = element.is_primitive() && element.get_basic_info().repetition() == Repetition::OPTIONAL;
    Some(format!("list<{}>", type_name(optional.then_some(element)?)?))
}

fn type_name(field: &Type) -> Option<String> {
    let Type::PrimitiveType { basic_info, physical_type, type_length, scale, precision } = field else { return None };
    let physical = match physical_type {
        Physical::BOOLEAN => "boolean".to_owned(),
        Physical::INT32 => "int32".to_owned(),
        Physical::INT64 => "int64".to_owned(),
        Physical::FLOAT => "float".to_owned(),
        Physical::DOUBLE => "double".to_owned(),
        Physical::BYTE_ARRAY => "binary".to_owned(),
        Physical::FIXED_LEN_BYTE_ARRAY => format!("fixed_len_byte_array({type_length})"),
        Physical::INT96 => return None,
    };
    let annotation = match (basic_info.logical_type_ref(), basic_info.converted_type()) {
        (None, ConvertedType::NONE) => return Some(physical),
        (Some(LogicalType::Uuid), _) => "UUID".to_owned(),
        (Some(LogicalType::Time(TimeType { unit: TimeUnit::MICROS, .. })), _) | (_, ConvertedType::TIME_MICROS) => {
            "TIME_MICRO".to_owned()
        }
        (Some(LogicalType::Timestamp(TimestampType { unit: TimeUnit::MICROS, .. })), _)
        | (_, ConvertedType::TIMESTAMP_MICROS) => "TIMESTAMP_MICRO".to_owned(),
        (_, ConvertedType::DECIMAL) => format!("DECIMAL({precision},{scale})"),
        (_, ConvertedType::NONE) => return None,
        // UTF8, JSON, DATE, INT_8 and similar ones.
        (_, converted) => converted.to_string(),
    };
    Some(format!("{physical} ({annotation})"))
}
