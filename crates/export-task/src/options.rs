//! The options of a request: how files are written and how they are checked. The defaults are what
//! AWS's exporter does.

use serde::{Deserialize, Serialize};

/// The `Options` of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Options {
    /// The Parquet types of columns.
    pub types: Types,
    /// The compression of pages.
    pub compression: Compression,
    /// Size in MiB at which a file ends and the next one begins. Absent for [`TARGET_FILE_MB`].
    #[serde(rename = "TargetFileSizeMB", skip_serializing_if = "Option::is_none")]
    pub target_file_size_mb: Option<u32>,
    /// How the export is compared with the database.
    pub verify: Verify,
}

/// Size of files in MiB if the request has no `TargetFileSizeMB`.
pub const TARGET_FILE_MB: u32 = 1024;

impl Options {
    /// Returns the size in bytes at which a file ends.
    pub fn target_file_bytes(&self) -> u64 {
        u64::from(self.target_file_size_mb.unwrap_or(TARGET_FILE_MB)) << 20
    }
}

/// The Parquet types that the database's types become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Types {
    /// The types that AWS uses: numbers and booleans keep their kind, everything else is text.
    #[default]
    Aurora,
    /// Parquet's own dates, times, decimals, UUIDs, JSON and lists, wherever every value of the
    /// database's type fits.
    Native,
}

/// How an export is compared with the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// The server counts the rows of each relation that is read in parts.
    #[default]
    Count,
    /// Nothing is compared.
    None,
}

/// The compression of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Every reader supports it. AWS writes it.
    #[default]
    Gzip,
    /// Smaller files for about the same time.
    Zstd,
    /// Larger files for less time.
    Snappy,
}

impl Compression {
    /// Returns the part of a file's name before `.parquet`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
        }
    }
}
