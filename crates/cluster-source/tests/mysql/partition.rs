//! Partitions cover each row exactly once with any key, and work units have about equal sizes.

use std::collections::HashMap;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use cluster_source::Endpoint;
use cluster_source::mysql::{self, Connection, FoundTable, Source};
use export_planner::packing::{PIECES, pack};
use export_task::options::Types;
use export_task::plan::{Partition, Relation};
use export_task::range::Range;

use crate::server::{Database, endpoint, is_mysql, read};

/// Creates the table that [`NUMBERS`] reads.
const DIGITS: &str =
    "CREATE TABLE digits (d BIGINT); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);";

/// The numbers `n` from 0 to 99,999.
const NUMBERS: &str = "(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d n \
    FROM digits a, digits b, digits c, digits e, digits f) x";

/// Cuts and packs a table as the planner does, as if it were so large that only its bytes mattered.
async fn units(connection: &mut Connection, found: &FoundTable, parts: u64) -> Vec<Vec<Partition>> {
    const LARGER: u64 = 1 << 20;
    let unit = found.bytes.div_ceil(parts);
    let mut pieces = mysql::partitions(connection, found, unit / PIECES).await.unwrap();
    for piece in &mut pieces {
        piece.bytes *= LARGER;
    }
    pack(pieces, unit * LARGER, 1)
}

/// Reads table `t` in about `parts` units. Its column `n` numbers the rows. Returns the rows of
/// each unit.
async fn cut(database: &Database, parts: u64) -> Vec<usize> {
    database.execute("ANALYZE TABLE t");
    let found = database.table("t").await;
    let column = found.table.columns.iter().position(|column| column.name == "n").unwrap();
    let mut connection = database.connect().await;
    let mut seen: HashMap<i64, u32> = HashMap::new();
    let mut sizes = Vec::new();
    for unit in &units(&mut connection, &found, parts).await {
        let mut size = 0;
        for partition in unit {
            // A plan is serialized as JSON.
            let partition = serde_json::from_str(&serde_json::to_string(partition).unwrap()).unwrap();
            for batch in &read(&mut connection, &found, &partition).await.unwrap() {
                for n in batch.column(column).as_primitive::<Int64Type>().values() {
                    *seen.entry(*n).or_default() += 1;
                }
                size += batch.num_rows();
            }
        }
        sizes.push(size);
    }
    assert!(seen.values().all(|times| *times == 1), "a row was read twice");
    let count: usize = database.execute("SELECT COUNT(*) FROM t")[0][0].parse().unwrap();
    assert_eq!(seen.len(), count, "a row was not read");
    sizes
}

/// Creates a table whose row number n has the values of `expression` in `columns`, and reads it in
/// units.
async fn cut_table(columns: &str, key: &str, expression: &str, rows: u64, parts: u64) -> Vec<usize> {
    let database = Database::create();
    database.execute(&format!(
        "{DIGITS} \
         CREATE TABLE t ({columns}, n BIGINT, pad CHAR(100) DEFAULT 'x', {key}); \
         INSERT INTO t ({names}, n) SELECT {expression}, n FROM \
         {NUMBERS} \
         WHERE n < {rows}",
        names = columns.split(", ").map(|column| column.split(' ').next().unwrap()).collect::<Vec<_>>().join(", "),
    ));
    cut(&database, parts).await
}

/// Checks that there are about `parts` units, none much larger than the mean.
fn assert_about_equal(sizes: &[usize], parts: usize) {
    let rows: usize = sizes.iter().sum();
    assert!(sizes.len() >= parts * 2 / 3 && sizes.len() <= parts * 3 / 2, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= rows * 2 / parts), "{sizes:?}");
}

#[tokio::test]
async fn integer_keys() {
    assert_about_equal(&cut_table("id BIGINT", "PRIMARY KEY (id)", "n", 20_000, 10).await, 10);
    assert_about_equal(&cut_table("id INT", "PRIMARY KEY (id)", "n - 10000", 20_000, 7).await, 7);
    assert_about_equal(
        &cut_table(
            "id BIGINT UNSIGNED",
            "PRIMARY KEY (id)",
            "18446744073709551615 - CAST(n AS UNSIGNED) * 922337203685477",
            20_000,
            8,
        )
        .await,
        8,
    );
    // Gaps and skew: a few keys are far away, and most of them are close together.
    assert_about_equal(
        &cut_table("id BIGINT", "PRIMARY KEY (id)", "IF(n < 20, n * 400000000000000000, 5000000000 + n)", 20_000, 10)
            .await,
        10,
    );
    assert_about_equal(&cut_table("id BIGINT NOT NULL", "UNIQUE (id)", "n * n", 20_000, 10).await, 10);
}

