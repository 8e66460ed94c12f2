//! The size of work units, and how partitions are packed into them. The same for every engine.
//!
//! Units should have equal sizes, so that all workers finish together. Tables are therefore cut
//! into pieces that are far smaller than a unit. Units are filled with pieces in their order, and
//! adjacent pieces in one unit are joined to one partition. So a large table is cut where units
//! end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use export_task::engine::Engine;
use export_task::plan::{Count, Partition};

/// The number of pieces in a unit. The size of a unit then differs from the wanted size by at most
/// an eighth.
pub const PIECES: u64 = 8;

/// Pieces larger than this share (one fifth) of a unit are placed first. They belong to tables that
/// cannot be cut.
const LARGE: u64 = 5;

/// The cost of a table beyond its bytes (a query, at least one file, a result), expressed in bytes.
/// It keeps a unit from collecting thousands of empty tables.
const OVERHEAD: u64 = 1024 * 1024;

/// Units grow with the cluster so that there are about this many.
const UNITS_WANTED: u64 = 4000;

/// There are at least this many units for each worker, so that no worker waits long for the slowest
/// one.
const UNITS_PER_WORKER: u64 = 8;

/// The largest unit in bytes. A worker reads it well within one invocation of Lambda (15 minutes).
/// Units exceed it if the smallest unit is larger, and on MySQL in clusters of more than 16 TiB.
const MAX_UNIT_BYTES: u64 = 1 << 30;

/// The largest number of units on MySQL. Each cut takes two statements there, and one invocation of
/// `plan-export` makes all of them. So units of a cluster of more than 16 TiB are larger.
const MYSQL_UNITS: u64 = 1 << 14;

/// Returns the size of a unit in bytes for a cluster of `bytes`. It is at least `smallest`.
pub fn unit_bytes(engine: Engine, bytes: u64, smallest: u64, workers: u32) -> u64 {
    let wanted = UNITS_WANTED.max(u64::from(workers) * UNITS_PER_WORKER);
    let unit = (bytes / wanted).clamp(smallest, MAX_UNIT_BYTES.max(smallest));
    match engine {
        Engine::Postgresql => unit,
        Engine::Mysql => unit.max(bytes / MYSQL_UNITS),
    }
}

/// Packs pieces into units of about `unit_bytes`, the largest unit first. The pieces are in the
/// order of table, `batch_index` and `partition_index`, and have at most about `unit_bytes /
/// PIECES`.
///
/// If there are more units than workers, their number is a multiple of the number of workers, so
/// that all workers finish together. Adjacent pieces stay together, so that a unit names few tables
/// and its worker connects to few databases.
///
/// No unit exceeds the mean by more than a piece, except for pieces that nothing could cut: a
/// larger unit holds one such piece alone, or several that have at most `unit_bytes` together.
pub fn pack(pieces: Vec<Partition>, unit_bytes: u64, workers: u32) -> Vec<Vec<Partition>> {
    let unit_bytes = unit_bytes.max(1);
    let total = pieces.iter().map(|piece| u128::from(cost(piece))).sum();
    let most = pieces.len();
    let (large, small) = pieces.into_iter().partition(|piece| cost(piece) > unit_bytes / LARGE);
    let mut units = place(large, unit_bytes);
    let count = count(total, unit_bytes.into(), workers.into());
    // There can't be more units than pieces.
    let count = usize::try_from(count).unwrap_or(most).min(most).max(units.len());
    units.resize_with(count, Unit::default);
    fill(&mut units, small, total);
    units.retain(|unit| !unit.pieces.is_empty());
    units.sort_by_key(|unit| Reverse(unit.cost));
    let mut units: Vec<Vec<Partition>> = units.into_iter().map(|unit| join(unit.pieces)).collect();
    number(&mut units);
    units
}

/// Counting a relation takes about this share (one eighth) of the time that reading it takes.
const COUNTING: u64 = 8;

/// Returns the relations that the units read in several partitions, to be counted as wholes. They
/// are packed into units of about the same cost, in the order of tables.
pub(crate) fn pack_counts(units: &[Vec<Partition>], unit_bytes: u64) -> Vec<Vec<Count>> {
    let mut relations: BTreeMap<(u32, u32), (u32, Count)> = BTreeMap::new();
    for Partition { table, relation, batch_index, bytes, .. } in units.iter().flatten() {
        let count = || (0, Count { table: *table, batch_index: *batch_index, relation: relation.clone(), bytes: 0 });
        let (partitions, count) = relations.entry((*table, *batch_index)).or_insert_with(count);
        *partitions += 1;
        count.bytes += bytes;
    }
    let cut = relations.into_values().filter(|(partitions, _)| *partitions > 1).map(|(_, count)| count);
    let (mut packed, mut room): (Vec<Vec<Count>>, u64) = (Vec::new(), 0);
    for count in cut {
        let cost = count.bytes / COUNTING;
        match packed.last_mut() {
            Some(last) if cost <= room => last.push(count),
            _ => {
                packed.push(vec![count]);
                room = unit_bytes;
            }
        }
        room = room.saturating_sub(cost);
    }
    packed
}

