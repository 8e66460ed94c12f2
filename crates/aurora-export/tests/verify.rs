//! `aurora-export verify` on a real server. An export of every type equals its database, and every
//! kind of difference is found. The end-to-end tests do the same for MySQL.
#![allow(clippy::unwrap_used)]

mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use server::Server;

const ROWS: &str = include_str!("../../../tests/e2e/rows.sql");
const NATIVE: &str = include_str!("../../../tests/e2e/native.sql");
const NAMES: &str = include_str!("../../../tests/e2e/names.sql");

/// Small tables. The tests change one table after another.
const CHANGED: &str = "
    CREATE TABLE t (id int PRIMARY KEY, a float8, b float4, c text, d bytea, e boolean, f timestamptz, g numeric,
        h numeric(9,2), i int[], j uuid, k date, l time, m text[]);
    INSERT INTO t SELECT g, 0, 0.1, '', '', true, '2026-01-01 00:00:00.000001+00', 1.50, g, '{1,NULL}',
        '00112233-4455-6677-8899-aabbccddeeff', '2026-01-01', '12:00', '{a,b}' FROM generate_series(1, 100) g;
    CREATE TABLE twice AS SELECT 1 AS a FROM generate_series(1, 2)";

fn verify(export: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aurora-export")).arg("verify").arg(export).args(more).output().unwrap()
}

fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Asserts that an export has no differences. Returns the output.
fn equals(export: &Path, more: &[&str]) -> String {
    let output = verify(export, more);
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("DIFFERS"), "{text}");
    text
}

/// Asserts that an export differs and that the output contains `words`.
fn differs(export: &Path, more: &[&str], words: &str) {
    let output = verify(export, more);
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{words}: {text}");
    assert!(text.lines().any(|line| line.starts_with("DIFFERS") && line.contains(words)), "{words}: {text}");
}

#[test]
fn an_export_of_every_type_equals_its_database() {
    let server = Server::start("verify-types");
    for (database, sql) in [("rows", ROWS), ("native", NATIVE), ("names", NAMES), ("latin", "SELECT 1")] {
        let encoding = if database == "latin" { "LATIN1" } else { "UTF8" };
        server.execute(
            "postgres",
            &format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING {encoding} LOCALE 'C'"),
        );
        server.execute(database, sql);
    }
    // The order of characters differs between the bytes of this encoding and those of UTF-8.
    server.execute(
        "latin",
        "CREATE TABLE t AS SELECT convert_from(set_byte('x', 0, g), 'LATIN1') AS c FROM generate_series(160, 255) g",
    );
    let source = server.address("reader").replace("/postgres", "");
    for types in ["aurora", "native"] {
        let parts = ["rows", "native", "names", "latin"].map(|database| ["--only", database]);
        let output = server.export(types, &[parts.as_flattened(), &["--types", types]].concat());
        assert!(output.status.success(), "{}", text_of(&output));
        let export = server.dir.join("out").join(types);
        equals(&export, &[]);
        let text = equals(&export, &["--source", &source]);
        assert!(text.contains("ok rows.public.others: 3 rows, 1 files"), "{text}");
        let json = verify(&export, &["--source", &source, "--output", "json", "--only", "native.public.scalars"]);
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&json["equal"], json["tables"].as_array().unwrap().len()), (&true.into(), 1), "{json}");
    }
}