#[tokio::test]
async fn composite_keys() {
    assert_about_equal(
        &cut_table("a INT, b BIGINT", "PRIMARY KEY (a, b)", "IF(n < 100, n, 50), n", 20_000, 10).await,
        10,
    );
    assert_about_equal(
        &cut_table("a VARCHAR(20), b BIGINT", "PRIMARY KEY (a, b)", "CONCAT('tenant-', n % 3), n", 20_000, 10).await,
        10,
    );
    assert_about_equal(
        &cut_table(
            "a DATE, b CHAR(5), c DECIMAL(10,2)",
            "PRIMARY KEY (a, b, c)",
            "'2020-01-01' + INTERVAL n % 20 DAY, 'x', n / 4",
            20_000,
            10,
        )
        .await,
        10,
    );
    // Columns after one that can't be compared with a bound are not part of bounds.
    let sizes =
        cut_table("a INT, b ENUM('x','y'), c INT", "PRIMARY KEY (a, b, c)", "n % 7, 1 + n % 2, n", 20_000, 10).await;
    assert_eq!(sizes.len(), 7);
    assert_eq!(cut_table("b ENUM('x','y'), c INT", "PRIMARY KEY (b, c)", "1 + n % 2, n", 20_000, 10).await.len(), 1);
}

#[tokio::test]
async fn text_keys_in_any_collation() {
    for charset in [
        "utf8mb4 COLLATE utf8mb4_general_ci",
        "utf8mb4 COLLATE utf8mb4_bin",
        "utf8mb4 COLLATE utf8mb4_unicode_520_ci",
        "latin1 COLLATE latin1_swedish_ci",
        "latin1 COLLATE latin1_german2_ci",
        "utf16 COLLATE utf16_unicode_ci",
        "ascii COLLATE ascii_bin",
    ] {
        let columns = format!("id VARCHAR(60) CHARACTER SET {charset}");
        assert_about_equal(&cut_table(&columns, "PRIMARY KEY (id)", "LEFT(SHA2(n, 256), 32)", 20_000, 8).await, 8);
        assert_about_equal(
            &cut_table(&columns, "PRIMARY KEY (id)", "CONCAT('Customer#', LPAD(n, 9, '0'))", 20_000, 8).await,
            8,
        );
    }
    let columns = "id VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin";
    assert_about_equal(&cut_table(columns, "PRIMARY KEY (id)", "UPPER(LEFT(SHA2(n, 256), 32))", 20_000, 8).await, 8);
    let columns = "id VARCHAR(60) CHARACTER SET utf8mb4";
    let mixed = "CONCAT(ELT(1 + n % 9, 'Ä', 'z', 'É', 'ß', '日', '😀', '''', '_', '\\\\'), LEFT(SHA2(n, 256), 32))";
    assert_about_equal(&cut_table(columns, "PRIMARY KEY (id)", mixed, 20_000, 8).await, 8);
}

/// Creates a table with the given number of rows of each text, and cuts it as finely as possible.
async fn cut_texts(column: &str, texts: &[(&str, u32)]) -> Vec<usize> {
    cut(&table_of_texts(column, "", texts), 20).await
}

fn table_of_texts(column: &str, options: &str, texts: &[(&str, u32)]) -> Database {
    let database = Database::create();
    database.execute(&format!(
        "CREATE TABLE t (s {column} NOT NULL, id INT, n BIGINT, pad VARBINARY(1000), PRIMARY KEY (s, id)) {options}"
    ));
    let mut n = 0;
    for (text, rows) in texts {
        let values: Vec<String> = (n..n + rows).map(|n| format!("('{text}', {n}, {n}, REPEAT('x', 500))")).collect();
        database.execute(&format!("INSERT INTO t VALUES {}", values.join(",")));
        n += rows;
    }
    database
}

