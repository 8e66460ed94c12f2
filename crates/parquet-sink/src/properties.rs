//! The Parquet settings and their reasons: the shape of AWS's files (Spark's, format version 1), at bounded memory.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, GzipLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

/// Gzip level: zlib's own default.
pub const GZIP_LEVEL: u32 = 6;

/// A row group ends at this encoded size. It is what the writer holds in memory, and what a reader reads at once.
pub const ROW_GROUP_BYTES: usize = 32 * 1024 * 1024;

/// A row group ends at this many rows, however well they compress.
pub const ROW_GROUP_ROWS: usize = 1_000_000;

/// A column whose dictionary grows past this size goes on without one.
pub const DICTIONARY_BYTES: usize = 1024 * 1024;

/// Tables with more columns than this get no dictionaries: each costs its column about 0.25 MiB of working memory that
/// the row group's size does not count.
pub const DICTIONARY_COLUMNS: usize = 128;

/// Name of the root group in every file AWS exports.
pub const SCHEMA_ROOT: &str = "spark_schema";

/// Writer options for a file of `columns` columns.
pub fn writer_options(columns: usize) -> Result<ArrowWriterOptions, ParquetError> {
    let properties = WriterProperties::builder()
        .set_created_by(concat!("aurora-export version ", env!("CARGO_PKG_VERSION")).into())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::GZIP(GzipLevel::try_new(GZIP_LEVEL)?))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_dictionary_enabled(columns <= DICTIONARY_COLUMNS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        // Statistics of a column chunk only, and with them no page index, as in AWS's files.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_bloom_filter_enabled(false)
        .build();
    Ok(ArrowWriterOptions::new()
        .with_properties(properties)
        .with_schema_root(SCHEMA_ROOT.into())
        .with_skip_arrow_metadata(true))
}

/// The schema with every column OPTIONAL: Spark writes them so, whatever the database declares.
pub fn optional(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    Arc::new(Schema::new(fields.map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}
