//! One part file, read to its last page.

use std::fs::File;

use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeType, TimeUnit, TimestampType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::{Type, TypePtr};

use super::tally::{Look, Tally, UnknownType};

/// The most rows, and about the most bytes, that are in memory at once.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 64 << 20;

/// Why a file is not right.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartError {
    #[error("its columns are not those that are described")]
    Schema,
    #[error("it holds other than the number of rows it says")]
    Rows,
    #[error("it is no whole Parquet file")]
    Parquet(#[from] ParquetError),
    #[error("it can't be read to its end")]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Type(#[from] UnknownType),
}

/// What a file holds.
pub(super) struct Part {
    pub rows: u64,
    /// Of each column that is looked at.
    pub columns: Vec<Option<Tally>>,
}

impl Part {
    /// Reads a file whose columns have these names and types, which are spelled as in the metadata.
    pub fn read(file: &File, columns: &[(String, String)], looks: &[Option<Look>]) -> Result<Self, PartError> {
        // What else a writer says of types must not change how they are read.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(file, options)?;
        let fields = metadata.metadata().file_metadata().schema_descr().root_schema().get_fields();
        let found = fields.iter().map(|field| Some((field.name().to_owned(), column(field)?)));
        if !found.eq(columns.iter().map(|column| Some(column.clone()))) {
            return Err(PartError::Schema);
        }
        let mut part = Self { rows: 0, columns: looks.iter().map(|look| look.map(Tally::new)).collect() };
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

    /// Adds what another file of the table holds.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        for (tally, other) in self.columns.iter_mut().zip(other.columns) {
            if let (Some(tally), Some(other)) = (tally, other) {
                tally.merge(other);
            }
        }
    }
}

/// How many rows of a group to read at once.
fn batch_rows(group: &RowGroupMetaData) -> usize {
    let rows = usize::try_from(group.num_rows()).unwrap_or(1).max(1);
    let bytes = usize::try_from(group.total_byte_size()).unwrap_or(usize::MAX);
    (BATCH_BYTES / (bytes / rows).max(1)).clamp(1, BATCH_ROWS)
}

/// A column's type as the metadata spells it. Every column, and every element, may be NULL.
fn column(field: &TypePtr) -> Option<String> {
    if field.get_basic_info().repetition() != Repetition::OPTIONAL {
        return None;
    }
    if field.is_primitive() {
        return spelled(field);
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
    Some(format!("list<{}>", spelled(optional.then_some(element)?)?))
}

fn spelled(field: &Type) -> Option<String> {
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
        // UTF8, JSON, DATE, INT_8 and the like.
        (_, ConvertedType::NONE) => return None,
        (_, converted) => converted.to_string(),
    };
    Some(format!("{physical} ({annotation})"))
}