/// The server shortens a constant that is longer than the column, to look it up in the index.
#[tokio::test]
async fn short_texts_that_sort_unlike_their_characters() {
    let mut columns = vec![
        "CHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "VARCHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
        "VARCHAR(1) CHARACTER SET latin1 COLLATE latin1_general_cs",
    ];
    if is_mysql() {
        columns.push("CHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs");
        columns.push("VARCHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_ja_0900_as_cs");
    }
    for column in columns {
        let folds = column.ends_with("_ci");
        let upper = if folds { "c" } else { "B" };
        let sizes = cut_texts(column, &[("a", 300), ("b", 50), (upper, 50), ("d", 300)]).await;
        assert_about_equal(&sizes, 20);
    }
    let mut columns = vec![
        "VARCHAR(3) CHARACTER SET latin1 COLLATE latin1_german2_ci",
        "VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
    ];
    if is_mysql() {
        columns.push("VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci");
    }
    for column in columns {
        assert_about_equal(&cut_texts(column, &[("éaa", 400), ("ébæ", 20), ("écb", 600)]).await, 20);
        assert_about_equal(
            &cut_texts(column, &[("äa", 300), ("aea", 100), ("af", 300), ("ß", 20), ("ssa", 200)]).await,
            20,
        );
    }
}

/// The index fills a CHAR up with blanks, and some characters sort below a blank.
#[tokio::test]
async fn control_characters_in_collations_without_padding() {
    let collation = if is_mysql() { "utf8mb4_0900_bin" } else { "utf8mb4_nopad_bin" };
    let column = format!("CHAR(4) CHARACTER SET utf8mb4 COLLATE {collation}");
    let texts = [("a", 100), ("a\\t", 100), ("a\\tb", 100), ("a!", 100), ("\\t", 100), ("", 100), ("b", 100)];
    let sizes = cut_texts(&column, &texts).await;
    // MariaDB would find a row on both sides of a bound, or on neither side, so the table is not
    // cut.
    assert_eq!(sizes.len() > 10, is_mysql(), "{sizes:?}");
    assert_about_equal(
        &cut_texts(&column.replace("CHAR", "VARCHAR").replace("VARCHARACTER", "CHARACTER"), &texts).await,
        20,
    );
}

/// The partition of a row depends on the hash of its text. Equal texts may have different hashes,
/// so a lookup of one misses others.
#[tokio::test]
async fn texts_that_are_equal_in_different_partitions() {
    let column = "VARCHAR(2) CHARACTER SET latin2 COLLATE latin2_czech_cs";
    let by_key = "PARTITION BY KEY (s) PARTITIONS 4";
    let equal = table_of_texts(column, by_key, &[("\\ta", 1), (" a", 1)]);
    let found = ["s", "CONCAT(s)"].map(|s| {
        let sql = format!("SELECT COUNT(*) FROM t WHERE {s} = CONVERT(' a' USING latin2) COLLATE latin2_czech_cs");
        equal.execute(&sql)[0][0].clone()
    });
    assert_eq!(found, ["1", "2"]);

    let texts = [("\\t", 100), (" ", 100), ("\\ta", 100), (" a", 100), ("a", 100), ("b", 100)];
    for by_hash in [by_key, "PARTITION BY LINEAR KEY (s) PARTITIONS 4"] {
        assert_eq!(cut(&table_of_texts(column, by_hash, &texts), 20).await.len(), 1);
    }
    let by_range =
        "PARTITION BY RANGE COLUMNS (s) (PARTITION a VALUES LESS THAN ('b'), PARTITION b VALUES LESS THAN (MAXVALUE))";
    assert!(cut(&table_of_texts(column, by_range, &texts), 20).await.len() > 10);
}

