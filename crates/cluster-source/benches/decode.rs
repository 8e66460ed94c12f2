//! Decodes rows into record batches, as servers send them: `cargo bench --package cluster-source`.
//! The rows look like those of TPC-H's lineitem. The columns except the keys are text (AWS's
//! types), or Parquet's own dates and decimals.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use cluster_source::{BatchOptions, mysql, postgres};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use export_task::table::{Column, ParquetType, Table};

const ROWS: u32 = 100_000;
/// Size of one read from a socket.
const CHUNK: usize = 64 << 10;
const MONEY: ParquetType = ParquetType::Decimal { precision: 15, scale: 2 };

fn main() {
    divan::main();
}

#[divan::bench]
fn postgres_copy_to_text(bencher: Bencher) {
    postgres_copy(bencher, ParquetType::String, ParquetType::String);
}

#[divan::bench]
fn postgres_copy_to_native(bencher: Bencher) {
    postgres_copy(bencher, MONEY, ParquetType::Date);
}

fn postgres_copy(bencher: Bencher, money: ParquetType, date: ParquetType) {
    let table = table(["int8", "numeric", "date", "text"], money, date);
    let copy = Bytes::from(copy());
    let counted = bencher.counter(ItemsCount::new(ROWS)).counter(BytesCount::new(copy.len()));
    counted.bench_local(|| {
        let mut batcher = postgres::Batcher::new(&table, 150_000, BatchOptions::default()).unwrap();
        for start in (0..copy.len()).step_by(CHUNK) {
            batcher.push(copy.slice(start..copy.len().min(start + CHUNK)));
            while let Some(batch) = batcher.next_full().unwrap() {
                black_box(batch);
            }
        }
        black_box(batcher.finish().unwrap())
    });
}

#[divan::bench]
fn mysql_binary_rows(bencher: Bencher) {
    let table = table(["bigint", "decimal", "date", "text"], MONEY, ParquetType::String);
    let rows: Vec<Vec<u8>> = (0..ROWS).map(binary_row).collect();
    let bytes: usize = rows.iter().map(Vec::len).sum();
    let counted = bencher.counter(ItemsCount::new(ROWS)).counter(BytesCount::new(bytes));
    counted.bench_local(|| {
        let mut batcher = mysql::Batcher::new(&table, BatchOptions::default()).unwrap();
        for row in &rows {
            if batcher.append(row).unwrap() {
                black_box(batcher.take().unwrap());
            }
        }
        black_box(batcher.take().unwrap())
    });
}

/// Returns a table of four keys, four sums of money, three dates and five texts. `decodes` are the
/// engine's decoders for them.
fn table(decodes: [&str; 4], money: ParquetType, date: ParquetType) -> Table {
    let kinds = [(4, ParquetType::Int64), (4, money), (3, date), (5, ParquetType::String)];
    let columns = kinds.into_iter().zip(decodes).flat_map(|((count, parquet), decode)| {
        (0..count).map(move |number| Column {
            name: format!("{decode}_{number}"),
            original_type: String::new(),
            char_max_length: 0,
            num_precision: 15,
            datetime_precision: 0,
            decode: decode.to_owned(),
            parquet,
            list: false,
        })
    });
    Table {
        id: 0,
        database: "bench".to_owned(),
        schema: "public".to_owned(),
        name: "lineitem".to_owned(),
        directory_suffix: None,
        columns: columns.collect(),
    }
}

/// Returns the values of row `n`: the keys, the money in cents, the days since 2000-01-01, and the
/// texts.
fn values(n: u32) -> ([i64; 4], [u32; 4], [i32; 3], [String; 5]) {
    // Spreads the numbers. Any odd constant would work.
    let random = n.wrapping_mul(2_654_435_761);
    let keys = [n / 4, random % 200_000, random % 10_000, n % 7].map(i64::from);
    let money = [random % 51 * 100, random % 10_500_000, random % 11, random % 9];
    let day = (random % 2_500).cast_signed() - 2_900;
    let words = ["quickly ", "final ", "deposits ", "sleep ", "furiously "];
    let comment = (0..4).map(|word| words[(random >> (word * 3)) as usize % words.len()]).collect();
    let texts = ["N".to_owned(), "O".to_owned(), "DELIVER IN PERSON".to_owned(), "TRUCK".to_owned(), comment];
    (keys, money, [day, day + 30, day + 17], texts)
}

/// Returns the output of `COPY … (FORMAT BINARY)`.
fn copy() -> Vec<u8> {
    let mut copy = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    let field = |copy: &mut Vec<u8>, value: &[u8]| {
        copy.extend((value.len() as i32).to_be_bytes());
        copy.extend(value);
    };
    for n in 0..ROWS {
        let (keys, money, dates, texts) = values(n);
        copy.extend(16_i16.to_be_bytes());
        keys.iter().for_each(|key| field(&mut copy, &key.to_be_bytes()));
        money.iter().for_each(|cents| field(&mut copy, &numeric(*cents)));
        dates.iter().for_each(|days| field(&mut copy, &days.to_be_bytes()));
        texts.iter().for_each(|text| field(&mut copy, text.as_bytes()));
    }
    copy.extend((-1_i16).to_be_bytes());
    copy
}

/// Returns a `numeric` of two decimals. Its digits are to base 10,000, without leading or trailing
/// zeros.
fn numeric(cents: u32) -> Vec<u8> {
    let (whole, fraction) = (cents / 100, cents % 100 * 100);
    let mut digits = vec![(whole / 10_000) as u16, (whole % 10_000) as u16, fraction as u16];
    let mut weight = 1_i16;
    while digits.first() == Some(&0) {
        digits.remove(0);
        weight -= 1;
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let weight = if digits.is_empty() { 0 } else { weight };
    let header = [digits.len() as u16, weight.cast_unsigned(), 0, 2];
    header.into_iter().chain(digits).flat_map(u16::to_be_bytes).collect()
}

/// Returns a row as a prepared statement sends it.
fn binary_row(n: u32) -> Vec<u8> {
    let (keys, money, dates, texts) = values(n);
    let mut row = vec![0; 4];
    keys.iter().for_each(|key| row.extend(key.to_le_bytes()));
    let string = |row: &mut Vec<u8>, text: &str| {
        row.push(text.len() as u8);
        row.extend(text.as_bytes());
    };
    money.iter().for_each(|cents| string(&mut row, &format!("{}.{:02}", cents / 100, cents % 100)));
    for days in dates {
        // The exact date does not matter.
        let days = days.unsigned_abs();
        row.push(4);
        row.extend(((1992 + days / 366) as u16).to_le_bytes());
        row.extend([(1 + days % 12) as u8, (1 + days % 28) as u8]);
    }
    texts.iter().for_each(|text| string(&mut row, text));
    row
}
