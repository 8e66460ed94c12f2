//! The Parquet settings and their reasons. Files have the shape of AWS's files (written by Spark,
//! format version 1), and memory is bounded.

use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;

/// Compressed size in bytes at which a row group ends. The writer holds one row group in memory,
/// and a reader loads a whole row group.
pub const ROW_GROUP_BYTES: usize = 16 << 20;

/// Memory in bytes at which a row group ends: its compressed pages, unfinished pages and
/// dictionaries together. A table of a thousand columns has a thousand unfinished pages.
pub const ROW_GROUP_MEMORY: usize = 48 << 20;

/// Number of rows at which a row group ends, however well the rows compress.
pub const ROW_GROUP_ROWS: usize = 1_000_000;

/// Maximum size of a column's dictionary in bytes. A column whose dictionary grows past it
/// continues without one. A large dictionary makes files larger, because it hides repetitions from
/// the codec, and it costs more time than it saves.
pub const DICTIONARY_BYTES: usize = 128 << 10;

/// A batch of more bytes than this contains a value larger than a whole usual batch. Such a batch
/// becomes a separate row group.
pub const LARGE_BATCH: usize = 32 << 20;

/// Size in bytes above which a column of such a batch gets no dictionary and gets its statistics
/// from `large`. The statistics of the parquet writer would take three more copies of its values.
pub const LARGE_COLUMN: usize = 1 << 20;

/// Number of columns above which a table gets no dictionaries. Each dictionary takes about 0.25 MiB
/// of working memory.
pub const DICTIONARY_COLUMNS: usize = 128;

/// Number of rows at which a page ends; it also ends at 1 MiB. Larger pages take more memory and do
/// not compress better.
pub const PAGE_ROWS: usize = 20_000;

/// The name of the writer in the file's metadata.
pub const CREATED_BY: &str = concat!("aurora-export version ", env!("CARGO_PKG_VERSION"));

/// Returns the properties of a row group in a file of `columns` columns. The columns at `large`
/// hold large values.
pub(crate) fn writer_properties(columns: usize, large: impl IntoIterator<Item = ColumnPath>) -> WriterProperties {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        // The module `pages` compresses.
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(columns <= DICTIONARY_COLUMNS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        // As in AWS's files, column chunks have statistics, pages have none, and there is no page
        // index.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_bloom_filter_enabled(false);
    let without = |properties: WriterPropertiesBuilder, path: ColumnPath| {
        let properties = properties.set_column_dictionary_enabled(path.clone(), false);
        properties.set_column_statistics_enabled(path, EnabledStatistics::None)
    };
    large.into_iter().fold(properties, without).build()
}
