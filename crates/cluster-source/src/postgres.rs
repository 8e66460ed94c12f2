//! Aurora PostgreSQL, server versions 11 and later.
//!
//! Rows come by `COPY (SELECT …) TO STDOUT (FORMAT BINARY)` and are decoded straight into the buffers of Arrow arrays.
//! Numbers, booleans and `bytea` keep their type; everything else becomes the text the server itself prints under fixed
//! session settings. The frequent types are printed here, the rest is cast to `text` by the server.
//!
//! # Layout
//!
//! * `connect`: connections and their session settings.
//! * `catalog`: tables, columns, what is skipped and why; `columns` is how one column is described and read.
//! * `count`: how many rows a relation has.
//! * `failure`: what the server's errors mean; the table of SQLSTATE codes.
//! * `hold`: locks and snapshots of a server that others write to.
//! * `partition`: ranges of about equal size that together cover every row once.
//! * `profile`: what the server says of a table as a whole.
//! * `sql`: quoting, and the one statement that reads rows.
//! * `coalesce`: the messages of rows, joined before they reach the client library.
//! * `stream`: the statement's output as record batches; `copy_binary` is its framing, `batch` gathers rows.
//! * `types`: column builders; one file per natively decoded type.

mod batch;
mod catalog;
mod coalesce;
mod columns;
mod connect;
mod copy_binary;
mod count;
mod failure;
mod hold;
mod partition;
mod profile;
mod sql;
mod stream;
mod types;

pub use batch::Batcher;
pub use catalog::{Catalog, FoundRelation, FoundTable, Key, catalog};
pub use connect::{Connection, Source, databases, max_connections, powerful_role};
pub use count::count;
pub use hold::Hold;
pub use partition::{Slicing, partitions};
pub use profile::{form, listed, profile};
pub use stream::{Batches, read};
