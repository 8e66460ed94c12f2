//! Divides a relation into ranges of about equal size. Together they cover every row exactly once.

use export_task::plan::Partition;
use export_task::range::Range;
use tokio_postgres::error::SqlState;

use super::catalog::{FoundRelation, FoundTable, Key};
use super::connect::Connection;
use super::sql::{qualified, quote};
use crate::error::SourceError;

/// Number of heap blocks to sample per partition, if a sampled key divides the relation.
const SAMPLED_BLOCKS: f64 = 16.0;

/// What divides a relation where there is a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slicing {
    /// Heap blocks, or a key if the table is not a heap. The server must support TID range scans
    /// (version 14). Otherwise every range would read the whole table.
    Blocks,
    /// The values of a key.
    Keys,
}

impl Slicing {
    /// Returns the best choice for a server, by `server_version_num`.
    pub fn from_server_version(version: i32) -> Self {
        if version >= 140_000 { Self::Blocks } else { Self::Keys }
    }
}

/// Divides a table into partitions of about `target_bytes`, ordered by batch_index and
/// partition_index.
///
/// A relation that can't be divided is one partition. So is a relation that may not be planned, see
/// [`FoundRelation::trusted`]. Only keys need queries: one for the bounds and the histogram of a
/// unique integer key, or one for a sample of another key.
///
/// # Errors
/// [`SourceError`].
pub async fn partitions(
    connection: &Connection,
    found: &FoundTable,
    slicing: Slicing,
    target_bytes: u64,
) -> Result<Vec<Partition>, SourceError> {
    let mut partitions = Vec::new();
    for relation in &found.relations {
        let parts = relation.bytes.div_ceil(target_bytes.max(1));
        // A range of less than a block would have no rows.
        let parts = u32::try_from(parts).unwrap_or(u32::MAX).min(relation.blocks);
        let whole = vec![if relation.plain { Range::Unplanned } else { Range::All }];
        let ranges = match (slicing, relation.ctid, &relation.key) {
            _ if parts < 2 || !relation.trusted => whole,
            (Slicing::Blocks, true, _) => block_ranges(relation.blocks, parts),
            (_, _, Some(key)) => match connection.attempt(key_cuts(connection, relation, key, parts)).await {
                Ok(cuts) => key_ranges(key, cuts),
                Err(error) if is_query_unsupported(&error) => whole,
                Err(error) => return Err(error.into()),
            },
            _ => whole,
        };
        let bytes = relation.bytes / (ranges.len().max(1) as u64);
        partitions.extend(ranges.into_iter().zip(0..).map(|(range, index)| Partition {
            table: found.table.id,
            relation: relation.relation.clone(),
            batch_index: relation.batch_index,
            partition_index: index,
            range,
            bytes,
        }));
    }
    Ok(partitions)
}

/// Returns whether only the query for cuts is impossible, so that the relation can still be read as
/// a whole: a function of the query does not exist, or not for such values, or the sort needs more
/// temporary space than the server allows.
fn is_query_unsupported(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| {
        // Unsupported feature, data exception, syntax error.
        *state == SqlState::CONFIGURATION_LIMIT_EXCEEDED || matches!(state.code().get(..2), Some("0A" | "22" | "42"))
    })
}

/// Returns `parts` ranges of blocks. `parts` is at most `blocks`. The last range has no upper
/// bound.
fn block_ranges(blocks: u32, parts: u32) -> Vec<Range> {
    // At most `blocks`, because part <= parts.
    let start = |part: u32| (u64::from(blocks) * u64::from(part) / u64::from(parts)) as u32;
    (0..parts)
        .map(|part| Range::Blocks { from: start(part), to: (part + 1 < parts).then(|| start(part + 1)) })
        .collect()
}

/// Returns the ranges between ascending keys.
fn key_ranges(key: &Key, cuts: Vec<String>) -> Vec<Range> {
    let mut bounds = vec![None];
    bounds.extend(cuts.into_iter().map(Some));
    bounds.push(None);
    let range = |pair: &[Option<String>]| Range::Key {
        column: key.column.clone(),
        type_name: key.type_name.clone(),
        from: pair[0].clone(),
        to: pair[1].clone(),
    };
    bounds.windows(2).map(range).collect()
}

/// Returns fewer than `parts` ascending keys. About the same number of rows is between each two of
/// them.
async fn key_cuts(
    connection: &Connection,
    relation: &FoundRelation,
    key: &Key,
    parts: u32,
) -> Result<Vec<String>, tokio_postgres::Error> {
    if key.unique_integer {
        let keys = integer_cuts(connection, relation, &key.column, parts).await?;
        return Ok(keys.iter().map(i64::to_string).collect());
    }
    sampled_cuts(connection, relation, &key.column, parts).await
}

async fn integer_cuts(
    connection: &Connection,
    relation: &FoundRelation,
    key: &str,
    parts: u32,
) -> Result<Vec<i64>, tokio_postgres::Error> {
    let sql = format!(
        "SELECT min({key})::int8, max({key})::int8, \
           (SELECT histogram_bounds::text::int8[] FROM pg_catalog.pg_stats \
            WHERE schemaname = $1 AND tablename = $2 AND attname = $3 AND NOT inherited) \
         FROM ONLY {relation}",
        key = quote(key),
        relation = qualified(&relation.relation),
    );
    let name = &relation.relation;
    let row = connection.client().query_one(&sql, &[&name.schema, &name.name, &key]).await?;
    let (Some(min), Some(max)) = (row.try_get(0)?, row.try_get(1)?) else {
        return Ok(Vec::new());
    };
    let histogram: Vec<i64> = row.try_get::<_, Option<_>>(2)?.unwrap_or_default();
    // Like the server's planner, this assumes that the number of rows grows with the number of
    // blocks.
    let grown = f64::from(relation.blocks) / f64::from(relation.analyzed_blocks.max(1));
    let rows_outside = relation.analyzed_rows.max(1.0) * (grown - 1.0).max(0.0);
    let knots = knots(min, max, &histogram, relation.analyzed_rows.max(1.0), rows_outside);
    Ok(cuts(&knots, parts))
}

