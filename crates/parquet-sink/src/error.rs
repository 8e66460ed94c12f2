//! The errors of writing part files.

use export_destination::DestinationError;
use parquet::errors::ParquetError;

/// A part file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The destination failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A batch does not have the schema of the files, or the encoder failed.
    #[error("cannot encode Parquet: {source}")]
    Parquet {
        /// The cause.
        #[from]
        source: ParquetError,
    },
    /// The writer was used again after a failed or interrupted write. Rows would be missing from
    /// the files.
    #[error("the part is incomplete because an earlier write did not finish")]
    Incomplete,
}
