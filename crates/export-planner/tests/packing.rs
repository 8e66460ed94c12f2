//! How evenly a plan keeps workers busy in clusters of many shapes. These tests need no server.
#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use export_planner::packing::{PIECES, pack, unit_bytes};
use export_task::engine::Engine;
use export_task::plan::{Partition, Relation};
use export_task::range::Range;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
/// The cost of a table beyond its bytes, as the planner calculates it.
const OVERHEAD: u64 = MIB;
/// The template's default for the size of the smallest unit.
const SMALLEST: u64 = 64 * MIB;
const BLOCK: u64 = 8192;

/// Returns the pieces of a table, in ranges of blocks as for a PostgreSQL heap. A `whole` table
/// can't be cut.
fn pieces(table: u32, bytes: u64, target: u64, whole: bool) -> Vec<Partition> {
    let blocks = bytes.div_ceil(BLOCK);
    let parts = if whole { 1 } else { bytes.div_ceil(target.max(1)).min(blocks).max(1) };
    let start =
        |part: u64| u32::try_from(u128::from(blocks) * u128::from(part) / u128::from(parts)).unwrap_or(u32::MAX);
    let relation = Relation { schema: "s".to_owned(), name: format!("t{table}") };
    let range = |part: u64| match parts {
        1 => Range::All,
        _ => Range::Blocks { from: start(part), to: (part + 1 < parts).then(|| start(part + 1)) },
    };
    let indexes = (0..parts).zip(0..);
    indexes
        .map(|(part, index)| Partition {
            table,
            relation: relation.clone(),
            batch_index: 1,
            partition_index: index,
            range: range(part),
            bytes: bytes / parts,
        })
        .collect()
}

fn cost(partition: &Partition) -> u64 {
    partition.bytes + if partition.partition_index == 0 { OVERHEAD } else { 0 }
}

fn costs(units: &[Vec<Partition>]) -> Vec<u64> {
    units.iter().map(|unit| unit.iter().map(cost).sum()).collect()
}

/// Returns the ratio of the largest unit to the mean.
fn largest(costs: &[u64]) -> f64 {
    let mean = costs.iter().sum::<u64>() as f64 / costs.len() as f64;
    *costs.iter().max().unwrap() as f64 / mean
}

/// Checks that the plan covers each table from its first block to its end once, and numbers its
/// partitions in that order.
fn assert_covers(units: &[Vec<Partition>], tables: usize) {
    let mut all: Vec<&Partition> = units.iter().flatten().collect();
    all.sort_by_key(|partition| (partition.table, partition.partition_index));
    let mut seen = 0;
    for parts in all.chunk_by(|a, b| a.table == b.table) {
        let mut next = Some(0);
        for (part, index) in parts.iter().zip(0..) {
            assert_eq!((part.table as usize, part.partition_index), (seen, index));
            let (from, to) = match part.range {
                Range::All => (0, None),
                Range::Blocks { from, to } => (from, to),
                _ => unreachable!(),
            };
            assert_eq!(Some(from), next);
            next = to;
        }
        assert_eq!(next, None);
        seen += 1;
    }
    assert_eq!(seen, tables);
}

/// Returns the pieces of all tables of a cluster. MySQL's tables are halved until a piece is no
/// larger than the target, so some pieces have half of its size.
fn cut(sizes: &[u64], engine: Engine, target: u64) -> Vec<Partition> {
    let mut random = Random(3);
    let mut target = || match engine {
        Engine::Postgresql => target,
        Engine::Mysql => target - target * (random.next() % 50) / 100,
    };
    sizes.iter().zip(0..).flat_map(|(bytes, table)| pieces(table, *bytes, target(), false)).collect()
}

/// Results of simulating a cluster's plan until the last worker ends. A worker takes the next unit
/// when it has finished one. Workers are not equally fast: a unit takes up to a fifth more or less
/// than its size suggests.
struct Simulation {
    tables: usize,
    units: usize,
    largest: f64,
    idle: f64,
}

fn simulate(sizes: &[u64], workers: u32, engine: Engine) -> Simulation {
    let unit = unit_bytes(engine, sizes.iter().sum(), SMALLEST, workers);
    let units = pack(cut(sizes, engine, unit / PIECES), unit, workers);
    assert_covers(&units, sizes.len());
    let costs = costs(&units);
    assert!(costs.windows(2).all(|pair| pair[0] >= pair[1]));
    // Workers without a unit are never started.
    let used = (workers as usize).min(costs.len());
    let mut free: BinaryHeap<Reverse<u64>> = (0..used).map(|_| Reverse(0)).collect();
    let (mut random, mut busy) = (Random(1), 0);
    for cost in &costs {
        let Reverse(at) = free.pop().unwrap();
        let time = cost * (80 + random.next() % 41) / 100;
        busy += u128::from(time);
        free.push(Reverse(at + time));
    }
    let end = free.into_iter().map(|Reverse(at)| at).max().unwrap();
    let idle = 1.0 - busy as f64 / (u128::from(end) * used as u128) as f64;
    Simulation { tables: sizes.len(), units: units.len(), largest: largest(&costs), idle }
}

