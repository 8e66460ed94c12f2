//! Aurora PostgreSQL, server versions 11 and later.
//!
//! Rows are read with `COPY (SELECT …) TO STDOUT (FORMAT BINARY)` and decoded straight into the
//! buffers of Arrow arrays. Numbers, booleans and `bytea` keep their type. Everything else becomes
//! the text that the server prints under fixed session settings. The frequent types are printed
//! here; the server converts the rest to text.
//!
//! # Layout
//!
//! * `connect`: connections and their session settings.
//! * `catalog`: tables, and the reasons for skipping them; `columns`: how one column is described
//!   and read.
//! * `count`: counts the rows of a relation.
//! * `failure`: what the server's errors mean, by SQLSTATE code.
//! * `partition`: ranges of about equal size that together cover every row once.
//! * `pin`: locks and snapshots of a server that others write to.
//! * `profile`: profiles of tables, which the server computes.
//! * `sql`: quoting, and the only statement that reads rows.
//! * `coalesce`: joins the messages of rows before they reach the client library.
//! * `stream`: the statement's output as record batches; `copy_binary` parses its framing, `batch`
//!   builds the batches.
//! * `types`: column builders, one module per family of types.

mod batch;
mod catalog;
mod coalesce;
mod columns;
mod connect;
mod copy_binary;
mod count;
mod failure;
mod partition;
mod pin;
mod profile;
mod sql;
mod stream;
mod types;

pub use batch::Batcher;
pub use catalog::{Catalog, FoundRelation, FoundTable, Key, catalog};
pub use connect::{Connection, Source, databases, max_connections, powerful_role};
pub use count::count;
pub use partition::{Slicing, partitions};
pub use pin::Pin;
pub use profile::{form, listed, profile};
pub use stream::{Batches, read};
