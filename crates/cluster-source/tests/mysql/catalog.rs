//! Which tables of a database are exported, which are skipped, and why.

use arrow_array::RecordBatch;
use cluster_source::Endpoint;
use cluster_source::mysql::{self, Source};
use export_task::options::Types;
use export_task::warning::SkipReason;

use crate::server::{Database, endpoint, is_mysql, read, source};

/// Returns the tables of a database, and the skipped tables with their reasons.
async fn listed(database: &Database) -> (Vec<String>, Vec<(String, SkipReason)>) {
    let catalog = database.catalog().await;
    let tables = catalog.tables.iter().map(|found| found.table.name.clone()).collect();
    (tables, catalog.skipped.into_iter().map(|skipped| (skipped.table.to_string(), skipped.reason)).collect())
}

async fn rows(database: &Database, table: &str) -> usize {
    database.read(table).await.unwrap().iter().map(RecordBatch::num_rows).sum()
}

#[tokio::test]
async fn tables_of_every_engine_and_no_views() {
    let database = Database::create();
    let mut expected = vec!["archive", "csv", "innodb", "myisam"];
    for engine in expected.iter().chain(&["memory"]) {
        database.execute(&format!("CREATE TABLE {engine} (a INT NOT NULL, b VARCHAR(9) NOT NULL) ENGINE = {engine}"));
        database.execute(&format!("INSERT INTO {engine} VALUES (1, 'x'), (2, 'y')"));
    }
    database.execute("CREATE VIEW v AS SELECT 1; CREATE TABLE merged (a INT, b INT) ENGINE = MRG_MYISAM UNION = ()");
    if !is_mysql() {
        database
            .execute("CREATE SEQUENCE s; CREATE TABLE aria (a INT) ENGINE = Aria; INSERT INTO aria VALUES (1), (2)");
        expected.insert(0, "aria");
        database.execute(
            "CREATE TABLE versioned (a INT) WITH SYSTEM VERSIONING; INSERT INTO versioned VALUES (1), (2), (3); \
             UPDATE versioned SET a = a + 1; DELETE FROM versioned WHERE a = 2",
        );
        expected.push("versioned");
    }
    let (tables, skipped) = listed(&database).await;
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    expected.sort_unstable();
    assert_eq!(sorted(tables), expected);
    let skip = |table, reason| (format!("{0}.{0}.{table}", database.name), reason);
    assert_eq!(skipped, [skip("memory", SkipReason::MemoryTable), skip("merged", SkipReason::UnsupportedEngine)]);
    for table in expected {
        assert_eq!(rows(&database, table).await, 2, "{table}");
    }

    // Unlike a clone, a live server has the rows of MEMORY tables.
    let mut live = source().live().connect(Some(&database.name)).await.unwrap();
    let catalog = mysql::catalog(&mut live, &database.name, Types::Aurora, |_, table| table == "memory").await.unwrap();
    assert_eq!((catalog.tables.len(), catalog.skipped.len()), (1, 0));
    assert_eq!(
        database.read_all(&catalog.tables[0]).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(),
        2
    );
}

#[tokio::test]
async fn names_with_every_legal_character() {
    let database = Database::create_as("d`b.c-d é$");
    let names = ["a`b", "ta ble", "日本", "t.x", "q\"uo'te", "select", "T", "t", "-", "a\\b", "#x", "%s", "(a)"];
    let columns = ["a`c", "ü", "col-1", "select", "\"'\\", "C#", "%", "日.本"];
    for name in names {
        let quoted: Vec<String> = columns.iter().map(|column| format!("`{}` INT", column.replace('`', "``"))).collect();
        let table = name.replace('`', "``");
        database.execute(&format!("CREATE TABLE `{table}` (`i``d` INT PRIMARY KEY, {})", quoted.join(", ")));
        database.execute(&format!("INSERT INTO `{table}` (`i``d`, `a``c`) VALUES (1, 2), (2, 3)"));
    }
    let (tables, skipped) = listed(&database).await;
    assert_eq!((tables.len(), skipped.len()), (names.len(), 0));
    let mut connection = database.connect().await;
    for name in names {
        assert_eq!(rows(&database, name).await, 2, "{name}");
        let found = database.table(name).await;
        assert!(found.table.columns.iter().skip(1).map(|c| c.name.as_str()).eq(columns), "{name}");
        let whole = mysql::partitions(&mut connection, &found, 1).await.unwrap();
        for partition in &whole {
            read(&mut connection, &found, partition).await.unwrap();
        }
    }
}

