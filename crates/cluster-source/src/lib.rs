//! Reads a cluster: connections, catalog, partitions, and rows as Arrow record batches. The crate
//! depends on database servers and Arrow, but not on AWS. Every value arrives unchanged, or an
//! error says why it can't. Memory use depends on [`BatchOptions`], not on the size of the table.
//!
//! # Example
//!
//! Reads every table of a database:
//!
//! ```no_run
//! use cluster_source::{BatchOptions, Endpoint, Source, SourceError};
//! use export_task::engine::Engine;
//! use export_task::options::Types;
//! use futures_util::TryStreamExt;
//!
//! # async fn read() -> Result<(), SourceError> {
//! let endpoint = Endpoint {
//!     host: "localhost".to_owned(),
//!     port: 5432,
//!     user: "exporter".to_owned(),
//!     password: "secret".to_owned(),
//! };
//! // Without a TLS client the connection is not encrypted: use that only for servers on the same
//! // machine.
//! let source = Source::new(Engine::Postgresql, endpoint, None);
//! let mut connection = source.connect(Some("shop")).await?;
//! let catalog = connection.catalog("shop", Types::Aurora, |_schema, _table| true).await?;
//! for found in &catalog.tables {
//!     // Partitions can be read in any order, also by several connections at once.
//!     for partition in connection.partitions(found, 64 << 20).await? {
//!         let options = BatchOptions::default();
//!         let mut batches = connection.read(found.table(), &partition, options).await?;
//!         while let Some(batch) = batches.try_next().await? {
//!             println!("{}: {} rows", found.table().name, batch.num_rows());
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! * [`batch`]: schema and size limits of record batches, for every engine.
//! * [`endpoint`]: the address of a server, and the certificates it is verified with.
//! * [`error`]: the errors, and which of them a caller retries.
//! * [`live`]: reads a server as it was at one moment while others write to it.
//! * [`mysql`]: Aurora MySQL.
//! * `names`: names that can't be exported, for every engine.
//! * [`postgres`]: Aurora PostgreSQL.
//! * [`profile`]: profiles of tables, which the server computes, to compare an export with.
//! * [`source`]: one interface for every engine.
//! * `values`: the buffers that decoders fill, for every engine.

pub mod batch;
pub mod endpoint;
pub mod error;
pub mod live;
pub mod mysql;
mod names;
pub mod postgres;
pub mod profile;
pub mod source;
mod values;

pub use batch::{BatchOptions, arrow_schema};
pub use endpoint::{Endpoint, tls};
pub use error::{ErrorKind, SourceError};
pub use source::{Batches, Connection, Source};
