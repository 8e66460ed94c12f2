//! Tables nobody thought of, cut and read: every row must come out once. What is common to the engines.
//!
//! A table is made from one number alone, which is printed when it fails: run again with `RANGES_SEED` set to it and
//! `RANGES_TABLES` to 1. Without these variables there are some dozens of tables, always the same.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;

use cluster_source::partition::pack;
use export_task::plan::Partition;

/// Tables that are made, and dropped, together.
pub const TOGETHER: u64 = 20;

/// Characters that collations treat in ways of their own: pairs of case, accents, what expands, what combines, what is below a
/// blank, and none at all.
const CHARACTERS: &[&str] = &[
    "a", "A", "b", "B", "z", "Z", "é", "E", "e", "æ", "Æ", "ae", "ß", "ss", "ﬁ", "i", "I", "ı", "o\u{308}", "ö", "Ö",
    "u\u{301}", "ñ", "ch", "ll", " ", "\t", "\u{1}", "\u{1f}", "!", "-", "_", "%", "'", "\\", "0", "9", "😀", "日",
    "か", "が", "カ", "\u{200d}", "\u{300}", "ÿ", "þ", "Å", "Ω",
];

/// A sequence of numbers that begins with any.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of `from..to`.
    pub fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.within(0, from.len() as u64) as usize]
    }

    /// A number of some bits, so that small ones are as likely as large ones.
    pub fn number(&mut self, bits: u64) -> u64 {
        let bits = self.within(0, bits + 1);
        if bits == 0 { 0 } else { self.next() >> (64 - bits) }
    }

    /// A text of no more than so many characters, often as many.
    pub fn text(&mut self, most: u64) -> String {
        let length = if self.chance(40) { most } else { self.within(0, most + 1) };
        let mut text = String::new();
        // Few characters, so that texts have beginnings in common.
        let few = self.within(2, 6);
        let characters: Vec<&str> = (0..few).map(|_| self.pick(CHARACTERS)).collect();
        for _ in 0..length {
            text += if self.chance(70) { self.pick(&characters) } else { self.pick(CHARACTERS) };
        }
        let mut text: String = text.chars().take(most as usize).collect();
        if self.chance(10) {
            text.pop();
            text.push(' ');
        }
        text
    }

    /// Sometimes packs what a table was cut into as a plan does.
    pub fn packed(&mut self, pieces: Vec<Partition>) -> Vec<Partition> {
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

/// Which tables are made: their numbers.
pub fn seeds() -> Vec<u64> {
    let variable = |name: &str| env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let (seed, tables) = (variable("RANGES_SEED").unwrap_or(1), variable("RANGES_TABLES").unwrap_or(60));
    println!("RANGES_SEED={seed} RANGES_TABLES={tables}");
    (0..tables).map(|n| seed.wrapping_add(n)).collect()
}

/// What all tables came to.
#[derive(Default)]
pub struct Report {
    tables: u64,
    cuttable: u64,
    cut: u64,
    partitions: u64,
    failures: String,
}

impl Report {
    /// Takes the rows that were read of a table, and those that are there.
    pub fn add(
        &mut self,
        seed: u64,
        create: &str,
        cuttable: bool,
        partitions: usize,
        read: Result<Vec<i64>, String>,
        there: &[i64],
    ) {
        self.tables += 1;
        self.cuttable += u64::from(cuttable);
        self.cut += u64::from(cuttable && partitions > 1);
        self.partitions += partitions as u64;
        let mut times: BTreeMap<i64, i64> = there.iter().map(|id| (*id, 0)).collect();
        let wrong = match read {
            Ok(read) => {
                for id in read {
                    *times.entry(id).or_insert(i64::MIN / 2) += 1;
                }
                let of = |wrong: fn(i64) -> bool| {
                    let ids: Vec<_> = times.iter().filter(|(_, times)| wrong(**times)).map(|(id, _)| *id).collect();
                    (ids.len(), ids.into_iter().take(20).collect::<Vec<_>>())
                };
                let (lost, doubled, invented) = (of(|n| n == 0), of(|n| n > 1), of(|n| n < 0));
                (lost.0 + doubled.0 + invented.0 > 0)
                    .then(|| format!("lost {lost:?}, doubled {doubled:?}, not there {invented:?} of {}", there.len()))
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

    /// Nothing was lost or doubled; and so many of a hundred tables could be cut, and most of them were, that this says something.
    pub fn check(&self, least: u64) {
        let Self { tables, cuttable, cut, partitions, failures } = self;
        println!("{tables} tables, {cut} of {cuttable} that can be cut were cut, {partitions} partitions");
        assert!(failures.is_empty(), "{failures}");
        if *tables >= 20 {
            assert!(
                cuttable * 100 > tables * least && cut * 10 > cuttable * 7,
                "too few were cut: {cut} of {cuttable} of {tables}"
            );
        }
    }
}
