//! What can fail while part files are written.

use export_destination::DestinationError;
use parquet::errors::ParquetError;

/// A part file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The destination failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The batches do not fit the schema, or the encoder failed.
    #[error("cannot encode Parquet: {source}")]
    Parquet {
        /// The cause.
        #[from]
        source: ParquetError,
    },
    /// The part was used again after a failed or interrupted write. Rows would be missing from it.
    #[error("the part is incomplete because an earlier write did not finish")]
    Incomplete,
}
