//! The example `export_table` on a real server.
#![allow(clippy::unwrap_used)]

#[path = "../examples/export_table.rs"]
#[allow(dead_code, reason = "the test calls what `main` calls")]
mod export_table;
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod server;

use std::fs::File;

use parquet::file::reader::{FileReader, SerializedFileReader};
use server::Server;

#[tokio::test]
async fn a_table_becomes_parquet_files() {
    let server = Server::start("example");
    server.execute("postgres", "CREATE TABLE orders AS SELECT g AS id, md5(g::text) FROM generate_series(1, 1000) g");
    let url = server.address("reader").parse().unwrap();
    let files = export_table::export(&url, "public.orders", server.dir.join("out")).await.unwrap();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert!(file.starts_with("example/postgres/public.orders/1/part-00000-"), "{file}");
    let reader = SerializedFileReader::new(File::open(server.dir.join("out").join(file)).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 1000);
    let error = export_table::export(&url, "public.missing", server.dir.join("out")).await.unwrap_err();
    assert_eq!(error.to_string(), "the database has no such table");
}
