//! How many rows a relation has, by a statement that knows nothing of its partitions.

use std::time::Duration;

use export_task::plan::Relation;
use tokio_postgres::error::SqlState;

use super::connect::Connection;
use super::sql::qualified;
use crate::error::SourceError;

/// The server may use this many processes more for a large relation, which it then counts several times as quickly.
const PARALLEL: u32 = 4;

/// Counts a relation's rows: by its blocks or by an index, as the server thinks best. `None` when that takes longer than
/// `within`; then the connection must not be in a transaction.
///
/// # Errors
/// [`SourceError`].
pub async fn count(
    connection: &Connection,
    relation: &Relation,
    within: Option<Duration>,
) -> Result<Option<u64>, SourceError> {
    let session = |timeout: u128, parallel: u32| {
        format!("SET statement_timeout = {timeout}; SET max_parallel_workers_per_gather = {parallel}")
    };
    let client = connection.client();
    client.batch_execute(&session(within.map_or(0, |within| within.as_millis().max(1)), PARALLEL)).await?;
    let sql = format!("SELECT pg_catalog.count(*) FROM ONLY {}", qualified(relation));
    let rows: i64 = match client.query_one(&sql, &[]).await {
        Ok(row) => row.try_get(0)?,
        Err(error) if within.is_some() && error.code() == Some(&SqlState::QUERY_CANCELED) => {
            client.batch_execute(&session(0, 0)).await?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    client.batch_execute(&session(0, 0)).await?;
    Ok(Some(rows.unsigned_abs()))
}
