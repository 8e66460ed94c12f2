//! Every limit of the contract with callers and with AWS, each with its unit and its source. "Ours"
//! marks a limit that this service chose. The limit of a request's body belongs to the protocol and
//! is in the crate `rds-query`.

use std::ops::RangeInclusive;

// Requests.

/// Tasks that may run at once in an account, unless the stack is deployed with another number
/// (guide, Exporting DB cluster data: "up to five concurrent DB cluster export tasks").
pub const CONCURRENT_TASKS: u32 = 5;

/// Characters of a task identifier (the service's own check).
pub const IDENTIFIER_CHARS: usize = 60;

/// Characters of a DB cluster identifier (RDS).
pub const CLUSTER_IDENTIFIER_CHARS: usize = 63;

/// Characters of a bucket name. New buckets have at most 63; older ones may have up to 255 (S3).
pub const BUCKET_NAME_CHARS: RangeInclusive<usize> = 3..=255;

/// Characters of a role's path and name (IAM: an ARN has at most 2048).
pub const ROLE_CHARS: usize = 2048;

/// Characters of a key's ID, ARN or alias (KMS).
pub const KEY_ID_CHARS: usize = 2048;

/// Bytes of `S3Prefix` (ours): half of an object key, so that names of databases and tables find
/// room in the other half.
pub const PREFIX_BYTES: usize = 512;

/// Bytes of the `ExportOnly` list (newer edition of the guide).
pub const EXPORT_ONLY_BYTES: usize = 200 * 1024;

/// MiB of `TargetFileSizeMB` (ours).
pub const FILE_MB: RangeInclusive<u32> = 1..=100 * 1024;

/// Records that one call of `DescribeExportTasks` returns (API reference).
pub const DESCRIBE_RECORDS: RangeInclusive<i64> = 20..=100;

/// Characters of a caller's value that a message quotes (ours).
pub const QUOTED_CHARS: usize = 100;

/// Bytes of text in a page of tasks, unless one task alone has more (ours). A function may return 6
/// MB (Lambda), and each quote in the text is escaped.
pub const PAGE_BYTES: usize = 2_500_000;

/// Bytes of the input that an execution is started with (ours). Step Functions accepts 256 KB.
pub const EXECUTION_INPUT_BYTES: usize = 250_000;

// Data.

/// A value of this many bytes or more fails the export (guide, Limitations: "close to or greater
/// than 500 MB").
pub const VALUE_BYTES: usize = 500_000_000;

/// A table with a row of this many bytes or more is skipped (guide, Limitations: "close to or
/// greater than 2 GB").
pub const ROW_BYTES: usize = 2_000_000_000;

/// A table with one of these characters in a column name is skipped, because readers based on Spark
/// can't read it (guide, Limitations).
pub const COLUMN_NAME_FORBIDDEN: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

// Keys and documents in the user's bucket.

/// Characters of a path that become underscores (guide, Limitations). Control characters do too,
/// see `object_key`.
pub const PATH_REPLACED: &[char] = &['\\', '`', '"', ' '];

/// Bytes of an object's key (Amazon S3 User Guide, Naming Amazon S3 objects).
pub const KEY_BYTES: usize = 1024;

/// Bytes of a file's or a directory's name, on most systems that exports are copied to.
pub const FILE_NAME_BYTES: usize = 255;

/// Tables described in one `export_tables_info` document. The document's key names their range.
pub const TABLES_PER_DOCUMENT: usize = 1000;

// The task record.

/// Bytes of names and messages in the warnings of a task record (ours). A DynamoDB item holds 400
/// KB, and the request's `ExportOnly` list takes up to 200 KB of them.
pub const WARNINGS_BYTES: usize = 64 * 1024;

/// Bytes of the message about a skipped table (ours). A server's message may be longer; the record
/// must have room for several tables.
pub const SKIP_MESSAGE_BYTES: usize = 4096;

// Events.

/// Bytes of an event's detail (ours). An event bus accepts 256 KB with everything around the detail
/// (Amazon EventBridge).
pub const EVENT_DETAIL_BYTES: usize = 240 * 1024;

/// An event names a table of this many bytes or more that only one worker can read (ours).
pub const SINGLE_THREADED_BYTES: u64 = 1 << 30;

/// An event names a table that has been in progress for longer than this (event RDS-EVENT-0492: "in
/// progress for more than an hour").
pub const LONG_TABLE_MILLIS: i64 = 3_600_000;

/// Events about progress begin when extraction has taken this long (ours). The end of a shorter
/// extraction is event enough.
pub const QUIET_MILLIS: i64 = 900_000;

/// Events about single tables that a task publishes of each kind in one round (ours). Documents in
/// the bucket name every table.
pub const TABLE_EVENTS_PER_KIND: usize = 20;
