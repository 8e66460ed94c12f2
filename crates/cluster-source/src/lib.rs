//! Reading a cluster: connections, catalog, partitions and rows as Arrow record batches. Knows database servers and Arrow,
//! nothing of AWS. Every value arrives unchanged or an error says why it can't, and memory is bounded by
//! [`postgres::BatchOptions`], not by the table.
//!
//! # Layout
//!
//! * [`error`]: what can go wrong, and which of it is worth a retry.
//! * [`partition`]: packing partitions into work units, for any engine.
//! * [`postgres`]: Aurora PostgreSQL.

pub mod error;
pub mod partition;
pub mod postgres;

pub use error::{ErrorKind, SourceError};