/// Returns keys from a sample of the table's blocks. The server sorts them in the order of the
/// column.
async fn sampled_cuts(
    connection: &Connection,
    relation: &FoundRelation,
    key: &str,
    parts: u32,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let fractions: Vec<f64> = (1..parts).map(|part| f64::from(part) / f64::from(parts)).collect();
    let percent = f64::from(parts) * SAMPLED_BLOCKS * 100.0 / f64::from(relation.blocks.max(1));
    // Other access methods than heap may not support sampling.
    let sample = if relation.ctid && percent < 100.0 {
        format!(" TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0)")
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT (percentile_disc($1::float8[]) WITHIN GROUP (ORDER BY {}))::text[] FROM ONLY {}{sample}",
        quote(key),
        qualified(&relation.relation),
    );
    let row = connection.client().query_one(&sql, &[&fractions]).await?;
    // There are no cuts if there are no rows, or if keys are not valid text: then no literal can be
    // written for them.
    let mut cuts = row.try_get::<_, Option<Vec<String>>>(0).ok().flatten().unwrap_or_default();
    cuts.dedup();
    Ok(cuts)
}

/// Returns ascending keys from `min` to `max`, each with the estimated number of rows below it.
///
/// The histogram covers `rows_inside` rows, the same number in each bucket. Rows added after it was
/// made are assumed to be distributed evenly outside of it.
fn knots(min: i64, max: i64, histogram: &[i64], rows_inside: f64, rows_outside: f64) -> Vec<(i64, f64)> {
    let [first, .., last] = histogram else {
        return vec![(min, 0.0), (max, rows_inside)];
    };
    let width = |from: i64, to: i64| (i128::from(to) - i128::from(from)).max(0) as f64;
    let (below, above) = (width(min, *first), width(*last, max));
    let outside = rows_outside / (below + above).max(1.0);
    let bucket = rows_inside / (histogram.len() - 1) as f64;
    let mut knots = vec![(min, 0.0)];
    let mut rows = below * outside;
    for bound in histogram {
        // The lowest or highest keys may have been deleted since the statistics were made.
        if (min..=max).contains(bound) {
            knots.push((*bound, rows));
            rows += bucket;
        }
    }
    let inside = knots.last().map_or(0.0, |knot| knot.1);
    knots.push((max, inside + above * outside));
    knots
}

/// Returns at most `parts - 1` strictly ascending keys that divide the rows into equal parts.
fn cuts(knots: &[(i64, f64)], parts: u32) -> Vec<i64> {
    let total = knots.last().map_or(0.0, |knot| knot.1);
    let mut cuts: Vec<i64> = Vec::new();
    let mut segments = knots.windows(2).peekable();
    for part in 1..parts {
        let rows = total * f64::from(part) / f64::from(parts);
        while segments.next_if(|s| s[1].1 <= rows).is_some() {}
        let Some([(from, below), (to, through)]) = segments.peek() else {
            break;
        };
        let share = ((rows - below) / (through - below)).clamp(0.0, 1.0);
        let width = i128::from(*to) - i128::from(*from);
        let key = i128::from(*from) + ((width as f64 * share).round() as i128).min(width);
        let key = i64::try_from(key).unwrap_or(*to);
        let previous = cuts.last().copied().unwrap_or(knots[0].0);
        if key > previous {
            cuts.push(key);
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_grown_table_is_cut_where_its_rows_are() {
        // The table had keys 0..=100 at its analysis. Then a hundred times as many rows were
        // appended.
        let histogram: Vec<i64> = (0..=100).collect();
        let cuts = cuts(&knots(0, 10_000, &histogram, 100.0, 9_900.0), 10);
        assert_eq!(cuts, [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000]);
    }

    #[test]
    fn without_statistics_the_width_is_cut() {
        assert_eq!(cuts(&knots(0, 100, &[], 1.0, 0.0), 4), [25, 50, 75]);
        assert_eq!(cuts(&knots(i64::MIN, i64::MAX, &[], 1.0, 0.0), 2), [0]);
        assert!(cuts(&knots(5, 5, &[], 1.0, 0.0), 4).is_empty());
    }

    proptest! {
        #[test]
        fn cuts_ascend_within_the_bounds(
            min: i64, max: i64, mut histogram in prop::collection::vec(any::<i64>(), 0..50),
            inside in 1.0..1e12, outside in 0.0..1e12, parts in 1..1000_u32,
        ) {
            histogram.sort_unstable();
            let (min, max) = (min.min(max), min.max(max));
            let knots = knots(min, max, &histogram, inside, outside);
            prop_assert!(knots.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
            let cuts = cuts(&knots, parts);
            prop_assert!(cuts.len() < parts as usize);
            prop_assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(cuts.iter().all(|cut| *cut > min && *cut <= max));
        }

        #[test]
        fn block_ranges_join_without_gap(blocks in 1..u32::MAX, parts in 1..5000_u32) {
            let ranges = block_ranges(blocks, parts.min(blocks));
            let mut next = Some(0);
            for range in ranges {
                let Range::Blocks { from, to } = range else { unreachable!() };
                prop_assert_eq!(next, Some(from));
                prop_assert!(to.is_none_or(|to| to > from));
                next = to;
            }
            prop_assert_eq!(next, None);
        }
    }
}
