//! Ranges small enough to be packed into equal units, that together cover every row of a table once.
//!
//! A range of keys is halved at a key near a value between its first and last one, as often as the server's estimate of its
//! rows (a look at two places of the index) says it is too large. Each half then shrinks to the keys that are in it, which are
//! found with the cut, so that gaps cost nothing. Where no such value comes to mind, the index is walked for the rows of one
//! range. Each cut is two statements: one for the keys on both sides, one for the estimates.
//!
//! A bound is always a key of a row. The server shortens a constant that is longer than the column to look it up in the index,
//! so what it finds for a value that no row has need not be all rows above it, nor all below.

use export_task::plan::Partition;
use export_task::range::{KeyColumn, KeyKind, Range};

use super::catalog::{FoundTable, Key};
use super::connect::Connection;
use super::key::{between, is_comparable};
use super::sql::{constants, exact, probe, qualified, quote, within};
use crate::error::SourceError;

/// The most cuts that are tried for each wanted partition, and [`MAX_EXTRA_CUTS`] more for a table
/// of few partitions. Cutting into parts of equal size takes one cut less than there are parts. More
/// than these limits is only needed where keys are so distributed that no cut is good.
const MAX_CUTS_PER_PART: u64 = 16;
const MAX_EXTRA_CUTS: u64 = 100;

/// A key, or the first values of one, as a plan holds them.
type Bound = Vec<String>;

/// What a row's key columns hold.
#[derive(Clone)]
struct Keys {
    exact: Bound,
    /// As text shows them.
    shown: Vec<String>,
}

/// Cuts a table into partitions of no more than about `target_bytes`, in the order of index. What has no key is one partition.
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
        batch: 1,
        index,
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
        // A share of the table's, so no more than those.
        let bytes = (u128::from(found.bytes) * u128::from(interval.rows) / rows) as u64;
        partition(index, range, bytes)
    });
    Ok(partitions.collect())
}

/// Keys from `start` to below `end`, of which `low` is the first and `high` the last.
#[derive(Clone)]
struct Interval {
    start: Option<Bound>,
    end: Option<Bound>,
    low: Keys,
    high: Keys,
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

    /// Neighbours, each of no more than about one of `parts` parts of the rows.
    async fn cut(mut self, parts: u64) -> Result<Vec<Interval>, SourceError> {
        let wanted = (self.rows / parts).max(1);
        let (first, last) = (self.seek(None, None, "", 0)?, self.seek(None, None, " DESC", 0)?);
        let (Some(low), Some(high)) = self.keys(&first, &last).await? else { return Ok(Vec::new()) };
        let mut open = vec![Interval { start: None, end: None, low, high, rows: self.rows }];
        let mut done = Vec::new();
        let mut tries = parts * MAX_CUTS_PER_PART + MAX_EXTRA_CUTS;
        while let Some(interval) = open.pop() {
            tries = tries.saturating_sub(1);
            let halves = if interval.rows > wanted && tries > 0 { self.halve(&interval, wanted).await? } else { None };
            match halves {
                Some((left, right)) => open.extend([right, left]),
                None => done.push(interval),
            }
        }
        Ok(done)
    }

    async fn halve(&mut self, whole: &Interval, wanted: u64) -> Result<Option<(Interval, Interval)>, SourceError> {
        let columns = &self.key.columns;
        let (low, high) = (&whole.low, &whole.high);
        if let Some(nth) = low.exact.iter().zip(&high.exact).position(|(low, high)| low != high)
            && let Some(value) = between(&columns[nth].kind, &low.shown[nth], &high.shown[nth])
            && self.is_bound(&low.exact[..nth])
        {
            let mut near = constants(columns, &low.exact[..nth])?;
            near.push(probe(&columns[nth].kind, &value)?);
            if let Some(halves) = self.at(whole, &near).await? {
                return Ok(Some(halves));
            }
        }
        // The key that many rows after the first.
        let (start, end) = (self.constants(whole.start.as_ref())?, self.constants(whole.end.as_ref())?);
        let after = self.seek(start.as_deref(), end.as_deref(), "", wanted)?;
        match self.key(&after).await? {
            Some(found) if self.is_bound(&found.exact) => {
                let cut = constants(&self.key.columns, &found.exact)?;
                self.at(whole, &cut).await
            }
            _ => Ok(None),
        }
    }

