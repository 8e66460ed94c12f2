//! The Parquet settings and their reasons: the shape of AWS's files (Spark's, format version 1), at bounded memory.

use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;

/// A row group ends at this compressed size. It is what the writer holds in memory, and what a reader reads at once.
pub const ROW_GROUP_BYTES: usize = 16 << 20;

/// A row group ends when its compressed pages, and what columns hold of pages not finished and of dictionaries, reach
/// this size: a table of a thousand columns has a thousand unfinished pages.
pub const ROW_GROUP_MEMORY: usize = 48 << 20;

/// A row group ends at this many rows, however well they compress.
pub const ROW_GROUP_ROWS: usize = 1_000_000;

/// A column whose dictionary grows past this size goes on without one: a large one makes files larger, because what the
/// codec would have found is hidden from it, and takes longer than it saves.
pub const DICTIONARY_BYTES: usize = 128 << 10;

/// A batch that takes more than this holds a value that is itself larger than any other batch. It is a row group of its own.
pub const LARGE_BATCH: usize = 32 << 20;

/// A column that takes more than this of such a batch has no dictionary, and its statistics are those of `large`: the
/// writer's own would be three more copies of its values.
pub const LARGE_COLUMN: usize = 1 << 20;

/// Tables with more columns than this get no dictionaries: each costs its column about 0.25 MiB of working memory.
pub const DICTIONARY_COLUMNS: usize = 128;

/// A page ends at this many rows, or at 1 MiB. Larger ones take more memory and compress no better.
pub const PAGE_ROWS: usize = 20_000;

/// What the files say wrote them.
pub const CREATED_BY: &str = concat!("aurora-export version ", env!("CARGO_PKG_VERSION"));

/// Properties of a row group of a file of `columns` columns, of which those at `large` hold large values.
pub(crate) fn writer_properties(columns: usize, large: impl IntoIterator<Item = ColumnPath>) -> WriterProperties {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        // `pages` compresses.
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(columns <= DICTIONARY_COLUMNS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        // Statistics of a column chunk only, and with them no page index, as in AWS's files.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_bloom_filter_enabled(false);
    let without = |properties: WriterPropertiesBuilder, path: ColumnPath| {
        let properties = properties.set_column_dictionary_enabled(path.clone(), false);
        properties.set_column_statistics_enabled(path, EnabledStatistics::None)
    };
    large.into_iter().fold(properties, without).build()
}