#[tokio::test]
async fn indexes_that_hold_not_every_row_once_are_not_used() {
    let wide = "n BIGINT, pad VARBINARY(1000)";
    let mut tables = vec![
        format!("a INT NOT NULL, s VARCHAR(20) NOT NULL, {wide}, UNIQUE KEY u (s(3))"),
        // Columns after a prefix are not compared.
        format!("a INT NOT NULL, s VARCHAR(20) NOT NULL, {wide}, UNIQUE KEY u (s(3), a)"),
    ];
    if is_mysql() {
        let array = "(CAST(j->'$' AS UNSIGNED ARRAY))";
        tables.push(format!("a INT NOT NULL, j JSON DEFAULT ('[]'), {wide}, UNIQUE KEY u (a, {array})"));
        tables.push(format!("a INT NOT NULL, {wide}, UNIQUE KEY u (a, (n + 1))"));
        tables.push(format!("a INT NOT NULL, d DOUBLE PRIMARY KEY, {wide}, UNIQUE KEY u (a) INVISIBLE"));
        tables.push(format!("a INT NOT NULL, {wide}, UNIQUE KEY u (a DESC)"));
    } else {
        tables.push(format!("a INT NOT NULL, d DOUBLE PRIMARY KEY, {wide}, UNIQUE KEY u (a) IGNORED"));
    }
    for table in tables {
        let database = Database::create();
        // The text column or the primary key's column has the same number.
        let more = [" s ", " d "].into_iter().find(|more| table.contains(more)).map_or("n", str::trim);
        let values: Vec<String> = (100..700).map(|n| format!("({n}, {n}, REPEAT('x', 500))")).collect();
        let names = if more == "n" { "a, n, pad".to_owned() } else { format!("a, n, pad, {more}") };
        let rows = format!("SELECT a, a, pad{} FROM v", if more == "n" { "" } else { ", a" });
        database.execute(&format!(
            "CREATE TABLE v (a INT, b INT, pad VARBINARY(1000)); INSERT INTO v VALUES {}; CREATE TABLE t ({table}); \
             INSERT INTO t ({names}) {rows}",
            values.join(",")
        ));
        assert_eq!(cut(&database, 10).await, [600], "{table}");
    }
}

#[tokio::test]
async fn keys_of_bytes_dates_and_decimals() {
    assert_about_equal(
        &cut_table("id BINARY(16)", "PRIMARY KEY (id)", "UNHEX(LEFT(SHA2(n, 256), 32))", 20_000, 10).await,
        10,
    );
    assert_about_equal(&cut_table("id VARBINARY(30)", "PRIMARY KEY (id)", "CONCAT('k', n)", 20_000, 10).await, 10);
    assert_about_equal(&cut_table("id DECIMAL(20,4)", "PRIMARY KEY (id)", "(n - 10000) / 16", 20_000, 10).await, 10);
    assert_about_equal(
        &cut_table(
            "id DATETIME(6)",
            "PRIMARY KEY (id)",
            "'2019-12-31 12:00:00' + INTERVAL n * 977 MICROSECOND",
            20_000,
            10,
        )
        .await,
        10,
    );
    // One day that is not in the calendar has the rows of several pieces. It can't be cut and can't
    // be a bound.
    let database = Database::create();
    database.execute(&format!(
        "{DIGITS} \
         CREATE TABLE t (day DATE, id INT, n BIGINT, pad CHAR(100) DEFAULT 'x', PRIMARY KEY (day, id)); \
         SET sql_mode = 'ALLOW_INVALID_DATES'; \
         INSERT INTO t (day, id, n) SELECT IF(n < 10000, '2023-02-30', '2023-02-01' + INTERVAL n MOD 20 DAY), n, n FROM \
         {NUMBERS} \
         WHERE n < 20000",
    ));
    let sizes = cut(&database, 10).await;
    assert!(sizes.len() > 3 && sizes[0] >= 10_000, "{sizes:?}");
    assert_about_equal(
        &cut_table("id TIMESTAMP", "PRIMARY KEY (id)", "'2001-01-01' + INTERVAL n HOUR", 20_000, 10).await,
        10,
    );
}

#[tokio::test]
async fn rows_are_counted_unless_it_takes_too_long() {
    let database = Database::create();
    database.execute(&format!(
        "{DIGITS} \
         CREATE TABLE t (id BIGINT PRIMARY KEY, pad CHAR(100)); INSERT INTO t SELECT n, 'x' FROM \
         {NUMBERS}; \
         CREATE VIEW v AS SELECT a.d FROM digits a, digits b, digits c, digits e, digits f, digits g, digits h, digits i",
    ));
    let relation = |name: &str| Relation { schema: database.name.clone(), name: name.to_owned() };
    let mut connection = database.connect().await;
    // Counting the view takes long. MySQL doesn't always check the time during a join: then the
    // count is late but right.
    let counted = mysql::count(&mut connection, &relation("v"), Some(Duration::from_millis(100))).await.unwrap();
    assert!(counted.is_none() || is_mysql() && counted == Some(100_000_000), "{counted:?}");
    for limit in [Some(Duration::from_secs(60)), None] {
        assert_eq!(mysql::count(&mut connection, &relation("t"), limit).await.unwrap(), Some(100_000));
    }
}

