//! Generated tables, partitioned and read: each row must appear once. This module is shared by the
//! tests of all engines.
//!
//! A table is generated from a seed. When a table fails, the test prints its seed: run it again
//! with `RANGES_SEED` set to it and `RANGES_TABLES` set to 1. Without these variables the test
//! generates the same few dozen tables in each run.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;

use export_planner::packing::pack;
use export_task::plan::Partition;

/// The number of tables that a test creates and drops together.
pub(crate) const TOGETHER: u64 = 20;

/// Characters that collations treat specially: pairs of case, accents, expansions, combining
/// characters, characters that sort below a blank, and characters without weight.
const CHARACTERS: &[&str] = &[
    "a", "A", "b", "B", "z", "Z", "é", "E", "e", "æ", "Æ", "ae", "ß", "ss", "ﬁ", "i", "I", "ı", "o\u{308}", "ö", "Ö",
    "u\u{301}", "ñ", "ch", "ll", " ", "\t", "\u{1}", "\u{1f}", "!", "-", "_", "%", "'", "\\", "0", "9", "😀", "日",
    "か", "が", "カ", "\u{200d}", "\u{300}", "ÿ", "þ", "Å", "Ω",
];

/// A pseudo-random sequence of numbers, the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number of `from..to`.
    pub(crate) fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.within(0, from.len() as u64) as usize]
    }

    /// Returns a number of up to `bits` bits. Each number of bits is equally likely, so small
    /// numbers are as likely as large ones.
    pub(crate) fn number(&mut self, bits: u64) -> u64 {
        let bits = self.within(0, bits + 1);
        if bits == 0 { 0 } else { self.next() >> (64 - bits) }
    }

    /// Returns a text of at most `max` characters, often of exactly `max`.
    pub(crate) fn text(&mut self, max: u64) -> String {
        let length = if self.chance(40) { max } else { self.within(0, max + 1) };
        let mut text = String::new();
        // Few different characters give texts with common prefixes.
        let few = self.within(2, 6);
        let characters: Vec<&str> = (0..few).map(|_| self.pick(CHARACTERS)).collect();
        for _ in 0..length {
            text += if self.chance(70) { self.pick(&characters) } else { self.pick(CHARACTERS) };
        }
        let mut text: String = text.chars().take(max as usize).collect();
        if self.chance(10) {
            text.pop();
            text.push(' ');
        }
        text
    }

    /// Packs the pieces of a table into units as the planner does, in half of the calls.
    pub(crate) fn packed(&mut self, pieces: Vec<Partition>) -> Vec<Partition> {
        const LARGER: u64 = 1 << 20;
        if !self.chance(50) {
            return pieces;
        }
        let larger: Vec<Partition> =
            pieces.into_iter().map(|piece| Partition { bytes: piece.bytes * LARGER, ..piece }).collect();
        let all: u64 = larger.iter().map(|piece| piece.bytes).sum();
        let (units, workers) = (self.within(1, 9), self.within(1, 4) as u32);
        pack(larger, all / units, workers).into_iter().flatten().collect()
    }
}

/// Returns the seeds of the tables to generate.
pub(crate) fn seeds() -> Vec<u64> {
    let variable = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let (seed, tables) = (variable("RANGES_SEED").unwrap_or(1), variable("RANGES_TABLES").unwrap_or(60));
    println!("RANGES_SEED={seed} RANGES_TABLES={tables}");
    (0..tables).map(|n| seed.wrapping_add(n)).collect()
}

/// The results of all tables.
#[derive(Default)]
pub(crate) struct Report {
    tables: u64,
    cuttable: u64,
    cut: u64,
    partitions: u64,
    failures: String,
}

impl Report {
    /// Adds a table: the ids of the rows that were read, and of the rows that it has.
    pub(crate) fn add(
        &mut self,
        seed: u64,
        create: &str,
        cuttable: bool,
        partitions: usize,
        read: Result<Vec<i64>, String>,
        present: &[i64],
    ) {
        self.tables += 1;
        self.cuttable += u64::from(cuttable);
        self.cut += u64::from(cuttable && partitions > 1);
        self.partitions += partitions as u64;
        let mut times: BTreeMap<i64, i64> = present.iter().map(|id| (*id, 0)).collect();
        let wrong = match read {
            Ok(read) => {
                for id in read {
                    *times.entry(id).or_insert(i64::MIN / 2) += 1;
                }
                let ids_with = |wrong: fn(i64) -> bool| {
                    let ids: Vec<_> = times.iter().filter(|(_, times)| wrong(**times)).map(|(id, _)| *id).collect();
                    (ids.len(), ids.into_iter().take(20).collect::<Vec<_>>())
                };
                let (lost, doubled, invented) = (ids_with(|n| n == 0), ids_with(|n| n > 1), ids_with(|n| n < 0));
                (lost.0 + doubled.0 + invented.0 > 0).then(|| {
                    format!("lost {lost:?}, read twice {doubled:?}, not in the table {invented:?} of {}", present.len())
                })
            }
            Err(error) => Some(error),
        };
        if let Some(wrong) = wrong {
            let _ = write!(
                self.failures,
                "\nRANGES_SEED={seed} RANGES_TABLES=1, {partitions} partitions: {wrong}\n{create}\n"
            );
        }
    }

    /// Checks that no row was lost or read twice. Also checks that at least `min_percent` percent
    /// of the tables could be cut and most of those were, because else the test proves little.
    pub(crate) fn check(&self, min_percent: u64) {
        let Self { tables, cuttable, cut, partitions, failures } = self;
        println!("{tables} tables, {cut} of {cuttable} with a key were cut, {partitions} partitions");
        assert!(failures.is_empty(), "{failures}");
        if *tables >= 20 {
            assert!(
                cuttable * 100 > tables * min_percent && cut * 10 > cuttable * 7,
                "too few were cut: {cut} of {cuttable} of {tables}"
            );
        }
    }
}
