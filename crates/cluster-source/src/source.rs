//! One interface for every engine. Each variant only delegates to its engine's module.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_array::RecordBatch;
use export_task::engine::Engine;
use export_task::options::Types;
use export_task::plan::{Partition, Relation};
use export_task::table::Table;
use export_task::warning::SkippedTable;
use futures_util::Stream;
use rustls::ClientConfig;

use crate::batch::BatchOptions;
use crate::endpoint::Endpoint;
use crate::error::SourceError;
use crate::profile::{Asked, Form, ListedColumn, ListedTable, Profile};
use crate::{mysql, postgres};

/// A server, ready to connect to any of its databases.
#[derive(Clone)]
pub enum Source {
    /// Aurora PostgreSQL.
    Postgres(postgres::Source),
    /// Aurora MySQL.
    Mysql(mysql::Source),
}

impl Source {
    /// Returns a source at `endpoint`. With a TLS client (see [`crate::tls`]) every connection is
    /// encrypted, and the server's certificate and host name are verified. Without one nothing is
    /// encrypted: use that only for servers on the same machine.
    pub fn new(engine: Engine, endpoint: Endpoint, tls: Option<ClientConfig>) -> Self {
        match engine {
            Engine::Postgresql => Self::Postgres(postgres::Source::new(endpoint, tls)),
            Engine::Mysql => Self::Mysql(mysql::Source::new(endpoint, tls)),
        }
    }

    /// Returns the engine.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Postgres(_) => Engine::Postgresql,
            Self::Mysql(_) => Engine::Mysql,
        }
    }

    /// Returns how a column is compared whose values have the form `form` in the files, or `None`
    /// if the column's type can't have that form.
    pub fn form(&self, column: &ListedColumn, form: Form, list: bool) -> Option<Form> {
        match self {
            Self::Postgres(_) => postgres::form(column, form, list),
            Self::Mysql(_) => mysql::form(column, form, list),
        }
    }

    /// Adds databases that [`Source::connect`] tries on PostgreSQL when no database is given.
    #[must_use]
    pub fn knowing(self, databases: Vec<String>) -> Self {
        match self {
            Self::Postgres(source) => Self::Postgres(source.knowing(databases)),
            Self::Mysql(_) => self,
        }
    }

    /// Returns a PostgreSQL role whose powers the user has and no export needs: a superuser, or a
    /// role that may read or write the server's files or run programs there.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn powerful_role(&self) -> Result<Option<String>, SourceError> {
        match self {
            Self::Postgres(source) => postgres::powerful_role(&source.connect_first().await?).await,
            Self::Mysql(_) => Ok(None),
        }
    }

    /// Connects to `database`. For `None`, connects to any database that accepts the user.
    ///
    /// # Errors
    /// [`SourceError`] of kind unavailable, throttled, or access denied.
    pub async fn connect(&self, database: Option<&str>) -> Result<Connection, SourceError> {
        Ok(match self {
            Self::Postgres(source) => Connection::Postgres(match database {
                Some(database) => source.connect(database).await?,
                None => source.connect_first().await?,
            }),
            Self::Mysql(source) => Connection::Mysql(source.connect(database).await?),
        })
    }

    /// Returns a connection that reads rows of a database. On a pinned server it sees the moment
    /// that the server is pinned at.
    ///
    /// # Errors
    /// [`SourceError`] of kind unavailable, throttled, or access denied.
    pub async fn reader(&self, database: &str) -> Result<Connection, SourceError> {
        Ok(match self {
            Self::Postgres(source) => Connection::Postgres(source.connect(database).await?),
            Self::Mysql(source) => Connection::Mysql(source.reader(database).await?),
        })
    }
}

/// A connection to one database. Dropping it closes the socket, which ends the server's work for
/// it.
pub enum Connection {
    /// To Aurora PostgreSQL.
    Postgres(postgres::Connection),
    /// To Aurora MySQL.
    Mysql(mysql::Connection),
}

impl Connection {
    /// Returns whether the connection can read tables of every database, and stays usable after an
    /// error of one table. That is so on MySQL, where statements name databases.
    pub fn serves_all(&self) -> bool {
        matches!(self, Self::Mysql(_))
    }