    /// Whether the server takes these values of the first columns as constants.
    fn is_bound(&self, values: &[String]) -> bool {
        self.key.columns.iter().zip(values).all(|(column, value)| is_comparable(&column.kind, value))
    }

    /// Both sides of the first key that is not below `near`, when there are keys on both. The key that is found below `near` need
    /// not be the last one, but it is one of this range, so the cut is within the range.
    async fn at(&mut self, whole: &Interval, near: &[String]) -> Result<Option<(Interval, Interval)>, SourceError> {
        let (start, end) = (self.constants(whole.start.as_ref())?, self.constants(whole.end.as_ref())?);
        let before = self.seek(start.as_deref(), Some(near), " DESC", 0)?;
        let after = self.seek(Some(near), end.as_deref(), "", 0)?;
        let (Some(left_high), Some(right_low)) = self.keys(&before, &after).await? else { return Ok(None) };
        let cut = right_low.exact[..near.len()].to_vec();
        if !self.is_bound(&cut) {
            return Ok(None);
        }
        let (left_rows, right_rows) = if self.outgrown {
            // The server's estimate is never above half of the rows it knows of. Keys are spread evenly as often as not.
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

    /// A statement for the key `offset` rows after the first of a range, or with `order` ` DESC` before the last.
    fn seek(
        &self,
        from: Option<&[String]>,
        to: Option<&[String]>,
        order: &str,
        offset: u64,
    ) -> Result<String, SourceError> {
        let columns = &self.key.columns;
        let shown = |column: &KeyColumn| match column.kind {
            KeyKind::Text { .. } => quote(&column.name),
            _ => exact(column),
        };
        let values: Vec<String> = columns.iter().map(exact).chain(columns.iter().map(shown)).collect();
        let orders: Vec<String> = columns.iter().map(|column| format!("{}{order}", quote(&column.name))).collect();
        Ok(format!(
            "{} FROM {}{} ORDER BY {} LIMIT {offset}, 1",
            values.join(", "),
            self.table,
            within("FORCE", &self.key.index, columns, from, to)?,
            orders.join(", ")
        ))
    }

    /// What a statement of [`Self::seek`] finds.
    async fn key(&mut self, seek: &str) -> Result<Option<Keys>, SourceError> {
        Ok(self.query(&format!("SELECT 0, {seek}")).await?.0)
    }

    /// What two of them find.
    async fn keys(&mut self, first: &str, second: &str) -> Result<(Option<Keys>, Option<Keys>), SourceError> {
        self.query(&format!("(SELECT 0, {first}) UNION ALL (SELECT 1, {second})")).await
    }

    /// The keys in rows that begin with 0 or 1.
    async fn query(&mut self, sql: &str) -> Result<(Option<Keys>, Option<Keys>), SourceError> {
        let columns = self.key.columns.len();
        let mut keys = (None, None);
        self.connection
            .query(sql, |row| {
                // What is shown only says where to look, so it need not be text.
                let values = |from: usize| (from..from + columns).map(|i| row.lossy(i)).collect::<Result<_, _>>();
                let key = Keys { exact: values(1)?, shown: values(1 + columns)? };
                let found = if row.number(0)? == Some(0) { &mut keys.0 } else { &mut keys.1 };
                *found = Some(key);
                Ok(())
            })
            .await?;
        Ok(keys)
    }

    /// The server's estimates of the rows on both sides of a cut.
    async fn estimates(
        &mut self,
        start: Option<&[String]>,
        cut: &[String],
        end: Option<&[String]>,
    ) -> Result<(u64, u64), SourceError> {
        // MySQL doesn't look at an index that is forced.
        let range = |from, to| within("USE", &self.key.index, &self.key.columns, from, to);
        let (left, right) = (range(start, Some(cut))?, range(Some(cut), end)?);
        let (explain, table) = (self.connection.explain(), &self.table);
        let sql = format!("{explain} SELECT 1 FROM {table}{left} UNION ALL SELECT 1 FROM {table}{right}");
        let column = self.connection.explained_rows();
        let mut rows = (0, 0);
        self.connection
            .query(&sql, |row| {
                // The number of the SELECT.
                let side = if row.number(0)? == Some(1) { &mut rows.0 } else { &mut rows.1 };
                *side += row.number(column)?.unwrap_or_default();
                Ok(())
            })
            .await?;
        Ok(rows)
    }
}
