//! How long it takes to encode rows that are in memory already, in one thread: what `cargo xtask bench` holds against whole exports.
//!
//! `encode DIRECTORY FILE…` reads Parquet files, writes their rows to the directory as an export would, and prints the seconds
//! and the processor seconds of the writing.

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use arrow_array::RecordBatch;
use export_destination::Destination;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet_sink::{PartWriter, Settings};

/// Ticks of the system's clock of processor time in a second, on every Linux.
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
    let (began, used) = (Instant::now(), processor_seconds()?);
    let destination = Destination::Directory(directory);
    let mut part = PartWriter::new(destination, schema, |number| format!("{number}.parquet"), Settings::default());
    for batch in &batches {
        part.write(batch).await?;
    }
    part.finish().await?;
    println!("{} {}", began.elapsed().as_secs_f64(), processor_seconds()? - used);
    Ok(())
}

/// What this process has used so far.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name, which may hold anything: the state is the first field, user and system time are the twelfth and thirteenth.
    let fields = stat.rsplit_once(')').ok_or("no name in /proc/self/stat")?.1.split_whitespace();
    let times = fields.skip(11).take(2).map(str::parse::<f64>);
    Ok(times.sum::<Result<f64, _>>()? / TICKS)
}