/// A linear congruential generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// Returns the sizes of TPC-H's tables at a scale factor, as PostgreSQL stores them.
fn tpch(scale: u64) -> Vec<u64> {
    let mib = [879 * scale, 205 * scale, 137 * scale, 32 * scale, 30 * scale, 2 * scale];
    mib.into_iter().map(|n| n * MIB).chain([BLOCK, BLOCK]).collect()
}

/// Returns sizes between 8 KiB and 64 MiB, evenly spread by their logarithm.
fn small(tables: usize) -> Vec<u64> {
    let mut random = Random(7);
    (0..tables).map(|_| (BLOCK << (random.next() % 13)) + random.next() % BLOCK).collect()
}

#[test]
fn ten_thousand_workers_are_evenly_busy() {
    let tera = 1 << 40;
    println!("| cluster | tables | workers | units | largest unit / mean | idle | MySQL's: largest | idle |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, sizes, workers, max_idle) in [
        ("TPC-H, SF 10,000 (12.3 TiB)", tpch(10_000), 10_000, 0.10),
        ("TPC-H, SF 1,000 (1.3 TiB)", tpch(1_000), 10_000, 0.25),
        ("TPC-H, SF 1 (1.3 GiB)", tpch(1), 10_000, 0.3),
        ("one table of 5 TiB", vec![5 * tera], 10_000, 0.10),
        ("50,000 tables of 8 KiB to 64 MiB", small(50_000), 10_000, 0.3),
        ("50,000 empty tables", vec![0; 50_000], 10_000, 0.3),
        ("TPC-H, SF 1,000 (1.3 TiB)", tpch(1_000), 128, 0.05),
        ("one table of 5 TiB", vec![5 * tera], 128, 0.05),
        ("50,000 tables of 8 KiB to 64 MiB", small(50_000), 128, 0.10),
        ("50,000 tables of 8 KiB to 64 MiB", small(50_000), 4, 0.02),
    ] {
        let Simulation { tables, units, largest, idle } = simulate(&sizes, workers, Engine::Postgresql);
        let mysql = simulate(&sizes, workers, Engine::Mysql);
        let (idle_percent, mysql_percent) = (idle * 100.0, mysql.idle * 100.0);
        let mysql_cells = format!("{:.3} | {mysql_percent:.1} %", mysql.largest);
        println!("| {name} | {tables} | {workers} | {units} | {largest:.3} | {idle_percent:.1} % | {mysql_cells} |");
        assert!(largest.max(mysql.largest) <= 1.2, "{name}: {largest}, {}", mysql.largest);
        assert!(idle <= max_idle && mysql.idle <= 0.3, "{name}: {idle}, {}", mysql.idle);
    }
}

#[test]
fn a_table_that_cannot_be_cut_begins_first_and_other_units_are_equal() {
    let mut sizes = small(2000);
    sizes[1000] = 3 << 30;
    let unit = unit_bytes(Engine::Postgresql, sizes.iter().sum(), SMALLEST, 16);
    let cut = sizes.iter().zip(0..).flat_map(|(bytes, table)| pieces(table, *bytes, unit / PIECES, table == 1000));
    let units = pack(cut.collect(), unit, 16);
    assert_covers(&units, sizes.len());
    assert_eq!((units[0].len(), units[0][0].table), (1, 1000));
    assert!(largest(&costs(&units[1..])) <= 1.2);
}

#[test]
fn no_tables_make_no_units() {
    assert!(pack(Vec::new(), 1, 1).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_block_is_in_one_unit_and_units_are_equal(
        sizes in prop::collection::vec((prop_oneof![0..5_000_u64, 0..200_000_000_u64, 0..4_000_000_000_u64], any::<bool>()), 1..20),
        unit in prop_oneof![Just(0_u64), 1..200_u64, Just(64), Just(512)],
        workers in 0..300_u32,
    ) {
        let unit = unit * MIB;
        let target = (unit / PIECES).max(MIB);
        let cut: Vec<_> =
            sizes.iter().zip(0..).flat_map(|((bytes, whole), table)| pieces(table, *bytes, target, *whole)).collect();
        let largest_piece = cut.iter().map(cost).max().unwrap();
        let units = pack(cut, unit, workers);
        assert_covers(&units, sizes.len());
        prop_assert!(units.iter().all(|unit| !unit.is_empty()));
        let costs = costs(&units);
        prop_assert!(costs.windows(2).all(|pair| pair[0] >= pair[1]));
        // The largest unit either has a piece that could not be cut, or is close to the mean.
        let mean = costs.iter().sum::<u64>() / costs.len() as u64;
        prop_assert!(costs[0] <= largest_piece.max(unit).max(mean + unit / 5 + 1), "{} of {mean}", costs[0]);
    }

    #[test]
    fn tables_that_can_be_cut_make_equal_units(
        sizes in prop::collection::vec(prop_oneof![0..5_000_u64, 0..200_000_000_u64, 0..4_000_000_000_u64], 1..20),
        workers in 1..300_u32,
        engine in prop_oneof![Just(Engine::Postgresql), Just(Engine::Mysql)],
    ) {
        prop_assert!(simulate(&sizes, workers, engine).largest <= 1.2);
    }
}
