//! Reading a cluster: connections, catalog, partitions and rows as Arrow record batches. Knows database servers and Arrow,
//! nothing of AWS. Every value arrives unchanged or an error says why it can't, and memory is bounded by
//! [`BatchOptions`], not by the table.
//!
//! # Layout
//!
//! * [`batch`]: the schema and the size of batches, for any engine.
//! * [`endpoint`]: where a server is and how it is trusted.
//! * [`error`]: what can go wrong, and which of it is worth a retry.
//! * [`live`]: a server that others write to, read as it was at one moment.
//! * [`mysql`]: Aurora MySQL.
//! * `names`: names that can't be exported, for any engine.
//! * [`partition`]: packing partitions into work units, for any engine.
//! * [`postgres`]: Aurora PostgreSQL.
//! * [`profile`]: what a server says of a table as a whole, to compare an export with.
//! * [`source`]: one interface for every engine.
//! * [`survey`]: everything a server holds, cut into partitions.
//! * `values`: the buffers that decoders fill, for any engine.

pub mod batch;
pub mod endpoint;
pub mod error;
pub mod live;
pub mod mysql;
mod names;
pub mod partition;
pub mod postgres;
pub mod profile;
pub mod source;
pub mod survey;
mod values;

pub use batch::{BatchOptions, arrow_schema};
pub use endpoint::{Endpoint, tls};
pub use error::{ErrorKind, SourceError};
pub use source::{Batches, Connection, Source};
