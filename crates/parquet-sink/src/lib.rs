//! Record batches to part files: Parquet of the shape AWS's exporter writes, cut into files of a bounded size, in an
//! S3 bucket (multipart, SSE-KMS) or a local directory. Memory is bounded whatever the size of the table: one row group
//! being encoded, and a few upload parts in flight.
//!
//! # Layout
//!
//! * [`destination`]: where files go, and small objects written in one request.
//! * [`error`]: what can fail, and what a failure means to the workflow.
//! * [`part`]: one part: batches in, finished files out, rolling at the target size.
//! * [`properties`]: the Parquet settings and their reasons.
//! * `encoder`: one file's bytes; `pages` are those of a column chunk, compressed by `codec`; `order` is that of floats.
//! * `large`: statistics of columns that hold large values.
//! * `schema`: the Parquet schema of a file.
//! * `multipart`: one S3 object written while its size is still unknown.
//! * `directory`: one local file that appears under its name only when it is complete.
//!
//! # Memory
//!
//! Per open part: a row group being encoded (at most 48 MiB, usually half of that), a batch, and five upload parts of 8 MiB,
//! the same for 0.4 and for 2 GiB of rows. glibc keeps freed blocks of this size and hands them from thread to thread, which
//! adds half as much again; a process that writes many parts should run with `MALLOC_MMAP_THRESHOLD_=1048576` in its
//! environment, which returns them at once. A single value larger than a row group is held as it is: by the batch, by its page, and
//! by what that is compressed to; the next batch is not read meanwhile.

mod codec;
pub mod destination;
mod directory;
mod encoder;
pub mod error;
mod large;
mod multipart;
mod order;
mod pages;
pub mod part;
pub mod properties;
mod schema;

pub use destination::{Claim, Destination, S3Destination, put_object};
pub use error::SinkError;
pub use part::{PartWriter, Settings};
