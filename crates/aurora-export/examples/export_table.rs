//! Exports one table to Parquet files with the libraries, without the command line and without AWS:
//!
//! ```sh
//! cargo run --package aurora-export --example export_table -- \
//!     postgres://reader:password@localhost:5432/shop public.orders /tmp/exports
//! ```
//!
//! The connection is not encrypted, so use it for a server on the same machine only. The table must
//! not be written to meanwhile: `aurora-export local` shows how to pin a moment of a live server.

use std::convert::Infallible;
use std::error::Error;
use std::path::PathBuf;

use cluster_source::{BatchOptions, Endpoint, Source};
use export_destination::Destination;
use export_task::engine::Engine;
use export_task::object_key::TaskPath;
use export_task::options::Options;
use partition_extractor::{Extractor, Watch};
use url::Url;

/// Size of a partition in the database, in bytes.
const PARTITION_BYTES: u64 = 64 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, table, directory] = &arguments[..] else {
        return Err("usage: export_table URL SCHEMA.TABLE DIRECTORY".into());
    };
    for file in export(&url.parse()?, table, directory.into()).await? {
        println!("{file}");
    }
    Ok(())
}

/// Exports a table of a PostgreSQL or MySQL database. Returns the paths of the files.
pub(crate) async fn export(url: &Url, table: &str, directory: PathBuf) -> Result<Vec<String>, Box<dyn Error>> {
    let (engine, port) = match url.scheme() {
        "postgres" => (Engine::Postgresql, 5432),
        "mysql" => (Engine::Mysql, 3306),
        other => return Err(format!("unknown engine {other}").into()),
    };
    let endpoint = Endpoint {
        host: url.host_str().ok_or("the URL has no host")?.to_owned(),
        port: url.port().unwrap_or(port),
        user: url.username().to_owned(),
        password: url.password().unwrap_or_default().to_owned(),
    };
    let database = url.path().trim_start_matches('/');
    let (schema, name) = table.split_once('.').ok_or("the table must be given as SCHEMA.TABLE")?;

    // The catalog says how every column is read and which Parquet type it becomes.
    let (source, options) = (Source::new(engine, endpoint, None), Options::default());
    let mut connection = source.connect(Some(database)).await?;
    let catalog = connection.catalog(database, options.types, |s, n| (s, n) == (schema, name)).await?;
    if let Some(skipped) = catalog.skipped.first() {
        return Err(format!("{} can't be exported: {}", skipped.table, skipped.message).into());
    }
    let found = catalog.tables.first().ok_or("the database has no such table")?;
    let partitions = connection.partitions(found, PARTITION_BYTES).await?;

    let path = TaskPath::new("", "example");
    let destination = Destination::Directory(directory);
    let batches = BatchOptions::default();
    let mut extractor = Extractor::new(path, options, source, destination, batches, 1, ReportRows);
    let mut files = Vec::new();
    for partition in &partitions {
        let result = extractor.partition(found.table(), partition).await?;
        if let Some(skipped) = result.skip {
            return Err(format!("{} can't be exported: {}", skipped.table, skipped.message).into());
        }
        files.extend(result.files.into_iter().map(|file| file.key));
    }
    Ok(files)
}

/// Reports progress and never stops the extraction.
struct ReportRows;

impl Watch for ReportRows {
    type Reason = Infallible;

    fn record_batch(&self, rows: usize) {
        eprintln!("{rows} rows");
    }

    async fn stop(&self) -> Infallible {
        std::future::pending().await
    }
}