#[tokio::test]
async fn names_that_cannot_be_exported_are_reported() {
    let database = Database::create();
    database.execute("CREATE TABLE `a/b` (c INT); CREATE TABLE spaced (`c d` INT); CREATE TABLE equal (`c=d` INT)");
    let (tables, skipped) = listed(&database).await;
    assert!(tables.is_empty());
    let target = |name: &str| format!("{0}.{0}.{name}", database.name);
    assert_eq!(
        skipped,
        [
            (target("a/b"), SkipReason::UnsupportedTableName),
            (target("equal"), SkipReason::UnsupportedColumnName),
            (target("spaced"), SkipReason::UnsupportedColumnName),
        ]
    );
}

#[tokio::test]
async fn tables_the_user_may_not_read_are_reported_if_the_catalog_lists_them() {
    let database = Database::create();
    let name = &database.name;
    database.execute(&format!(
        "CREATE TABLE hidden (a INT); CREATE TABLE partly (a INT, b INT); CREATE TABLE written (a INT); \
         CREATE TABLE readable (a INT, b INT); CREATE TABLE every_column (a INT, b INT); \
         CREATE USER reader_{name} IDENTIFIED BY 'p'; \
         GRANT SELECT (a) ON {name}.partly TO reader_{name}; GRANT INSERT ON {name}.written TO reader_{name}; \
         GRANT SELECT ON {name}.readable TO reader_{name}"
    ));
    let there = Endpoint { user: format!("reader_{name}"), password: "p".to_owned(), ..endpoint() };
    let mut connection = Source::new(there, None).connect(Some(name)).await.unwrap();
    let catalog = mysql::catalog(&mut connection, name, Types::Aurora, |_, _| true).await.unwrap();
    assert_eq!(catalog.tables.iter().map(|found| &found.table.name).collect::<Vec<_>>(), ["readable"]);
    let skipped: Vec<_> =
        catalog.skipped.into_iter().map(|skipped| (skipped.table.to_string(), skipped.reason)).collect();
    let denied = SkipReason::PermissionsDoNotExist;
    assert_eq!(skipped, [(format!("{name}.{name}.partly"), denied), (format!("{name}.{name}.written"), denied)]);
}

#[tokio::test]
async fn columns_are_described_as_the_catalog_does() {
    let database = Database::create();
    database.execute(
        "CREATE TABLE t (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, c VARCHAR(30), d DECIMAL(12,2), e DATETIME(3), \
         f LONGTEXT, g ENUM('a','b'), h TINYINT(1))",
    );
    let table = database.table("t").await.table;
    let described: Vec<_> = table
        .columns
        .iter()
        .map(|c| {
            let lengths = (c.char_max_length, c.num_precision, c.datetime_precision);
            (c.original_type.as_str(), c.parquet.exported_name().into_owned(), lengths)
        })
        .collect();
    let described_as = |original, exported: &str, lengths| (original, exported.to_owned(), lengths);
    assert_eq!(
        described,
        [
            described_as("int", "int64", (0, 10, 0)),
            described_as("varchar", "binary (UTF8)", (30, 0, 0)),
            described_as("decimal", "int64 (DECIMAL(12,2))", (0, 12, 0)),
            described_as("datetime", "int64 (TIMESTAMP_MICRO)", (0, 0, 3)),
            described_as("longtext", "binary (UTF8)", (i32::MAX, 0, 0)),
            described_as("enum", "binary (UTF8)", (1, 0, 0)),
            described_as("tinyint", "int32", (0, 3, 0)),
        ]
    );
}
