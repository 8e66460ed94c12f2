//! Record batches to part files: Parquet of the shape that AWS's exporter writes, cut into files of
//! a bounded size.
//!
//! # Layout
//!
//! * [`part`]: one part: takes batches, writes files, begins a new file at the target size.
//! * [`properties`]: the Parquet settings and their reasons.
//! * [`error`]: what can fail.
//! * `encoder`: the bytes of one file. `pages` makes the pages of a column chunk, `codec` compresses
//!   them, `order` orders floats.
//! * `large`: statistics of columns that hold large values.
//! * `schema`: the Parquet schema of a file.
//!
//! # Memory
//!
//! An open part holds one row group that is being encoded (at most 48 MiB, usually half of that),
//! one batch, and five upload parts of 8 MiB. This was the same for 0.4 and for 2 GiB of rows. glibc
//! keeps freed blocks of this size and moves them between threads, which adds half as much again. A
//! process that writes many parts should set `MALLOC_MMAP_THRESHOLD_=1048576` in its environment,
//! which returns freed blocks at once. A single value that is larger than a row group is held three
//! times: in its batch, in its page, and compressed. The next batch is not read meanwhile.

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
