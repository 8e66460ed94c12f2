//! Ranges that together cover each row of a table once, and are small enough to fill work units
//! equally.
//!
//! The module cuts a range of keys in two while the server estimates (from two places of the index)
//! that it has too many rows. It cuts at a key near a value between the range's first and last key.
//! The statement that finds the cut also finds the keys on both sides of it, so each half shrinks
//! to the keys that it has, and gaps between keys cost nothing. If there is no value between two
//! keys, the server walks the index over the rows of one partition. A cut takes two statements: one
//! for the keys on both sides, and one for the estimates.
//!
//! A bound is always the key of a row. To look up a constant that is longer than the column, the
//! server shortens it. So for a value that no row has, the server may miss rows above it or below
//! it.

use export_task::plan::Partition;
use export_task::range::{KeyColumn, KeyKind, Range};

use super::catalog::FoundTable;
use super::connect::Connection;
use super::index::Key;
use super::midpoint::{is_valid_constant, midpoint};
use super::sql::{IndexHint, bound_expression, constants, index_range, probe, qualified, quote};
use crate::error::SourceError;

/// Maximum number of cuts tried for each wanted partition. A table gets [`MAX_EXTRA_CUTS`] more,
/// which matters if it has few partitions. Cutting into parts of equal size takes one cut less than
/// there are parts. Only keys for which no cut is good need more than these limits.
const MAX_CUTS_PER_PART: u64 = 16;
const MAX_EXTRA_CUTS: u64 = 100;

/// The values of a key, or of its first columns, in the form that a plan has.
type Bound = Vec<String>;

/// The values of a row's key columns.
#[derive(Clone)]
struct RowKey {
    stored: Bound,
    /// The values as the server prints them.
    printed: Vec<String>,
}

/// Cuts a table into partitions of at most about `target_bytes`, in the order of the index. A table
/// without a key is one partition.
///
/// # Errors
/// [`SourceError`].
pub async fn partitions(
    connection: &mut Connection,
    found: &FoundTable,
    target_bytes: u64,
) -> Result<Vec<Partition>, SourceError> {
    let parts = found.bytes.div_ceil(target_bytes.max(1)).min(found.rows);
    let intervals = match &found.key {
        Some(key) if parts >= 2 => Cutter::new(connection, found, key).cut(parts).await?,
        _ => Vec::new(),
    };
    let partition = |index, range, bytes| Partition {
        table: found.table.id,
        relation: found.relation(),
        batch_index: 1,
        partition_index: index,
        range,
        bytes,
    };
    let (Some(key), 2..) = (&found.key, intervals.len()) else {
        return Ok(vec![partition(0, Range::All, found.bytes)]);
    };
    let rows = intervals.iter().map(|interval| u128::from(interval.rows)).sum::<u128>().max(1);
    let partitions = intervals.into_iter().zip(0..).map(|(interval, index)| {
        let Key { index: name, columns } = key.clone();
        let range = Range::Index { index: name, columns, from: interval.start, to: interval.end };
        // A share of the table's bytes fits the type of the whole.
        let bytes = (u128::from(found.bytes) * u128::from(interval.rows) / rows) as u64;
        partition(index, range, bytes)
    });
    Ok(partitions.collect())
}

/// The keys from `start` to below `end`. The first is `low`, and the last is `high`.
#[derive(Clone)]
struct Interval {
    start: Option<Bound>,
    end: Option<Bound>,
    low: RowKey,
    high: RowKey,
    rows: u64,
}

/// The end of a range from which [`Cutter::seek`] counts.
enum End {
    First,
    Last,
}

/// Cuts the keys of one table into intervals.
struct Cutter<'a> {
    connection: &'a mut Connection,
    key: &'a Key,
    table: String,
    rows: u64,
    has_stale_statistics: bool,
}

impl<'a> Cutter<'a> {
    fn new(connection: &'a mut Connection, found: &FoundTable, key: &'a Key) -> Self {
        let table = qualified(&found.relation());
        Self { connection, key, table, rows: found.rows, has_stale_statistics: found.has_stale_statistics }
    }

