//! Aurora MySQL, server versions 5.7 and later, and MariaDB.
//!
//! A connection of our own: rows come by a prepared statement's binary protocol and are decoded from the packets straight into
//! the buffers of Arrow arrays. The `mysql_common` crate provides the packets and proofs of the login.
//!
//! # Layout
//!
//! * `connect`: connections and their session settings; `handshake` logs in.
//! * `wire`: packets; `fields` is what they are made of, `failure` the errors among them, `query` statements.
//! * `catalog`: tables, columns, what is skipped and why; `columns` is how one column is described and read.
//! * `count`: how many rows a table has.
//! * `live`: connections that see one moment of a server others write to.
//! * `partition`: ranges of about equal size that together cover every row once; `key` is what their bounds are made of.
//! * `profile`: what the server says of a table as a whole.
//! * `size`: how large tables are.
//! * `sql`: quoting, conditions, and the one statement that reads rows.
//! * `stream`: the statement's rows as record batches; `batch` gathers them.
//! * `types`: column builders.

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
mod key;
mod live;
mod partition;
mod profile;
mod query;
mod size;
mod sql;
mod stream;
mod types;
mod wire;

pub use batch::Batcher;
pub use catalog::{Catalog, FoundTable, Key, catalog};
pub use connect::{Connection, Source, databases, max_connections};
pub use count::count;
pub(crate) use live::{Held, hold};
pub use partition::partitions;
pub use profile::{form, listed, profile};
pub use stream::{Batches, read};
