//! `aurora-export local` on a real server: it exports every row, in Parquet's native types and in
//! AWS's, and reports values that can't be expressed.
#![allow(clippy::unwrap_used)]

mod server;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int32Type, Time64MicrosecondType, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::LogicalType;

use server::Server;

/// 294246-01-01 00:00:00 in microseconds since 1970.
const INSTANT: i64 = 9_223_339_708_800_000_000;

const TABLES: &str = "
    CREATE TABLE native (n int PRIMARY KEY, d date, t time, ts timestamp, tz timestamptz, small numeric(7,2),
        large numeric(38,10), free numeric, u uuid, j json, b jsonb, e interval);
    INSERT INTO native VALUES
        (1, '1970-01-02', '23:59:59.999999', '2000-01-01 00:00:00.000001', '1969-12-31 23:59:59+00', 12345.67,
         '9999999999999999999999999999.0123456789', 1.50, '00112233-4455-6677-8899-aabbccddeeff', '{\"a\": 1}', '[1]', '1 day'),
        (2, '0044-03-15 BC', '00:00', '4713-01-01 BC', '294246-01-01+00', -0.01, -1, 'NaN', NULL, NULL, NULL, NULL),
        (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE endless (ts timestamptz);
    INSERT INTO endless SELECT now() FROM generate_series(1, 1000);
    INSERT INTO endless VALUES ('infinity');
    CREATE TABLE many AS SELECT n, md5(n::text) AS text FROM generate_series(1, 200000) n;
    CREATE SCHEMA other; CREATE TABLE other.t (n int)";

fn files_of(server: &Server, directory: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = match fs::read_dir(server.dir.join("out").join(directory)) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    files.sort();
    files
}

fn rows(file: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

fn logical_types(file: &Path) -> Vec<Option<LogicalType>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    reader.parquet_schema().columns().iter().map(|column| column.logical_type_ref().cloned()).collect()
}

#[test]
fn a_database_is_exported_without_a_stack() {
    let server = Server::start("local");
    server.execute("postgres", TABLES);
    native_types(&server);
    aws_types(&server);
    parts_and_codecs(&server);
    superusers_are_refused(&server);
    an_export_that_loses_its_locks_fails(&server);
    a_server_without_a_database_postgres(&server);
}

fn native_types(server: &Server) {
    let output = server.export("own", &["--types", "native", "--jobs", "3"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("3 tables, 200,003 rows"), "{text}");
    assert!(text.contains("not exported: postgres.public.endless"), "{text}");
    assert!(files_of(server, "own/postgres/public.endless/1").is_empty());

    let files = files_of(server, "own/postgres/public.native/1");
    let batch = &rows(&files[0])[0];
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(column("d").as_primitive::<Date32Type>().iter().collect::<Vec<_>>(), [Some(1), Some(-735_160), None]);
    let times: Vec<_> = column("t").as_primitive::<Time64MicrosecondType>().iter().collect();
    assert_eq!(times, [Some(86_399_999_999), Some(0), None]);
    let local: Vec<_> = column("ts").as_primitive::<TimestampMicrosecondType>().iter().collect();
    assert_eq!(local, [Some(946_684_800_000_001), Some(-210_863_520_000_000_000), None]);
    let instants: Vec<_> = column("tz").as_primitive::<TimestampMicrosecondType>().iter().collect();
    assert_eq!(instants, [Some(-1_000_000), Some(INSTANT), None]);
    let large: Vec<_> = column("large").as_primitive::<Decimal128Type>().iter().collect();
    assert_eq!(large, [Some(99_999_999_999_999_999_999_999_999_990_123_456_789), Some(-10_000_000_000), None]);
    assert_eq!(column("free").as_string::<i32>().iter().collect::<Vec<_>>(), [Some("1.50"), Some("NaN"), None]);
    let uuid = column("u").as_fixed_size_binary();
    assert_eq!(uuid.value(0)[..4], [0x00, 0x11, 0x22, 0x33]);
    assert_eq!(column("j").as_string::<i32>().value(0), "{\"a\": 1}");
    assert_eq!(column("b").as_string::<i32>().value(0), "[1]");
    let types = logical_types(&files[0]);
    assert!(matches!(types[3], Some(LogicalType::Timestamp { .. })), "{types:?}");
    assert_eq!(types[5], Some(LogicalType::decimal(2, 7)));
    assert_eq!(
        (&types[8], &types[9], &types[10]),
        (&Some(LogicalType::Uuid), &Some(LogicalType::Json), &Some(LogicalType::Json))
    );
    let small: Vec<_> = column("small").as_primitive::<Decimal128Type>().iter().collect();
    assert_eq!(small, [Some(1_234_567), Some(-1), None]);

    let mut numbers: Vec<i32> = Vec::new();
    let parts = files_of(server, "own/postgres/public.many/1");
    assert!(parts.len() > 5, "{parts:?}");
    for batch in parts.iter().flat_map(|part| rows(part)) {
        numbers.extend(batch.column(0).as_primitive::<Int32Type>().values());
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=200_000));

    for file in ["export_info_own.json", "export_tables_info_own_from_1_to_4.json", "postgres/public.many/1/_SUCCESS"] {
        assert!(server.dir.join("out/own").join(file).exists(), "{file}");
    }
    let info = fs::read_to_string(server.dir.join("out/own/export_info_own.json")).unwrap();
    assert!(info.contains("\"status\":\"COMPLETE\"") && info.contains("UNREPRESENTABLE_VALUE"), "{info}");
    let again = server.export("own", &[]);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("own already exists"));
}

