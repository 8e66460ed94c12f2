//! Aurora MySQL, server versions 5.7 and later, and MariaDB.
//!
//! This module has its own implementation of the client protocol. Rows come by a prepared
//! statement's binary protocol, and are decoded from the packets straight into the buffers of Arrow
//! arrays. The `mysql_common` crate provides the packets of the login and the proofs of the
//! password.
//!
//! # Layout
//!
//! * `connect`: connections and their session settings. `handshake` logs in. `product` has the SQL
//!   that differs between MySQL and MariaDB.
//! * `wire`: packets. `fields` parses their contents, `query` runs statements.
//! * `failure`: error packets. `codes` has the server's error codes.
//! * `catalog`: tables, columns, and which tables are skipped and why. `columns` says how a column
//!   is described and read, `size` how large a table is.
//! * `count`: how many rows a table has.
//! * `pin`: connections that all see a live server as it was at one moment.
//! * `partition`: ranges of about equal size that together cover each row once. `index` finds the
//!   key to partition a table by, `midpoint` values between two keys.
//! * `profile`: what the server says of a table as a whole.
//! * `sql`: quoting, conditions, and the one statement that reads rows.
//! * `stream`: the statement's rows as a stream of record batches. `batch` builds the batches.
//! * `types`: column builders. `calendar` converts dates.

mod batch;
mod calendar;
mod catalog;
mod codes;
mod columns;
mod connect;
mod count;
mod failure;
mod fields;
mod handshake;
mod index;
mod midpoint;
mod partition;
mod pin;
mod product;
mod profile;
mod query;
mod size;
mod sql;
mod stream;
mod types;
mod wire;

pub use batch::Batcher;
pub use catalog::{Catalog, FoundTable, catalog};
pub use connect::{Connection, Source, databases, max_connections};
pub use count::count;
pub use index::Key;
pub use partition::partitions;
pub(crate) use pin::{Pinned, pin};
pub use profile::{form, listed, profile};
pub use stream::{Batches, read};