#[derive(Default)]
struct Unit {
    cost: u128,
    pieces: Vec<Partition>,
}

impl Unit {
    fn add(&mut self, piece: Partition) {
        self.cost += u128::from(cost(&piece));
        self.pieces.push(piece);
    }
}

fn cost(piece: &Partition) -> u64 {
    piece.bytes.saturating_add(if piece.partition_index == 0 { OVERHEAD } else { 0 })
}

/// Returns the number of units: so many that each has about the wanted size, rounded to a multiple
/// of the workers if there are more units than workers.
fn count(total: u128, unit_bytes: u128, workers: u128) -> u128 {
    let rounded = |by: u128| ((total + by / 2) / by).max(1);
    let round = unit_bytes * workers.max(1);
    if total > round { rounded(round) * workers.max(1) } else { rounded(unit_bytes) }
}

/// Places large pieces, the largest first, each into the unit where it leaves the least room.
fn place(mut pieces: Vec<Partition>, unit_bytes: u64) -> Vec<Unit> {
    pieces.sort_by_key(|piece| Reverse(cost(piece)));
    let mut units: Vec<Unit> = Vec::new();
    let mut rooms: BTreeSet<(u64, usize)> = BTreeSet::new();
    for piece in pieces {
        let cost = cost(&piece);
        let (room, at) = rooms.range((cost, 0)..).next().copied().unwrap_or((unit_bytes, units.len()));
        rooms.remove(&(room, at));
        rooms.insert((room.saturating_sub(cost), at));
        if at == units.len() {
            units.push(Unit::default());
        }
        units[at].add(piece);
    }
    units
}

/// Fills units with small pieces in their order. All units get the same size, except those that are
/// larger already.
fn fill(units: &mut [Unit], pieces: Vec<Partition>, total: u128) {
    units.sort_by_key(|unit| Reverse(unit.cost));
    let (mut larger, mut rest) = (0, total);
    while larger < units.len() && units[larger].cost * (units.len() - larger) as u128 > rest {
        rest -= units[larger].cost;
        larger += 1;
    }
    let open = &mut units[larger..];
    let (count, mut done) = (open.len() as u128, 0);
    let mut pieces = pieces.into_iter().peekable();
    for (unit, nth) in open.iter_mut().zip(1..) {
        done += unit.cost;
        // A unit ends with the piece whose end is closest to the wanted end.
        let belongs =
            |done: u128, piece: &Partition| nth == count || (done + u128::from(cost(piece) / 2)) * count <= rest * nth;
        while let Some(piece) = pieces.next_if(|piece| belongs(done, piece)) {
            done += u128::from(cost(&piece));
            unit.add(piece);
        }
    }
}

/// Joins adjacent pieces to one partition.
fn join(pieces: Vec<Partition>) -> Vec<Partition> {
    let mut joined: Vec<Partition> = Vec::new();
    let mut next = 0;
    for piece in pieces {
        let follows = |last: &Partition| {
            (last.table, last.batch_index, next) == (piece.table, piece.batch_index, piece.partition_index)
        };
        let whole = joined.last().filter(|last| follows(last)).and_then(|last| last.range.joined(&piece.range));
        next = piece.partition_index + 1;
        match (joined.last_mut(), whole) {
            (Some(last), Some(range)) => {
                last.range = range;
                last.bytes += piece.bytes;
            }
            _ => joined.push(piece),
        }
    }
    joined
}

/// Numbers the partitions of each `batch_index` of a table from 0, in the order of their rows.
fn number(units: &mut [Vec<Partition>]) {
    let mut partitions: Vec<&mut Partition> = units.iter_mut().flatten().collect();
    partitions.sort_by_key(|partition| (partition.table, partition.batch_index, partition.partition_index));
    let (mut previous, mut next) = (None, 0);
    for partition in partitions {
        let directory = Some((partition.table, partition.batch_index));
        if previous != directory {
            (previous, next) = (directory, 0);
        }
        partition.partition_index = next;
        next += 1;
    }
}