fn aws_types(server: &Server) {
    let output = server.export("awss", &["--only", "postgres.public.native", "--only", "postgres.public.endless"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.starts_with(b"2 tables, 1,004 rows"), "{}", String::from_utf8_lossy(&output.stdout));
    let batch = &rows(&files_of(server, "awss/postgres/public.native/1")[0])[0];
    let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().value(1).to_owned();
    assert_eq!((text("d"), text("small")), ("0044-03-15 BC".to_owned(), "-0.01".to_owned()));
}

fn parts_and_codecs(server: &Server) {
    let only = ["--only", "postgres.other"];
    for (codec, extension) in [("zstd", ".zstd.parquet"), ("snappy", ".snappy.parquet"), ("gzip", ".gz.parquet")] {
        let output = server.export(codec, &[only.as_slice(), &["--compression", codec]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = files_of(server, &format!("{codec}/postgres/other.t/1"));
        assert!(files[0].to_string_lossy().ends_with(extension), "{files:?}");
    }
    let missing = server.export("missing", &["--only", "postgres.nowhere"]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("postgres.nowhere"));

    let mut refused = Command::new(env!("CARGO_BIN_EXE_aurora-export"));
    let url = "postgres://me:confidential@db.example.com/shop?sslmode=require";
    let output = refused.args(["local", "--source", url, "--out", "nowhere"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("sslmode") && !text.contains("confidential"), "{text}");
}

fn superusers_are_refused(server: &Server) {
    server.execute("postgres", "CREATE ROLE files LOGIN IN ROLE pg_read_all_data, pg_write_server_files");
    server.execute("postgres", "CREATE ROLE hidden LOGIN NOINHERIT IN ROLE me");
    let only = ["--only", "postgres.other"];
    for (user, role) in [("me", "me"), ("files", "pg_write_server_files"), ("hidden", "me")] {
        let name = format!("as-{user}");
        let output = server.export_as(user, &name, &only);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(&format!("the powers of {role},")), "{text}");
        assert!(text.contains("--allow-superuser"), "{text}");
        assert!(!server.dir.join("out").join(&name).exists());
    }
    let output = server.export_as("me", "as-me", &["--only", "postgres.other", "--allow-superuser"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The test ends the connection that locks the tables while others read.
fn an_export_that_loses_its_locks_fails(server: &Server) {
    let output = std::thread::scope(|scope| {
        let export = scope.spawn(|| server.export("unheld", &["--only", "postgres.public.many", "--jobs", "1"]));
        let sessions = "FROM pg_stat_activity WHERE usename = 'reader'";
        while server.execute("postgres", &format!("SELECT count(*) {sessions} AND query ~ '^COPY'")) == "0" {
            assert!(!export.is_finished(), "no table was seen being read");
        }
        let end = format!("SELECT count(pg_terminate_backend(pid)) {sessions} AND query !~ '^COPY'");
        assert_ne!(server.execute("postgres", &end), "0");
        export.join().unwrap()
    });
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("locked the tables of database postgres has ended"), "{text}");
    // The document that claimed the directory exists and was never replaced by a complete one.
    let info = fs::read_to_string(server.dir.join("out/unheld/export_info_unheld.json")).unwrap();
    assert!(!info.contains("COMPLETE"), "{info}");
}

fn a_server_without_a_database_postgres(server: &Server) {
    server.execute("template1", "ALTER DATABASE postgres RENAME TO shop");
    for (address, only) in [("", "shop.other"), ("shop", "shop.other"), ("gone", "shop.other")] {
        let name = format!("without-{address}x");
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-export"));
        let source = format!("postgres://reader@127.0.0.1:{}/{address}", server.port);
        command.args(["local", "--source", &source, "--only", only, "--name", &name, "--out"]);
        let output = command.arg(server.dir.join("out")).output().unwrap();
        assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    }
    server.execute("shop", "REVOKE CONNECT ON DATABASE template1 FROM public");
    let output = server.export_as("reader", "none", &["--only", "nowhere"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("nowhere, postgres, template1"), "{text}");
}
