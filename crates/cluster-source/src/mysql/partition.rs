//! Ranges of about equal size that together cover every row of a table once.
//!
//! A range of keys is halved at a value between its first and last key, as often as the server's estimate of its rows (a look
//! at two places of the index) says it is too large. Each half then shrinks to the keys that are in it, which two more looks
//! find, so that gaps cost nothing. Where no such value comes to mind, the index is walked for the rows of one partition.

use export_task::plan::{KeyKind, Partition, Range};

use super::catalog::{FoundTable, Key};
use super::connect::Connection;
use super::key::between;
use super::sql::{qualified, quote, within};
use crate::error::SourceError;

/// Ranges are halved until they are this many times smaller than a partition, then joined to partitions of equal size.
const FINER: u64 = 4;

/// A key, or the first values of one.
type Bound = Vec<String>;

/// Cuts a table into partitions of about `target_bytes`, in the order of index. What has no key is one partition.
///
/// # Errors
/// [`SourceError`].
pub async fn partitions(
    connection: &mut Connection,
    found: &FoundTable,
    target_bytes: u64,
) -> Result<Vec<Partition>, SourceError> {
    let parts = found.bytes.div_ceil(target_bytes.max(1)).min(found.rows);
    let mut ranges = match &found.key {
        Some(key) if parts >= 2 => Cutter::new(connection, found, key).cut(parts).await?,
        _ => Vec::new(),
    };
    if ranges.len() < 2 {
        ranges = vec![(Range::All, 1.0)];
    }
    let partition = |((range, share), index): ((Range, f64), u32)| Partition {
        table: found.table.id,
        relation: found.relation(),
        batch: 1,
        index,
        range,
        bytes: (found.bytes as f64 * share) as u64,
    };
    Ok(ranges.into_iter().zip(0..).map(partition).collect())
}

/// Keys from `start` to below `end`, of which `low` is the first and `high` the last.
#[derive(Clone)]
struct Interval {
    start: Option<Bound>,
    end: Option<Bound>,
    low: Bound,
    high: Bound,
    rows: u64,
}

/// Asks the server about a table's keys.
struct Cutter<'a> {
    connection: &'a mut Connection,
    key: &'a Key,
    table: String,
    rows: u64,
    outgrown: bool,
}

impl<'a> Cutter<'a> {
    fn new(connection: &'a mut Connection, found: &FoundTable, key: &'a Key) -> Self {
        let table = qualified(&found.relation());
        Self { connection, key, table, rows: found.rows, outgrown: found.outgrown }
    }

    /// About `parts` ranges with the share of the table that is in each.
    async fn cut(mut self, parts: u64) -> Result<Vec<(Range, f64)>, SourceError> {
        let wanted = (self.rows / parts / FINER).max(1);
        let (Some(low), Some(high)) = (self.first(None, None).await?, self.last(None, None).await?) else {
            return Ok(Vec::new());
        };
        let mut open = vec![Interval { start: None, end: None, low, high, rows: self.rows }];
        let mut done = Vec::new();
        // More than this is only needed where keys are so distributed that no cut is good.
        let mut tries = parts * FINER * 16 + 100;
        while let Some(interval) = open.pop() {
            tries = tries.saturating_sub(1);
            let halves = if interval.rows > wanted && tries > 0 { self.halve(&interval, wanted).await? } else { None };
            match halves {
                Some((left, right)) => open.extend([right, left]),
                None => done.push(interval),
            }
        }
        Ok(self.joined(&done, parts))
    }

    async fn halve(&mut self, whole: &Interval, wanted: u64) -> Result<Option<(Interval, Interval)>, SourceError> {
        let columns = self.key.columns.iter();
        let differs = columns.zip(whole.low.iter().zip(&whole.high)).position(|(_, (low, high))| low != high);
        let Some(column) = differs else { return Ok(None) };
        let kind = &self.key.columns[column].kind;
        if let Some(value) = between(kind, &whole.low[column], &whole.high[column]) {
            let cut: Bound = whole.low[..column].iter().cloned().chain([value]).collect();
            if let Some(halves) = self.at(whole, cut).await? {
                return Ok(Some(halves));
            }
        }
        match self.walk(whole, wanted).await? {
            Some(cut) => self.at(whole, cut).await,
            None => Ok(None),
        }
    }

