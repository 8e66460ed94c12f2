//! Checks a finished export and writes the documents beside its data: `_SUCCESS` markers and
//! `export_tables_info`. The caller writes `export_info` last, because its status tells readers
//! that everything else is in place.

use std::collections::HashSet;

use bytes::Bytes;
use export_task::limits::TABLES_PER_DOCUMENT;
use export_task::metadata::{self, TableStatus};
use export_task::object_key::{Parts, TaskPath};
use export_task::plan::PlanSummary;
use export_task::tally::Tally;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{Destination, DestinationError};

/// Requests to the destination that run at once.
const CONCURRENT_REQUESTS: usize = 16;

/// An export could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// A result names a part file that is not in the destination.
    #[error("a part file that was written is not in the destination: {0}")]
    MissingPart(String),
    /// The destination failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A document could not be serialised.
    #[error("a metadata document could not be serialised")]
    Document(#[from] serde_json::Error),
}

/// Checks that every part file of `tally` is there, removes the export's own part files that no
/// result names, and writes every closing document but `export_info`.
///
/// # Errors
/// [`CloseError`].
pub async fn close(
    destination: &Destination,
    path: &TaskPath,
    summary: &PlanSummary,
    tally: &Tally<'_>,
) -> Result<(), CloseError> {
    match abort_unfinished(destination, path, summary).await {
        Ok(()) => {}
        // The role may lack the permission to list uploads, as AWS's own export roles do. The
        // bucket's lifecycle rule then removes the uploads.
        Err(error @ (DestinationError::Denied(_) | DestinationError::Rejected(_))) => {
            tracing::warn!(%error, "unfinished part files could not be removed");
        }
        // Some stores with S3's API have no list of uploads.
        Err(error) if error.code() == Some("NotImplemented") => {
            tracing::warn!(%error, "unfinished part files could not be removed");
        }
        Err(error) => return Err(error.into()),
    }
    remove_stale(destination, path, summary, tally).await?;
    let markers = tally.exported.iter().flat_map(|table| {
        let markers = table.batches.iter().map(|batch| path.success(table.table, *batch));
        markers.collect::<Vec<_>>()
    });
    let markers = stream::iter(markers).map(|key| async move { destination.put(&key, Bytes::new()).await });
    markers.buffer_unordered(CONCURRENT_REQUESTS).try_collect::<()>().await?;
    let exported = tally.exported.iter().map(|table| table.status());
    let statuses: Vec<TableStatus<'_>> = exported.chain(tally.skipped.iter().map(TableStatus::Skipped)).collect();
    for (chunk, number) in statuses.chunks(TABLES_PER_DOCUMENT).zip(0..) {
        let from = number * TABLES_PER_DOCUMENT + 1;
        let key = path.export_tables_info(from, from + chunk.len() - 1);
        destination.put(&key, metadata::export_tables_info(path, chunk)?.into()).await?;
    }
    Ok(())
}

/// Removes the unfinished part files of an export, which killed workers leave.
///
/// # Errors
/// [`DestinationError`].
pub async fn abort_unfinished(
    destination: &Destination,
    path: &TaskPath,
    summary: &PlanSummary,
) -> Result<(), DestinationError> {
    let aborted = destination.abort_unfinished(&path.listing_prefix(), &parts(path, summary)).await?;
    if aborted > 0 {
        tracing::info!(aborted, "removed unfinished part files");
    }
    Ok(())
}

/// Removes the part files of attempts whose result does not count, and of tables that are left out.
async fn remove_stale(
    destination: &Destination,
    path: &TaskPath,
    summary: &PlanSummary,
    tally: &Tally<'_>,
) -> Result<(), CloseError> {
    let present = destination.list(&path.listing_prefix()).await?;
    let keys: HashSet<&str> = present.iter().map(String::as_str).collect();
    for unlisted in tally.files.difference(&keys) {
        // A listing may spell a key differently: file systems fold case, and XML has no spelling
        // for some characters.
        if !destination.contains(unlisted).await? {
            return Err(CloseError::MissingPart((*unlisted).to_owned()));
        }
    }
    // Other exports may write below the same prefix, so only keys that this export makes are
    // removed.
    let parts = parts(path, summary);
    let stale = keys.difference(&tally.files).filter(|key| parts.contains(key)).map(|key| (*key).to_owned());
    let stale: Vec<String> = stale.collect();
    let removals = stream::iter(stale).map(|key| async move { destination.remove(&key).await });
    removals.buffer_unordered(CONCURRENT_REQUESTS).try_collect::<()>().await?;
    Ok(())
}

/// Returns the part files that this export can have written.
fn parts(path: &TaskPath, summary: &PlanSummary) -> Parts {
    let batches = summary.tables.iter().flat_map(|planned| {
        let batches = planned.batches.iter().map(|(batch, _)| (&planned.table, *batch));
        batches.collect::<Vec<_>>()
    });
    Parts::new(path, batches)
}