    /// Returns the databases that hold a user's data, ordered by name.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn databases(&mut self) -> Result<Vec<String>, SourceError> {
        match self {
            Self::Postgres(connection) => postgres::databases(connection).await,
            Self::Mysql(connection) => mysql::databases(connection).await,
        }
    }

    /// Returns the number of connections that the server allows.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn max_connections(&mut self) -> Result<u32, SourceError> {
        match self {
            Self::Postgres(connection) => postgres::max_connections(connection).await,
            Self::Mysql(connection) => mysql::max_connections(connection).await,
        }
    }

    /// Reads the catalog of a database, which is the connection's database on PostgreSQL. `selects`
    /// takes a schema and a table name and returns whether the table is wanted. Other tables are
    /// neither returned nor reported. `types` determines the Parquet types of columns.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn catalog(
        &mut self,
        database: &str,
        types: Types,
        selects: impl Fn(&str, &str) -> bool,
    ) -> Result<Catalog, SourceError> {
        match self {
            Self::Postgres(connection) => {
                let catalog = postgres::catalog(connection, database, types, selects).await?;
                let tables = catalog.tables.into_iter().map(FoundTable::Postgres).collect();
                Ok(Catalog { tables, skipped: catalog.skipped })
            }
            Self::Mysql(connection) => {
                let catalog = mysql::catalog(connection, database, types, selects).await?;
                let tables = catalog.tables.into_iter().map(FoundTable::Mysql).collect();
                Ok(Catalog { tables, skipped: catalog.skipped })
            }
        }
    }

    /// Divides a table into partitions of about `target_bytes`, ordered by batch_index and
    /// partition_index.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn partitions(&mut self, found: &FoundTable, target_bytes: u64) -> Result<Vec<Partition>, SourceError> {
        match (self, found) {
            (Self::Postgres(connection), FoundTable::Postgres(found)) => {
                let slicing = postgres::Slicing::from_server_version(connection.server_version());
                postgres::partitions(connection, found, slicing, target_bytes).await
            }
            (Self::Mysql(connection), FoundTable::Mysql(found)) => {
                mysql::partitions(connection, found, target_bytes).await
            }
            _ => Err(SourceError::Plan("the table belongs to another engine".to_owned())),
        }
    }

    /// Lists the tables of a database, which is the connection's database on PostgreSQL. The
    /// queries share no code with [`Connection::catalog`], because they serve to check it.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn listed(&mut self, database: &str) -> Result<Vec<ListedTable>, SourceError> {
        match self {
            Self::Postgres(connection) => postgres::listed(connection).await,
            Self::Mysql(connection) => mysql::listed(connection, database).await,
        }
    }

    /// Returns the profile of a table, which the server computes.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn profile(&mut self, table: &ListedTable, asked: &[Asked<'_>]) -> Result<Profile, SourceError> {
        match self {
            Self::Postgres(connection) => postgres::profile(connection, table, asked).await,
            Self::Mysql(connection) => mysql::profile(connection, table, asked).await,
        }
    }

    /// Counts a relation's rows on the server in one statement. Returns `None` if that takes longer
    /// than `within`.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn count(&mut self, relation: &Relation, within: Option<Duration>) -> Result<Option<u64>, SourceError> {
        match self {
            Self::Postgres(connection) => postgres::count(connection, relation, within).await,
            Self::Mysql(connection) => mysql::count(connection, relation, within).await,
        }
    }

    /// Starts reading the rows of a partition.
    ///
    /// The connection must live until the stream ends. If the stream is dropped earlier, the
    /// connection can't be used any more unless it [serves all](Self::serves_all) databases: drop
    /// both.
    ///
    /// # Errors
    /// [`SourceError`], from this call or from the stream. A stream that ends without an error has
    /// returned every row.
    pub async fn read(
        &mut self,
        table: &Table,
        partition: &Partition,
        options: BatchOptions,
    ) -> Result<Batches<'_>, SourceError> {
        Ok(match self {
            Self::Postgres(connection) => {
                Batches::Postgres(postgres::read(connection, table, partition, options).await?)
            }
            Self::Mysql(connection) => Batches::Mysql(mysql::read(connection, table, partition, options).await?),
        })
    }
}

/// The tables of a database.
#[derive(Debug)]
pub struct Catalog {
    /// Tables that can be exported, ordered by schema and name.
    pub tables: Vec<FoundTable>,
    /// Selected tables that can't be exported, with the reason.
    pub skipped: Vec<SkippedTable>,
}

/// A table that can be exported, with what its engine knows about dividing it.
#[derive(Clone, Debug)]
pub enum FoundTable {
    /// In Aurora PostgreSQL.
    Postgres(postgres::FoundTable),
    /// In Aurora MySQL.
    Mysql(mysql::FoundTable),
}

impl FoundTable {
    /// Returns the table. Its id, and that in its partitions, is 0 until the planner numbers it.
    pub fn table(&self) -> &Table {
        match self {
            Self::Postgres(found) => &found.table,
            Self::Mysql(found) => &found.table,
        }
    }

    /// Returns the table alone.
    pub fn into_table(self) -> Table {
        match self {
            Self::Postgres(found) => found.table,
            Self::Mysql(found) => found.table,
        }
    }

    /// Returns the size on disk, or the server's estimate of it.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Postgres(found) => found.relations.iter().map(|relation| relation.bytes).sum(),
            Self::Mysql(found) => found.bytes,
        }
    }
}

/// A stream of record batches, none of them empty.
pub enum Batches<'a> {
    /// From Aurora PostgreSQL.
    Postgres(postgres::Batches),
    /// From Aurora MySQL.
    Mysql(mysql::Batches<'a>),
}

impl Batches<'_> {
    /// Returns the number of bytes of row data received so far.
    pub fn bytes_read(&self) -> u64 {
        match self {
            Self::Postgres(batches) => batches.bytes_read(),
            Self::Mysql(batches) => batches.bytes_read(),
        }
    }
}

impl Stream for Batches<'_> {
    type Item = Result<RecordBatch, SourceError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Self::Postgres(batches) => Pin::new(batches).poll_next(cx),
            Self::Mysql(batches) => Pin::new(batches).poll_next(cx),
        }
    }
}
