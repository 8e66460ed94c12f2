//! Measures how long it takes to encode rows that are already in memory, with one thread.
//! `cargo xtask bench` compares this time with the time of whole exports.
//!
//! `encode DIRECTORY FILE…` reads Parquet files and writes their rows to the directory as an export
//! does. It prints the elapsed seconds and the CPU seconds of the writing.

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use arrow_array::RecordBatch;
use export_destination::Destination;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet_sink::{PartWriter, Settings};

/// The unit of CPU times in `/proc`, in ticks per second. It is the same on every Linux.
const TICKS: f64 = 100.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().ok_or("encode DIRECTORY FILE…")?;
    let mut batches: Vec<RecordBatch> = Vec::new();
    for file in arguments {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.with_batch_size(8192).build()?;
        batches.extend(reader.collect::<Result<Vec<_>, _>>()?);
    }
    let schema = batches.first().ok_or("no rows")?.schema();
    let (began, cpu_before) = (Instant::now(), cpu_seconds()?);
    let destination = Destination::Directory(directory);
    let mut part = PartWriter::new(destination, schema, |number| format!("{number}.parquet"), Settings::default());
    for batch in &batches {
        part.write(batch).await?;
    }
    part.finish().await?;
    println!("{} {}", began.elapsed().as_secs_f64(), cpu_seconds()? - cpu_before);
    Ok(())
}

/// Returns the CPU seconds that this process has used so far.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The process name may contain any character, so the fields are counted from its end. The state
    // is then the first field; user time and system time are the twelfth and thirteenth.
    let fields = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1.split_whitespace();
    let times = fields.skip(11).take(2).map(str::parse::<f64>);
    Ok(times.sum::<Result<f64, _>>()? / TICKS)
}
