//! Connections: TLS, refusals, session settings, snapshots.

use std::error::Error;

use arrow_array::cast::AsArray;
use cluster_source::live::Live;
use cluster_source::postgres::{self, Slicing, Source, databases};
use cluster_source::{Endpoint, tls};
use cluster_source::{ErrorKind, SourceError};
use export_task::export_only::ExportOnly;
use export_task::options::Types;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{self, Database, endpoint};

async fn refusal(source: &Source, database: &str) -> SourceError {
    source.connect(database).await.err().expect("connected")
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[tokio::test]
async fn tls_verifies_the_authority_and_the_host_name() {
    let trusted = tls(server::ca_pem().as_bytes()).unwrap();
    Source::new(endpoint(), Some(trusted.clone())).connect("postgres").await.unwrap();

    let address = Endpoint { host: "127.0.0.1".to_owned(), ..endpoint() };
    let error = refusal(&Source::new(address, Some(trusted)), "postgres").await;
    assert!(matches!(error, SourceError::Untrusted { .. }), "{error:?}");

    let key = rcgen::KeyPair::generate().unwrap();
    let stranger = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let error = refusal(&Source::new(endpoint(), Some(tls(stranger.as_bytes()).unwrap())), "postgres").await;
    assert!(matches!(error, SourceError::Untrusted { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::AccessDenied);

    assert!(matches!(tls(b"no certificate").unwrap_err(), SourceError::CertificateAuthorities { .. }));
}

#[tokio::test]
async fn a_server_without_tls_is_refused_and_a_silent_end_is_retried() {
    for (answer, kind) in
        [(&b"N"[..], ErrorKind::AccessDenied), (b"", ErrorKind::Unavailable), (b"S", ErrorKind::Unavailable)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_exact(&mut [0; 8]).await.unwrap();
            socket.write_all(answer).await.unwrap();
        });
        let there = Endpoint { host: "127.0.0.1".to_owned(), port, ..endpoint() };
        let error = refusal(&Source::new(there, Some(tls(server::ca_pem().as_bytes()).unwrap())), "postgres").await;
        assert_eq!(error.kind(), kind, "{error:?}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn refusals_have_kinds() {
    let wrong = Endpoint { password: "wrong".to_owned(), ..endpoint() };
    assert!(!format!("{wrong:?}").contains("wrong"));
    let error = refusal(&Source::new(wrong, None), "postgres").await;
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(chain(&error).contains("28P01"), "{}", chain(&error));

    let closed = Endpoint { port: 1, ..endpoint() };
    assert_eq!(refusal(&Source::new(closed, None), "postgres").await.kind(), ErrorKind::Unavailable);
    assert_eq!(refusal(&server::source(), "no such database").await.kind(), ErrorKind::AccessDenied);

    let database = Database::create().await;
    database.execute("CREATE ROLE limited LOGIN PASSWORD 'x' CONNECTION LIMIT 0").await;
    let limited = Endpoint { user: "limited".to_owned(), password: "x".to_owned(), ..endpoint() };
    assert_eq!(refusal(&Source::new(limited, None), &database.name).await.kind(), ErrorKind::Throttled);
    database.execute("DROP ROLE limited").await;
}

#[tokio::test]
async fn any_database_that_accepts_the_user_is_enough() {
    let database = Database::create().await;
    for known in [vec![], vec!["no such".to_owned()], vec!["no such".to_owned(), database.name.clone()]] {
        let connection = server::source().knowing(known).connect_first().await.unwrap();
        assert!(databases(&connection).await.unwrap().contains(&database.name));
    }
    let wrong = Endpoint { password: "wrong".to_owned(), ..endpoint() };
    let error = Source::new(wrong, None).knowing(vec![database.name.clone()]).connect_first().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    let messages = chain(&error);
    assert!(messages.contains(&format!("{}, postgres, template1", database.name)), "{messages}");
    assert!(messages.contains("28P01"), "{messages}");
}

/// Settings, each with the value that would change the most.
const SETTINGS: &[(&str, &str)] = &[
    ("TimeZone", "'Asia/Tokyo'"),
    ("timezone_abbreviations", "'Australia'"),
    ("IntervalStyle", "iso_8601"),
    ("DateStyle", "'German, DMY'"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-5"),
    ("search_path", "public"),
    ("client_encoding", "latin1"),
    ("quote_all_identifiers", "on"),
    ("xmlbinary", "hex"),
    ("xmloption", "document"),
    ("lc_numeric", "'C'"),
    ("array_nulls", "off"),
    ("standard_conforming_strings", "off"),
    ("backslash_quote", "on"),
    ("transform_null_equals", "on"),
    ("row_security", "on"),
    ("role", "settled"),
    ("session_replication_role", "replica"),
    ("statement_timeout", "1"),
    ("lock_timeout", "1"),
    ("idle_in_transaction_session_timeout", "1"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("constraint_exclusion", "on"),
    ("synchronize_seqscans", "on"),
    ("enable_seqscan", "off"),
    ("enable_tidscan", "off"),
    ("enable_indexscan", "off"),
    ("enable_sort", "off"),
    ("force_parallel_mode", "on"),
    ("max_parallel_workers_per_gather", "8"),
    ("parallel_setup_cost", "0"),
    ("min_parallel_table_scan_size", "0"),
    ("jit", "on"),
    ("jit_above_cost", "0"),
    ("work_mem", "'64kB'"),
    ("temp_file_limit", "0"),
    ("client_min_messages", "debug5"),
    ("plan_cache_mode", "force_generic_plan"),
    ("cursor_tuple_fraction", "0"),
    ("from_collapse_limit", "1"),
];

/// Settings of a server, a database or a role do not change values, whether the server is pinned or
/// not, and for both ways to divide a table.
#[tokio::test]
async fn no_setting_changes_a_value() {
    let database = Database::create().await;
    let name = &database.name;
    database
        .execute(
            "CREATE ROLE settled; GRANT pg_read_all_data TO settled; CREATE ROLE set LOGIN PASSWORD 'x' IN ROLE settled;
             CREATE DOMAIN raw AS bytea; CREATE DOMAIN real8 AS float8;
             CREATE TABLE t (k int8 PRIMARY KEY, ts timestamptz, i interval, b raw, r daterange, f real8, c regclass, x xml, a timestamptz[],
               s text, m float4[], y bytea[], d text[], CHECK (k > 0));
             INSERT INTO t SELECT n, '2020-01-02 03:04:05Z', '-1 day 2 hours', '\\x00ff', daterange('2020-01-02', '2020-02-01'),
               0.1::float8 + 0.2, 't', '<a/>text', '{2020-01-02 03:04:05Z}', 'it''s \\ ä', '{0.1}', '{\"\\\\x00ff\"}', '{NULL,a}'
             FROM generate_series(1, 5000) n; ANALYZE t",
        )
        .await;
    let version = database.connect().await.server_version();
    for (setting, value) in SETTINGS {
        // The setting has another name since version 16.
        if *setting != "force_parallel_mode" || version < 160_000 {
            database.execute(&format!("ALTER DATABASE {name} SET {setting} = {value}")).await;
            database.execute(&format!("ALTER ROLE set SET {setting} = {value}")).await;
        }
    }
    let set = Endpoint { user: "set".to_owned(), password: "x".to_owned(), ..endpoint() };
    let source = cluster_source::Source::Postgres(Source::new(set, None));
    let live = Live::pin(source.clone(), &ExportOnly::from(vec![name.clone()]), 1).await.unwrap();
    for source in [&source, live.source()] {
        let cluster_source::Connection::Postgres(connection) = source.connect(Some(name)).await.unwrap() else {
            panic!()
        };
        let catalog = postgres::catalog(&connection, name, Types::Aurora, |_, _| true).await.unwrap();
        let [found] = &catalog.tables[..] else { panic!("{:?}", catalog.skipped) };
        for slicing in [Slicing::Blocks, Slicing::Keys] {
            let partitions = postgres::partitions(&connection, found, slicing, 64 * 1024).await.unwrap();
            assert!(partitions.len() > 3, "{partitions:?}");
            let mut rows = 0;
            for partition in partitions {
                for batch in server::read(&connection, found, &partition).await.unwrap() {
                    rows += batch.num_rows();
                    for row in [0, batch.num_rows() - 1] {
                        let values: Vec<&str> =
                            batch.columns()[1..].iter().map(|column| column.as_string::<i32>().value(row)).collect();
                        assert_eq!(
                            values,
                            [
                                "2020-01-02 03:04:05+00",
                                "-1 days +02:00:00",
                                "\\x00ff",
                                "[2020-01-02,2020-02-01)",
                                "0.30000000000000004",
                                "public.t",
                                "<a/>text",
                                "{\"2020-01-02 03:04:05+00\"}",
                                "it's \\ ä",
                                "{0.1}",
                                "{\"\\\\x00ff\"}",
                                "{NULL,a}",
                            ]
                        );
                    }
                }
            }
            assert_eq!(rows, 5000);
        }
    }
    live.check().await.unwrap();
    drop(live);
    database.execute("DROP OWNED BY set, settled; DROP ROLE set; DROP ROLE settled").await;
}

#[tokio::test]
async fn a_setting_that_stops_the_export_is_named() {
    let database = Database::create().await;
    let name = &database.name;
    let columns: Vec<String> = (0..1600).map(|n| format!("column_number_{n} int8")).collect();
    for table in 0..40 {
        database.execute(&format!("CREATE TABLE t{table} ({})", columns.join(","))).await;
    }
    database.execute(&format!("ALTER DATABASE {name} SET temp_file_limit = 0")).await;
    let connection = database.connect().await;
    let error = postgres::catalog(&connection, name, Types::Aurora, |_, _| true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("temp_file_limit"), "{error}");
}

#[tokio::test]
async fn databases_without_templates() {
    let database = Database::create().await;
    let connection = database.connect().await;
    assert!(connection.server_version() >= 150_000);
    let names = databases(&connection).await.unwrap();
    assert!(names.contains(&database.name) && names.contains(&"postgres".to_owned()));
    assert!(names.iter().all(|name| !name.starts_with("template")));
}