#[test]
fn every_difference_is_found() {
    let server = Server::start("verify-changes");
    server.execute("postgres", CHANGED);
    for types in ["aurora", "native"] {
        let output = server.export(types, &["--types", types]);
        assert!(output.status.success(), "{}", text_of(&output));
        let export = server.dir.join("out").join(types);
        equals(&export, &["--source", &server.address("reader")]);
        changes_of_the_database(&server, &export);
    }
    changes_of_the_files(&server.dir.join("out/aurora"));
    let wrong = verify(&server.dir.join("out"), &[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text_of(&wrong).contains("this is not the directory of an export"), "{}", text_of(&wrong));
    let wrong =
        verify(&server.dir.join("out/aurora"), &["--source", "postgres://me:confidential@localhost?sslmode=prefer"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(!text_of(&wrong).contains("confidential"), "{}", text_of(&wrong));
}

fn changes_of_the_database(server: &Server, export: &Path) {
    let source = ["--source", &server.address("reader")];
    for (change, back, words) in [
        ("UPDATE t SET a = '-0' WHERE id = 7", "UPDATE t SET a = 0 WHERE id = 7", "column a: hash"),
        (
            "UPDATE t SET b = 0.10000001 WHERE id = 7",
            "UPDATE t SET b = 0.1 WHERE id = 7",
            "column b: maximum; column b: hash",
        ),
        ("UPDATE t SET c = NULL WHERE id = 7", "UPDATE t SET c = '' WHERE id = 7", "column c: NULLs"),
        ("UPDATE t SET d = '\\x00' WHERE id = 7", "UPDATE t SET d = '' WHERE id = 7", "column d: distinct values"),
        ("UPDATE t SET e = false WHERE id = 7", "UPDATE t SET e = true WHERE id = 7", "column e: minimum"),
        (
            "UPDATE t SET f = f + interval '1 us' WHERE id = 7",
            "UPDATE t SET f = f - interval '1 us' WHERE id = 7",
            "column f: maximum",
        ),
        (
            "UPDATE t SET g = 'NaN' WHERE id = 7",
            "UPDATE t SET g = 1.50 WHERE id = 7",
            "column g: maximum; column g: sum",
        ),
        ("UPDATE t SET g = 1.5 WHERE id = 7", "UPDATE t SET g = 1.50 WHERE id = 7", "column g: hash"),
        ("UPDATE t SET h = 7.01 WHERE id = 7", "UPDATE t SET h = 7 WHERE id = 7", "column h: hash"),
        ("UPDATE t SET i = '{NULL,1}' WHERE id = 7", "UPDATE t SET i = '{1,NULL}' WHERE id = 7", "column i: hash"),
        ("UPDATE t SET m = '{\"a,b\"}' WHERE id = 7", "UPDATE t SET m = '{a,b}' WHERE id = 7", "column m: hash"),
        (
            "UPDATE t SET j = 'ffffffff-4455-6677-8899-aabbccddeeff' WHERE id = 7",
            "UPDATE t SET j = '00112233-4455-6677-8899-aabbccddeeff' WHERE id = 7",
            "column j: maximum",
        ),
        ("UPDATE t SET k = k - 1 WHERE id = 7", "UPDATE t SET k = k + 1 WHERE id = 7", "column k: minimum"),
        ("UPDATE t SET l = '12:01' WHERE id = 7", "UPDATE t SET l = '12:00' WHERE id = 7", "column l: maximum"),
        (
            "INSERT INTO twice VALUES (1)",
            "DELETE FROM twice; INSERT INTO twice VALUES (1), (1)",
            "rows of the database",
        ),
        ("DELETE FROM twice; INSERT INTO twice VALUES (1)", "INSERT INTO twice VALUES (1)", "rows of the database"),
        ("ALTER TABLE t RENAME c TO z", "ALTER TABLE t RENAME z TO c", "column c: the database has no such column"),
        ("ALTER TABLE t ADD z int", "ALTER TABLE t DROP z", "column z: the export has no such column"),
        ("ALTER TABLE twice ALTER a TYPE bigint", "ALTER TABLE twice ALTER a TYPE int", "column a: declared type"),
        ("ALTER TABLE twice ALTER a TYPE text", "ALTER TABLE twice ALTER a TYPE int USING a::int", "column a: type"),
        ("CREATE TABLE late ()", "DROP TABLE late", "postgres.public.late is in the database and not in the export"),
        ("ALTER TABLE twice RENAME TO once", "ALTER TABLE once RENAME TO twice", "the database has no such table"),
    ] {
        server.execute("postgres", change);
        differs(export, &source, words);
        server.execute("postgres", back);
    }
    // Every change is undone.
    equals(export, &source);
}

fn changes_of_the_files(export: &Path) {
    let batch = export.join("postgres/public.t/1");
    let part = |batch: &Path| -> PathBuf {
        let files = fs::read_dir(batch).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "parquet")).unwrap()
    };
    let file = part(&batch);
    let twice = part(&export.join("postgres/public.twice/1"));
    let (bytes, others) = (fs::read(&file).unwrap(), fs::read(&twice).unwrap());
    let back = || fs::write(&file, &bytes).unwrap();

    fs::remove_file(&file).unwrap();
    differs(export, &[], "postgres.public.t: 0 rows, 0 files; number of files; sizes of files; rows");
    back();
    equals(export, &[]);

    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    differs(export, &[], "it is not a complete Parquet file");
    let mut flipped = bytes.clone();
    flipped[40] ^= 0x10;
    fs::write(&file, &flipped).unwrap();
    differs(export, &[], "postgres.public.t");
    fs::write(&file, &others).unwrap();
    differs(export, &[], "its columns differ from the metadata");
    back();

    for more in [
        "postgres/public.t/1/part-copy.parquet",
        "postgres/public.t/1/.hidden",
        "extra",
        "postgres/public.u/1/_SUCCESS",
    ] {
        let path = export.join(more);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, if more.ends_with("parquet") { &bytes[..] } else { b"" }).unwrap();
        let words =
            if more.ends_with("parquet") { "number of files; sizes of files; rows" } else { "belongs to no table" };
        differs(export, &[], words);
        fs::remove_file(path).unwrap();
    }
    let marker = batch.join("_SUCCESS");
    fs::remove_file(&marker).unwrap();
    differs(export, &[], "_SUCCESS of directory 1 is missing");
    fs::write(&marker, "").unwrap();

    // The directory may contain the export of another task.
    fs::create_dir_all(export.join("other")).unwrap();
    fs::write(export.join("other/export_info_other.json"), "{}").unwrap();
    fs::write(export.join("other/anything"), "").unwrap();
    equals(export, &[]);

    let document = fs::read_dir(export).unwrap().map(|entry| entry.unwrap().path());
    let document = document.into_iter().find(|path| path.to_string_lossy().contains("_from_1_to_")).unwrap();
    let text = fs::read_to_string(&document).unwrap();
    for (from, to, words) in [
        ("\"exportedRows\":100", "\"exportedRows\":101", "1 files; rows"),
        ("\"columnName\":\"c\"", "\"columnName\":\"z\"", "its columns differ from the metadata"),
        ("binary (UTF8)", "binary", "its columns differ from the metadata"),
        ("\"status\":\"COMPLETE\"", "\"status\":\"FAILED\"", "is not complete"),
        ("postgres/public.twice", "postgres/public.t", "belongs to no table"),
    ] {
        assert!(text.contains(from), "{from}: {text}");
        fs::write(&document, text.replace(from, to)).unwrap();
        differs(export, &[], words);
    }
    fs::remove_file(&document).unwrap();
    differs(export, &[], "belongs to no table");
    fs::write(document.with_file_name("export_tables_info_aurora_from_2_to_3.json"), &text).unwrap();
    differs(export, &[], "doesn't describe the tables in its name");
    fs::remove_file(document.with_file_name("export_tables_info_aurora_from_2_to_3.json")).unwrap();
    // AWS's metadata has no numbers of rows, files and bytes, and no paths.
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for table in value["perTableStatus"].as_array_mut().unwrap() {
        let statistics = table["tableStatistics"].as_object_mut().unwrap();
        statistics.retain(|name, _| !name.starts_with("exported"));
    }
    fs::write(&document, value.to_string()).unwrap();
    equals(export, &[]);

    let info = export.join("export_info_aurora.json");
    let text = fs::read_to_string(&info).unwrap();
    fs::write(&info, text.replace("COMPLETE", "FAILED")).unwrap();
    differs(export, &[], "the export's status is FAILED");
    fs::write(&info, text).unwrap();
    equals(export, &[]);
}
