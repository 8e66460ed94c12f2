//! How files are written and checked: what a request may say about it. The defaults are what AWS's exporter does.

use serde::{Deserialize, Serialize};

/// The `Options` of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Options {
    /// Which Parquet types columns become.
    pub types: Types,
    /// How pages are compressed.
    pub compression: Compression,
    /// Size at which a file ends and the next begins; absent for [`TARGET_FILE_MB`].
    #[serde(rename = "TargetFileSizeMB", skip_serializing_if = "Option::is_none")]
    pub target_file_size_mb: Option<u32>,
    /// How the export is checked against the database.
    pub verify: Verify,
}

/// Size of files in MiB unless the request says otherwise.
pub const TARGET_FILE_MB: u32 = 1024;

/// The largest size of files a request may ask for.
pub const MOST_FILE_MB: u32 = 100 * 1024;

impl Options {
    /// Size at which a file ends.
    pub fn target_file_bytes(&self) -> u64 {
        u64::from(self.target_file_size_mb.unwrap_or(TARGET_FILE_MB)) << 20
    }
}

/// Which Parquet types the database's types become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Types {
    /// AWS's: numbers and booleans as such, all else as text.
    #[default]
    Aurora,
    /// Parquet's own dates, times, decimals, UUIDs, JSON and lists, wherever every value of the database's type fits.
    Native,
}

/// How an export is checked against the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// The server counts the rows of each relation that is read in parts.
    #[default]
    Count,
    /// Not at all.
    None,
}

/// How pages are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Read by everything; what AWS writes.
    #[default]
    Gzip,
    /// Smaller files for about the same time.
    Zstd,
    /// Larger files for less time.
    Snappy,
}

impl Compression {
    /// What stands before `.parquet` in a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }
}
