//! Every limit of an export task, each with where it comes from.

/// Tasks that may run at once in an account, unless the stack is deployed with another number (guide, Exporting DB cluster
/// data: "up to five concurrent DB cluster export tasks").
pub const CONCURRENT_TASKS: u32 = 5;

/// Characters of a task identifier (the service's own check).
pub const IDENTIFIER_CHARS: usize = 60;

/// Bytes of the `ExportOnly` list (newer edition of the guide).
pub const EXPORT_ONLY_BYTES: usize = 200 * 1024;

/// A value of this many bytes or more fails the export (guide, Limitations: "close to or greater than 500 MB").
pub const VALUE_BYTES: usize = 500_000_000;

/// A row of this many bytes or more makes its table a skipped one (guide, Limitations: "close to or greater than 2 GB").
pub const ROW_BYTES: usize = 2_000_000_000;

/// Characters that make a table with such a column name unreadable for Spark-based readers, so it is skipped (guide,
/// Limitations).
pub const COLUMN_NAME_FORBIDDEN: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// Characters of a path that become underscores (guide, Limitations). Control characters do too, see `object_key`.
pub const PATH_REPLACED: &[char] = &['\\', '`', '"', ' '];

/// Bytes of an object's key (Amazon S3 User Guide, Naming Amazon S3 objects).
pub const KEY_BYTES: usize = 1024;

/// Bytes of a file's or a directory's name, on most systems that exports are copied to.
pub const FILE_NAME_BYTES: usize = 255;

/// A table of this many bytes that only one worker can read is told of when extraction begins.
pub const SINGLE_THREADED_BYTES: u64 = 1 << 30;

/// A table that is under way for longer than this is told of (event RDS-EVENT-0492: "in progress for more than an hour").
pub const LONG_TABLE_MILLIS: i64 = 3_600_000;

/// Events about single tables that one task publishes of each kind at a time; documents in the bucket name every table.
pub const TABLE_EVENTS_PER_KIND: usize = 20;

/// Bytes of an event's detail (ours). An event bus accepts 256 KB with everything around the detail (Amazon EventBridge).
pub const EVENT_DETAIL_BYTES: usize = 240 * 1024;

/// Bytes of the message about a skipped table (ours): whatever a server answers, the record has room for several tables.
pub const SKIP_MESSAGE_BYTES: usize = 4096;

/// Bytes of names and messages in the warnings of a task record (ours). A DynamoDB item holds 400 KB, and the request's
/// `ExportOnly` list takes up to 200 KB of them.
pub const WARNINGS_BYTES: usize = 64 * 1024;

/// Records `DescribeExportTasks` returns at least and at most (API reference).
pub const DESCRIBE_RECORDS: std::ops::RangeInclusive<i64> = 20..=100;
