//! Encoding record batches into part files, in one thread, with each codec: `cargo bench --package parquet-sink`.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Decimal64Array, Int64Array, RecordBatch, StringArray};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use export_destination::Destination;
use export_task::options::Compression;
use parquet_sink::{PartWriter, Settings};

const BATCHES: u32 = 40;
const ROWS: u32 = 8192;

fn main() {
    divan::main();
}

#[divan::bench]
fn gzip(bencher: Bencher) {
    write(bencher, Compression::Gzip);
}

#[divan::bench]
fn zstd(bencher: Bencher) {
    write(bencher, Compression::Zstd);
}

#[divan::bench]
fn snappy(bencher: Bencher) {
    write(bencher, Compression::Snappy);
}

fn write(bencher: Bencher, compression: Compression) {
    let batches: Vec<RecordBatch> = (0..BATCHES).map(batch).collect();
    let bytes: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();
    let directory = std::env::temp_dir().join(format!("parquet-sink-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let counted = bencher.counter(ItemsCount::new(BATCHES * ROWS)).counter(BytesCount::new(bytes));
    counted.bench_local(|| {
        let destination = Destination::Directory(directory.clone());
        let settings = Settings { compression, ..Settings::default() };
        let mut part = PartWriter::new(destination, batches[0].schema(), |n| format!("{n}.parquet"), settings);
        runtime.block_on(async {
            for batch in &batches {
                part.write(batch).await.unwrap();
            }
            part.finish().await.unwrap()
        })
    });
    std::fs::remove_dir_all(directory).unwrap();
}

/// Rows of a key, another table's key, a sum of money, a date, a text of few values and one of many.
fn batch(number: u32) -> RecordBatch {
    let rows = number * ROWS..(number + 1) * ROWS;
    // Spreads the numbers; any odd constant would do.
    let random = |n: u32| n.wrapping_mul(2_654_435_761);
    let words = ["quickly ", "final ", "deposits ", "sleep ", "furiously "];
    let comment =
        |n: u32| (0..4).map(|word| words[(random(n) >> (word * 3)) as usize % words.len()]).collect::<String>();
    let money = Decimal64Array::from_iter_values(rows.clone().map(|n| i64::from(random(n) % 10_500_000)));
    let columns: [(&str, ArrayRef); 6] = [
        ("key", Arc::new(Int64Array::from_iter_values(rows.clone().map(|n| i64::from(n / 4))))),
        ("other", Arc::new(Int64Array::from_iter_values(rows.clone().map(|n| i64::from(random(n) % 200_000))))),
        ("money", Arc::new(money.with_precision_and_scale(15, 2).unwrap())),
        ("date", Arc::new(Date32Array::from_iter_values(rows.clone().map(|n| (random(n) % 2_500) as i32)))),
        ("mode", Arc::new(StringArray::from_iter_values(rows.clone().map(|n| words[n as usize % words.len()])))),
        ("comment", Arc::new(StringArray::from_iter_values(rows.map(comment)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}