#[tokio::test]
async fn native_partitions_are_one_table() {
    let database = Database::create();
    database.execute(&format!(
        "{DIGITS} \
         CREATE TABLE t (id INT PRIMARY KEY, n BIGINT, pad CHAR(100)) PARTITION BY HASH (id) PARTITIONS 4; \
         INSERT INTO t SELECT n, n, 'x' FROM \
         {NUMBERS} WHERE n < 10000",
    ));
    assert_about_equal(&cut(&database, 6).await, 6);
}

#[tokio::test]
async fn without_a_key_there_is_one_partition() {
    for (columns, key) in [
        ("id BIGINT", "KEY (id)"),
        ("id BIGINT", "UNIQUE (id)"),
        ("id DOUBLE", "PRIMARY KEY (id)"),
        ("id VARCHAR(50)", "UNIQUE (id)"),
    ] {
        assert_eq!(cut_table(columns, key, "n", 5_000, 10).await.len(), 1);
    }
    let database = Database::create();
    database.execute("CREATE TABLE t (n BIGINT PRIMARY KEY) ENGINE = MyISAM; INSERT INTO t VALUES (1), (2), (3)");
    assert_eq!(cut(&database, 3).await, [3]);
    database.execute("DROP TABLE t; CREATE TABLE t (n BIGINT PRIMARY KEY)");
    let found = database.table("t").await;
    let partitions = mysql::partitions(&mut database.connect().await, &found, 1).await.unwrap();
    assert_eq!(partitions.len(), 1);
    assert_eq!(partitions[0].range, Range::All);
}

#[tokio::test]
async fn a_table_that_has_grown_since_the_server_counted() {
    let database = Database::create_as("grown-é 1");
    // The server counts while rows arrive. When it starts, as in a clone, it reads the statistics
    // it stored before.
    database.execute(&format!(
        "{DIGITS} \
         CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT, pad VARCHAR(4000), KEY (n)) STATS_PERSISTENT = 1 STATS_AUTO_RECALC = 0; \
         INSERT INTO t SELECT n * 1000000007, n, REPEAT('x', 4000) FROM \
         {NUMBERS} WHERE n < 10000; \
         CREATE TABLE parted LIKE t; ALTER TABLE parted PARTITION BY HASH (id) PARTITIONS 3; INSERT INTO parted SELECT * FROM t; \
         UPDATE mysql.innodb_table_stats SET n_rows = 50, clustered_index_size = 20, sum_of_other_index_sizes = 1 \
         WHERE database_name LIKE 'grown%'; FLUSH TABLES t, parted",
    ));
    for name in ["t", "parted"] {
        let found = database.table(name).await;
        assert!(found.has_stale_statistics && found.bytes > 10 << 20 && found.rows > 2000, "{name}: {found:?}");
        let mut connection = database.connect().await;
        let mut sizes = Vec::new();
        for unit in units(&mut connection, &found, 8).await {
            let mut size = 0;
            for partition in &unit {
                let batches = read(&mut connection, &found, partition).await.unwrap();
                size += batches.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>();
            }
            sizes.push(size);
        }
        assert_eq!(sizes.iter().sum::<usize>(), 10_000);
        assert_about_equal(&sizes, 8);
    }

    // A user who may not see the files gets the statistics.
    database.execute("CREATE USER clerk IDENTIFIED BY 'it''s secret'; GRANT SELECT ON *.* TO clerk");
    let source = Source::new(Endpoint { user: "clerk".to_owned(), ..endpoint() }, None);
    let mut connection = source.connect(Some(&database.name)).await.unwrap();
    let catalog = mysql::catalog(&mut connection, &database.name, Types::Aurora, |_, _| true).await.unwrap();
    let found = catalog.tables.iter().find(|found| found.table.name == "t").unwrap();
    assert!(!found.has_stale_statistics && found.bytes < 1 << 20, "{found:?}");
}
