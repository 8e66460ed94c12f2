//! Packing what tables are cut into into work units, the same for every engine.
//!
//! Units are to be equal. So tables are cut into pieces far smaller than a unit, units are filled with them in their order, and
//! neighbours that come to be in one unit become one partition again: a large table is cut where units end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use export_task::engine::Engine;
use export_task::plan::{Count, Partition};

/// Pieces a unit is filled with: it then has the size it should have within an eighth.
pub const PIECES: u64 = 8;

/// What is larger than this share of a unit, because nothing can cut it, is placed first.
const LARGE: u64 = 5;

/// What reading a table costs beyond its bytes (a query, at least one file, a result), expressed in bytes. Keeps a unit from
/// collecting thousands of empty tables.
const OVERHEAD: u64 = 1024 * 1024;

/// Units grow with the cluster until there are about this many.
const UNITS_WANTED: u64 = 4000;

/// And this many for each worker, so that none waits long for the slowest in the end.
const UNITS_PER_WORKER: u64 = 8;

/// The largest unit: what a worker reads well within one invocation.
const MAX_UNIT_BYTES: u64 = 1 << 30;

/// On MySQL each cut is two statements, and all are made within the minutes that one function has: of more than 16 TiB the
/// units are larger.
const MYSQL_UNITS: u64 = 1 << 14;

/// Size of a unit for a cluster of `bytes`, at least `smallest`.
pub fn unit_bytes(engine: Engine, bytes: u64, smallest: u64, workers: u32) -> u64 {
    let wanted = UNITS_WANTED.max(u64::from(workers) * UNITS_PER_WORKER);
    let unit = (bytes / wanted).clamp(smallest, MAX_UNIT_BYTES.max(smallest));
    match engine {
        Engine::Postgresql => unit,
        Engine::Mysql => unit.max(bytes / MYSQL_UNITS),
    }
}

/// Packs pieces of no more than about `unit_bytes / PIECES`, in the order of table, batch and index, into units of about `unit_bytes`,
/// largest unit first. When there are more units than workers they are so many that all workers end together. Neighbours stay
/// together: a unit then names few tables and its worker connects to few databases.
///
/// Whatever the sizes, no unit is larger than the mean by more than a piece, but for what nothing could cut: a unit that is
/// larger holds one such piece alone, or several that make no more than `unit_bytes`.
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

/// A relation is counted in about this share of the time that reading it takes.
const COUNTING: u64 = 8;

/// The relations that the units read in parts, to be counted as wholes: in units of about the same cost, in the order of tables.
pub fn pack_counts(units: &[Vec<Partition>], unit_bytes: u64) -> Vec<Vec<Count>> {
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

/// How many units: of about the wanted size, and whole rounds of the workers when there are more.
fn count(total: u128, unit_bytes: u128, workers: u128) -> u128 {
    let rounded = |by: u128| ((total + by / 2) / by).max(1);
    let round = unit_bytes * workers.max(1);
    if total > round { rounded(round) * workers.max(1) } else { rounded(unit_bytes) }
}

/// Places large pieces, the largest first, each where it leaves the least room.
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

/// Fills units with small pieces in their order, so that all are equal but those that are larger already.
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
        // The end of each unit is the end of a piece that is closest to where it should be.
        let belongs =
            |done: u128, piece: &Partition| nth == count || (done + u128::from(cost(piece) / 2)) * count <= rest * nth;
        while let Some(piece) = pieces.next_if(|piece| belongs(done, piece)) {
            done += u128::from(cost(&piece));
            unit.add(piece);
        }
    }
}

/// Makes one partition of neighbours.
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

/// Numbers the partitions of each batch from 0, in the order of its rows.
fn number(units: &mut [Vec<Partition>]) {
    let mut partitions: Vec<&mut Partition> = units.iter_mut().flatten().collect();
    partitions.sort_by_key(|partition| (partition.table, partition.batch_index, partition.partition_index));
    let (mut batch, mut next) = (None, 0);
    for partition in partitions {
        let of = Some((partition.table, partition.batch_index));
        if batch != of {
            (batch, next) = (of, 0);
        }
        partition.partition_index = next;
        next += 1;
    }
}