    /// Returns adjacent intervals, each with at most about the rows of one of `parts` equal parts.
    async fn cut(mut self, parts: u64) -> Result<Vec<Interval>, SourceError> {
        let target_rows = (self.rows / parts).max(1);
        let (first, last) = (self.seek(None, None, End::First, 0)?, self.seek(None, None, End::Last, 0)?);
        let (Some(low), Some(high)) = self.keys(&first, &last).await? else { return Ok(Vec::new()) };
        let mut open = vec![Interval { start: None, end: None, low, high, rows: self.rows }];
        let mut done = Vec::new();
        let mut remaining_cuts = parts * MAX_CUTS_PER_PART + MAX_EXTRA_CUTS;
        while let Some(interval) = open.pop() {
            remaining_cuts = remaining_cuts.saturating_sub(1);
            let is_too_large = interval.rows > target_rows;
            let halves =
                if is_too_large && remaining_cuts > 0 { self.halve(&interval, target_rows).await? } else { None };
            match halves {
                Some((left, right)) => open.extend([right, left]),
                None => done.push(interval),
            }
        }
        Ok(done)
    }

    /// Cuts an interval in two. Returns `None` if there is no good cut.
    async fn halve(&mut self, whole: &Interval, target_rows: u64) -> Result<Option<(Interval, Interval)>, SourceError> {
        let columns = &self.key.columns;
        let (low, high) = (&whole.low, &whole.high);
        if let Some(nth) = low.stored.iter().zip(&high.stored).position(|(low, high)| low != high)
            && let Some(value) = midpoint(&columns[nth].kind, &low.printed[nth], &high.printed[nth])
            && self.is_valid_bound(&low.stored[..nth])
        {
            let mut near = constants(columns, &low.stored[..nth])?;
            near.push(probe(&columns[nth].kind, &value)?);
            if let Some(halves) = self.cut_near(whole, &near).await? {
                return Ok(Some(halves));
            }
        }
        // Take the key that is `target_rows` rows after the first one.
        let (start, end) = (self.constants(whole.start.as_ref())?, self.constants(whole.end.as_ref())?);
        let after = self.seek(start.as_deref(), end.as_deref(), End::First, target_rows)?;
        match self.key(&after).await? {
            Some(found) if self.is_valid_bound(&found.stored) => {
                let cut = constants(&self.key.columns, &found.stored)?;
                self.cut_near(whole, &cut).await
            }
            _ => Ok(None),
        }
    }

    /// Returns whether the server accepts these values of the first columns as constants.
    fn is_valid_bound(&self, values: &[String]) -> bool {
        self.key.columns.iter().zip(values).all(|(column, value)| is_valid_constant(&column.kind, value))
    }

    /// Cuts an interval at the first key that is not below `near`. Returns `None` if one side would
    /// have no key. The key that the server finds below `near` may not be the last one, but it is
    /// in this interval, and so is the cut.
    async fn cut_near(
        &mut self,
        whole: &Interval,
        near: &[String],
    ) -> Result<Option<(Interval, Interval)>, SourceError> {
        let (start, end) = (self.constants(whole.start.as_ref())?, self.constants(whole.end.as_ref())?);
        let before = self.seek(start.as_deref(), Some(near), End::Last, 0)?;
        let after = self.seek(Some(near), end.as_deref(), End::First, 0)?;
        let (Some(left_high), Some(right_low)) = self.keys(&before, &after).await? else { return Ok(None) };
        let cut = right_low.stored[..near.len()].to_vec();
        if !self.is_valid_bound(&cut) {
            return Ok(None);
        }
        let (left_rows, right_rows) = if self.has_stale_statistics {
            // The server never estimates more than half of its known number of rows, and that
            // number is too low here. Assume instead that the keys are spread evenly.
            (whole.rows / 2, whole.rows / 2)
        } else {
            let cut = constants(&self.key.columns, &cut)?;
            self.estimates(start.as_deref(), &cut, end.as_deref()).await?
        };
        let left = Interval {
            start: whole.start.clone(),
            end: Some(cut.clone()),
            low: whole.low.clone(),
            high: left_high,
            rows: left_rows,
        };
        let right = Interval {
            start: Some(cut),
            end: whole.end.clone(),
            low: right_low,
            high: whole.high.clone(),
            rows: right_rows,
        };
        Ok(Some((left, right)))
    }

