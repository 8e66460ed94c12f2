//! Counts the rows of a relation with a statement that does not use its partitions.

use std::time::Duration;

use export_task::plan::Relation;
use tokio_postgres::error::SqlState;

use super::connect::Connection;
use super::sql::qualified;
use crate::error::SourceError;

/// Allows up to four more server processes for a large relation, because its count must fit into
/// one invocation. A small relation is counted by one process, so that the readers keep the others.
const PARALLEL: &str = "SET max_parallel_workers_per_gather = 4; SET min_parallel_table_scan_size = '8GB'; \
     SET min_parallel_index_scan_size = '1GB'";
const SERIAL: &str = "SET max_parallel_workers_per_gather = 0";

/// Counts a relation's rows. The server chooses whether it reads the heap or an index. Returns
/// `None` if that takes longer than `within`. If `within` is given, the connection must not be in a
/// transaction.
///
/// # Errors
/// [`SourceError`].
pub async fn count(
    connection: &Connection,
    relation: &Relation,
    within: Option<Duration>,
) -> Result<Option<u64>, SourceError> {
    let client = connection.client();
    let timeout = within.map_or(0, |within| within.as_millis().max(1));
    client.batch_execute(&format!("SET statement_timeout = {timeout}; {PARALLEL}")).await?;
    let reset = format!("SET statement_timeout = 0; {SERIAL}");
    let sql = format!("SELECT pg_catalog.count(*) FROM ONLY {}", qualified(relation));
    let rows: i64 = match client.query_one(&sql, &[]).await {
        Ok(row) => row.try_get(0)?,
        Err(error) if within.is_some() && error.code() == Some(&SqlState::QUERY_CANCELED) => {
            client.batch_execute(&reset).await?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    client.batch_execute(&reset).await?;
    Ok(Some(rows.unsigned_abs()))
}
