//! Checks and closing documents of a complete export.

use std::collections::HashSet;

use export_aws::export_role::ExportBucket;
use export_aws::work_bucket::WorkBucket;
use export_aws::{ErrorKind, StepError};
use export_task::limits;
use export_task::metadata::{self, TableStatus};
use export_task::object_key::{Parts, TaskPath};
use export_task::plan::{PlanSummary, PlannedTable};
use export_task::tally::tally;
use export_task::task::TaskRef;
use export_task::warning::Warnings;
use futures_util::{StreamExt, TryStreamExt, stream};

/// Requests to the user's bucket at once.
const REQUESTS_AT_ONCE: usize = 16;

/// What a closed export came to.
#[derive(Debug)]
pub struct Closed {
    /// Bytes read from the database.
    pub source_bytes: u64,
    /// What the export does not hold.
    pub warnings: Warnings,
}

/// Checks the results, removes the export's own files that no result names, and writes every closing document but `export_info`.
///
/// # Errors
/// `PlanIncomplete`, `DestinationDenied`, `ServiceUnavailable`.
pub async fn close(work: &WorkBucket, bucket: &ExportBucket, task: &TaskRef) -> Result<Closed, StepError> {
    let summary = work.summary().await?;
    let results = work.results().await?;
    let tally = tally(&summary, &results).map_err(|what| StepError::new(ErrorKind::PlanIncomplete, what))?;
    let path = TaskPath::new(&task.s3_prefix, &task.export_task_identifier);
    let parts = parts(&path, &summary);
    // The role may lack the permission to list uploads, which AWS's own export roles do: the bucket's lifecycle rule is
    // then what removes them.
    if let Err(error) = bucket.abort_uploads(&path.listing_prefix(), &parts).await {
        if error.kind != ErrorKind::DestinationDenied {
            return Err(error);
        }
        tracing::warn!(error = error.chain(), "unfinished uploads could not be removed");
    }
    let present = bucket.list(&path.listing_prefix()).await?;
    let keys: HashSet<&str> = present.iter().map(String::as_str).collect();
    if !tally.files.is_subset(&keys) {
        return Err(StepError::new(ErrorKind::PlanIncomplete, "a part file that was written is not in the bucket"));
    }
    let own = present.iter().filter(|key| parts.contains(key));
    let stale: Vec<&String> = own.filter(|key| !tally.files.contains(key.as_str())).collect();
    stream::iter(stale).map(|key| bucket.delete(key)).buffer_unordered(REQUESTS_AT_ONCE).try_collect::<()>().await?;
    let batches = tally.exported.iter().flat_map(|e| e.batches.iter().map(|batch| path.success(e.table, *batch)));
    stream::iter(batches)
        .map(|key| async move { bucket.put(&key, Vec::new()).await })
        .buffer_unordered(REQUESTS_AT_ONCE)
        .try_collect::<()>()
        .await?;
    let exported = tally.exported.iter().map(|e| e.status());
    let statuses: Vec<TableStatus<'_>> = exported.chain(tally.skipped.iter().map(TableStatus::Skipped)).collect();
    for (chunk, number) in statuses.chunks(limits::TABLES_PER_DOCUMENT).zip(0..) {
        let from = number * limits::TABLES_PER_DOCUMENT + 1;
        let key = path.export_tables_info(from, from + chunk.len() - 1);
        bucket.put(&key, metadata::export_tables_info(&path, chunk)?).await?;
    }
    Ok(Closed {
        source_bytes: tally.source_bytes,
        warnings: Warnings::new(&tally.skipped, &summary.unreadable_databases, &tally.uncounted),
    })
}

/// The part files that this export can have written.
pub(crate) fn parts(path: &TaskPath, summary: &PlanSummary) -> Parts {
    let batches = |planned: &PlannedTable| planned.batches.clone().into_iter().map(|(batch, _)| batch);
    Parts::new(path, summary.tables.iter().flat_map(|planned| batches(planned).map(|batch| (&planned.table, batch))))
}