    fn constants(&self, bound: Option<&Bound>) -> Result<Option<Vec<String>>, SourceError> {
        bound.map(|bound| constants(&self.key.columns, bound)).transpose()
    }

    /// Returns the rest of a SELECT for the key that is `offset` rows after the first one of a
    /// range, or before the last one.
    fn seek(
        &self,
        from: Option<&[String]>,
        to: Option<&[String]>,
        end: End,
        offset: u64,
    ) -> Result<String, SourceError> {
        let columns = &self.key.columns;
        let printed_expression = |column: &KeyColumn| match column.kind {
            KeyKind::Text { .. } => quote(&column.name),
            _ => bound_expression(column),
        };
        let values: Vec<String> =
            columns.iter().map(bound_expression).chain(columns.iter().map(printed_expression)).collect();
        let order = match end {
            End::First => "",
            End::Last => " DESC",
        };
        let orders: Vec<String> = columns.iter().map(|column| format!("{}{order}", quote(&column.name))).collect();
        Ok(format!(
            "{} FROM {}{} ORDER BY {} LIMIT {offset}, 1",
            values.join(", "),
            self.table,
            index_range(IndexHint::Force, &self.key.index, columns, from, to)?,
            orders.join(", ")
        ))
    }

    /// Returns the key that a statement of [`Self::seek`] finds.
    async fn key(&mut self, seek: &str) -> Result<Option<RowKey>, SourceError> {
        Ok(self.query(&format!("SELECT 0, {seek}")).await?.0)
    }

    /// Returns the keys that two statements of [`Self::seek`] find.
    async fn keys(&mut self, first: &str, second: &str) -> Result<(Option<RowKey>, Option<RowKey>), SourceError> {
        self.query(&format!("(SELECT 0, {first}) UNION ALL (SELECT 1, {second})")).await
    }

    /// Runs a query whose rows begin with 0 or 1, for the first or the second key.
    async fn query(&mut self, sql: &str) -> Result<(Option<RowKey>, Option<RowKey>), SourceError> {
        let columns = self.key.columns.len();
        let mut keys = (None, None);
        self.connection
            .query(sql, |row| {
                // Printed values only show where to look for a cut, so they may be invalid text.
                let values = |from: usize| (from..from + columns).map(|i| row.lossy(i)).collect::<Result<_, _>>();
                let key = RowKey { stored: values(1)?, printed: values(1 + columns)? };
                let found = if row.number(0)? == Some(0) { &mut keys.0 } else { &mut keys.1 };
                *found = Some(key);
                Ok(())
            })
            .await?;
        Ok(keys)
    }

    /// Returns the server's estimates of the rows on both sides of a cut.
    async fn estimates(
        &mut self,
        start: Option<&[String]>,
        cut: &[String],
        end: Option<&[String]>,
    ) -> Result<(u64, u64), SourceError> {
        // If an index is forced, MySQL doesn't look into it for an estimate.
        let range = |from, to| index_range(IndexHint::Use, &self.key.index, &self.key.columns, from, to);
        let (left, right) = (range(start, Some(cut))?, range(Some(cut), end)?);
        let (explain, table) = (self.connection.product.explain(), &self.table);
        let sql = format!("{explain} SELECT 1 FROM {table}{left} UNION ALL SELECT 1 FROM {table}{right}");
        let column = self.connection.product.explained_rows();
        let mut rows = (0, 0);
        self.connection
            .query(&sql, |row| {
                // The first column is the number of the SELECT.
                let side = if row.number(0)? == Some(1) { &mut rows.0 } else { &mut rows.1 };
                *side += row.number(column)?.unwrap_or_default();
                Ok(())
            })
            .await?;
        Ok(rows)
    }
}
