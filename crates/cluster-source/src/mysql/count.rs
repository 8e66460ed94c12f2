//! How many rows a table has, by a statement that knows nothing of its partitions.

use std::time::{Duration, Instant};

use export_task::plan::Relation;

use super::connect::Connection;
use super::failure;
use super::sql::qualified;
use crate::error::SourceError;

/// Counts a table's rows: by whichever index the server thinks best. `None` when that takes longer than `within`.
///
/// # Errors
/// [`SourceError`].
pub async fn count(
    connection: &mut Connection,
    relation: &Relation,
    within: Option<Duration>,
) -> Result<Option<u64>, SourceError> {
    let mut rows = None;
    let began = Instant::now();
    connection.limit_execution(within).await?;
    let counted = connection
        .query(&format!("SELECT COUNT(*) FROM {}", qualified(relation)), |row| {
            rows = row.number(0)?;
            Ok(())
        })
        .await;
    match counted {
        Err(error) if failure::is_interruption(&error) && within.is_some_and(|within| began.elapsed() >= within) => {
            rows = None;
        }
        Err(error) => return Err(error),
        Ok(()) if rows.is_none() => return Err(SourceError::Protocol("a count without a number")),
        Ok(()) => {}
    }
    connection.limit_execution(None).await?;
    Ok(rows)
}
