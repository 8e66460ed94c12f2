//! Checks and closes a complete export.

use export_aws::work_bucket::WorkBucket;
use export_aws::{ErrorKind, StepError};
use export_destination::Destination;
use export_destination::closing::{self, CloseError};
use export_task::tally::tally;
use export_task::task::TaskRef;
use export_task::warning::Warnings;

/// The figures of a closed export.
#[derive(Debug)]
pub struct Closed {
    /// Bytes read from the database.
    pub source_bytes: u64,
    /// What the export does not hold.
    pub warnings: Warnings,
}

/// Checks the results against the plan, removes the export's own files that no result names, and
/// writes every closing document but `export_info`.
///
/// # Errors
/// `PlanIncomplete`, `DestinationDenied`, `DestinationThrottled`, `ServiceUnavailable`.
pub async fn close(work: &WorkBucket, destination: &Destination, task: &TaskRef) -> Result<Closed, StepError> {
    let summary = work.summary().await?;
    let results = work.results().await?;
    let tally = tally(&summary, &results).map_err(|reason| StepError::new(ErrorKind::PlanIncomplete, reason))?;
    let path = task.path();
    closing::close(destination, &path, &summary, &tally).await.map_err(|error| match error {
        CloseError::MissingPart(_) => StepError::new(ErrorKind::PlanIncomplete, error.to_string()),
        CloseError::Destination(error) => error.into(),
        CloseError::Document(error) => error.into(),
    })?;
    Ok(Closed {
        source_bytes: tally.source_bytes,
        warnings: Warnings::new(&tally.skipped, &summary.unreadable_databases, &tally.uncounted),
    })
}