    /// Both sides of a cut, when there are keys on both.
    async fn at(&mut self, whole: &Interval, cut: Bound) -> Result<Option<(Interval, Interval)>, SourceError> {
        let (start, end) = (whole.start.as_deref(), whole.end.as_deref());
        let Some(left_high) = self.last(start, Some(&cut)).await? else { return Ok(None) };
        let Some(right_low) = self.first(Some(&cut), end).await? else { return Ok(None) };
        let (left_rows, right_rows) = if self.outgrown {
            // The server's estimate is never above half of the rows it knows of. Keys are spread evenly as often as not.
            (whole.rows / 2, whole.rows / 2)
        } else {
            (self.estimate(start, Some(&cut)).await?, self.estimate(Some(&cut), end).await?)
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

    async fn first(&mut self, from: Option<&[String]>, to: Option<&[String]>) -> Result<Option<Bound>, SourceError> {
        self.seek(from, to, "", 0).await
    }

    async fn last(&mut self, from: Option<&[String]>, to: Option<&[String]>) -> Result<Option<Bound>, SourceError> {
        self.seek(from, to, " DESC", 0).await
    }

    /// The key `rows` rows after the first.
    async fn walk(&mut self, whole: &Interval, rows: u64) -> Result<Option<Bound>, SourceError> {
        self.seek(whole.start.as_deref(), whole.end.as_deref(), "", rows).await
    }

    async fn seek(
        &mut self,
        from: Option<&[String]>,
        to: Option<&[String]>,
        order: &str,
        offset: u64,
    ) -> Result<Option<Bound>, SourceError> {
        let columns = &self.key.columns;
        let value = |column: &export_task::plan::KeyColumn| match column.kind {
            KeyKind::Bytes => format!("HEX({})", quote(&column.name)),
            _ => quote(&column.name),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let orders: Vec<String> = columns.iter().map(|column| format!("{}{order}", quote(&column.name))).collect();
        let sql = format!(
            "SELECT {} FROM {}{} ORDER BY {} LIMIT {offset}, 1",
            values.join(", "),
            self.table,
            within("FORCE", &self.key.index, columns, from, to)?,
            orders.join(", ")
        );
        let mut key = None;
        self.connection
            .query(&sql, |row| {
                // What is no text makes a bound like any other.
                key = Some((0..columns.len()).map(|i| row.lossy(i)).collect::<Result<Bound, _>>()?);
                Ok(())
            })
            .await?;
        Ok(key)
    }

    /// The server's estimate of the rows in a range.
    async fn estimate(&mut self, from: Option<&[String]>, to: Option<&[String]>) -> Result<u64, SourceError> {
        // MySQL doesn't look at an index that is forced.
        let range = within("USE", &self.key.index, &self.key.columns, from, to)?;
        let sql = format!("{} SELECT 1 FROM {}{range}", self.connection.explain(), self.table);
        let column = self.connection.explained_rows();
        let mut rows = 0;
        self.connection
            .query(&sql, |row| {
                rows += row.number(column)?.unwrap_or_default();
                Ok(())
            })
            .await?;
        Ok(rows)
    }

    /// Joins neighbours to `parts` ranges of about as many rows.
    fn joined(&self, intervals: &[Interval], parts: u64) -> Vec<(Range, f64)> {
        let total = intervals.iter().map(|interval| interval.rows).sum::<u64>().max(1) as f64;
        let mut ranges: Vec<(Range, f64)> = Vec::new();
        let (mut from, mut before, mut rows) = (None, 0.0, 0.0);
        for (interval, next) in intervals.iter().zip(intervals.iter().skip(1).map(Some).chain([None])) {
            rows += interval.rows as f64;
            // Without the next one it is closer to an equal part than with it.
            let part = (ranges.len() + 1) as f64 * total / parts as f64;
            if next.is_some_and(|next| rows + next.rows as f64 / 2.0 < part) {
                continue;
            }
            let to = interval.end.clone();
            let range = Range::Index {
                index: self.key.index.clone(),
                columns: self.key.columns.clone(),
                from: std::mem::replace(&mut from, to.clone()),
                to,
            };
            ranges.push((range, (rows - before) / total));
            before = rows;
        }
        ranges
    }
}
