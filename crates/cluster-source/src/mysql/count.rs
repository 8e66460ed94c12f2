//! How many rows a table has, counted by a statement that is independent of its partitions.

use std::time::{Duration, Instant};

use export_task::plan::Relation;

use super::connect::Connection;
use super::failure;
use super::sql::qualified;
use crate::error::SourceError;

/// Counts a table's rows. The server chooses the index. Returns `None` if that takes longer than
/// `limit`.
///
/// # Errors
/// [`SourceError`].
pub async fn count(
    connection: &mut Connection,
    relation: &Relation,
    limit: Option<Duration>,
) -> Result<Option<u64>, SourceError> {
    let mut rows = None;
    let began = Instant::now();
    connection.limit_execution(limit).await?;
    let counted = connection
        .query(&format!("SELECT COUNT(*) FROM {}", qualified(relation)), |row| {
            rows = row.number(0)?;
            Ok(())
        })
        .await;
    match counted {
        Err(error) if failure::is_interruption(&error) && limit.is_some_and(|limit| began.elapsed() >= limit) => {
            rows = None;
        }
        Err(error) => return Err(error),
        Ok(()) if rows.is_none() => return Err(SourceError::Protocol("no number in the result of a count")),
        Ok(()) => {}
    }
    connection.limit_execution(None).await?;
    Ok(rows)
}
