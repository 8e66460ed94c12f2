//! Writes record batches to Parquet part files. The files have the shape of those that AWS's
//! exporter writes, and a bounded size.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join("parquet-sink-example");
//! use std::sync::Arc;
//!
//! use arrow_array::{Int64Array, RecordBatch};
//! use export_destination::Destination;
//! use parquet_sink::{PartWriter, Settings};
//!
//! let ids = Int64Array::from(vec![1, 2, 3]);
//! let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as _)])?;
//! let destination = Destination::Directory(directory.clone());
//! let key_of = |file| format!("public.orders/1/part-00000-c{file:03}.gz.parquet");
//! let mut writer = PartWriter::new(destination, batch.schema(), key_of, Settings::default());
//! writer.write(&batch).await?;
//! let files = writer.finish().await?;
//! assert_eq!((files.len(), files[0].rows), (1, 3));
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! * [`part`]: writes the batches of one partition and begins a new file at the target size.
//! * [`properties`]: the Parquet settings and their reasons.
//! * [`error`]: the errors.
//! * `encoder`: makes the bytes of one file. `pages` collects the pages of a column chunk, `codec`
//!   compresses them, and `order` declares the column order.
//! * `large`: computes the statistics of columns that hold large values.
//! * `schema`: the Parquet schema of a file.
//!
//! # Memory
//!
//! An open part holds one row group that is being encoded (at most 48 MiB, usually half of that),
//! one batch, and five upload parts of 8 MiB. This was the same for 0.4 and for 2 GiB of rows.
//! glibc keeps freed blocks of this size and moves them between threads, which adds half as much
//! again. A process that writes many parts should set `MALLOC_MMAP_THRESHOLD_=1048576` in its
//! environment, which returns freed blocks immediately. A single value that is larger than a row
//! group is held three times: in its batch, in its page, and compressed. The next batch is not read
//! meanwhile.

mod codec;
mod encoder;
pub mod error;
mod large;
mod order;
mod pages;
pub mod part;
pub mod properties;
mod schema;

pub use error::SinkError;
pub use part::{PartWriter, Settings};
