//! Server settings that could change the values read, or stop the reading.

use std::error::Error;

use cluster_source::SourceError;
use cluster_source::mysql::{self, Source};
use export_task::options::Types;

use crate::server::{Server, is_mysql, read};

/// The settings of each connection that doesn't set its own.
const HOSTILE: &[&str] = &[
    "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,NO_UNSIGNED_SUBTRACTION,PAD_CHAR_TO_FULL_LENGTH,\
     STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,HIGH_NOT_PRECEDENCE,ONLY_FULL_GROUP_BY'",
    "time_zone = '+05:30'",
    "autocommit = 0",
    "sql_select_limit = 3",
    "max_join_size = 1",
    "sql_big_selects = 0",
    "sql_safe_updates = 1",
    "sql_buffer_result = 1",
    "sql_auto_is_null = 1",
    "net_write_timeout = 1",
    "net_read_timeout = 1",
    "wait_timeout = 1",
    "interactive_timeout = 1",
    "lock_wait_timeout = 1",
    "innodb_lock_wait_timeout = 1",
    "group_concat_max_len = 4",
    "max_sort_length = 8",
    "max_heap_table_size = 16384",
    "tmp_table_size = 1024",
    "character_set_server = latin1",
    "character_set_client = latin1",
    "character_set_results = latin1",
    "character_set_connection = latin1",
    "character_set_filesystem = latin1",
    "collation_connection = latin1_german2_ci",
    "collation_server = latin1_swedish_ci",
    "completion_type = 2",
    "div_precision_increment = 0",
    "default_week_format = 7",
    "lc_time_names = 'de_DE'",
    "low_priority_updates = 1",
    "net_buffer_length = 1024",
    "init_connect = 'SET autocommit = 0, sql_mode = ''ANSI_QUOTES'', sql_select_limit = 1'",
];

const MYSQL: &[&str] = &[
    "max_execution_time = 1",
    "transaction_isolation = 'READ-UNCOMMITTED'",
    "information_schema_stats_expiry = 31536000",
    "show_gipk_in_create_table_and_information_schema = 0",
    "range_optimizer_max_mem_size = 1",
    "eq_range_index_dive_limit = 1",
];

const MARIADB: &[&str] = &[
    "max_statement_time = 0.001",
    "tx_isolation = 'READ-UNCOMMITTED'",
    "idle_transaction_timeout = 1",
    "idle_readonly_transaction_timeout = 1",
    "old_mode = 'UTF8_IS_UTF8MB3'",
    "optimizer_use_condition_selectivity = 1",
];

const TABLE: &str = "CREATE DATABASE Shop CHARACTER SET utf8mb4; USE Shop; \
    CREATE TABLE T (id INT PRIMARY KEY, c CHAR(20), v VARCHAR(20) CHARACTER SET latin1, e ENUM('ä','ß'), ts TIMESTAMP NULL, \
    d DATE, u INT UNSIGNED, w INT AS (u - 1) VIRTUAL, j VARCHAR(20) AS (CONCAT(c, v)) VIRTUAL, pad VARBINARY(500)); \
    INSERT INTO T (id, c, v, e, ts, d, u, pad) WITH RECURSIVE n AS (SELECT 0 n UNION ALL SELECT n + 1 FROM n WHERE n < 999) \
    SELECT n, CONCAT('é\\\\', n), CONCAT('ß', n), 1 + n % 2, '2020-06-01 12:00:00' + INTERVAL n HOUR, \
    IF(n % 3, '0000-00-00', '2023-00-01'), n + 1, REPEAT('x', 400) FROM n; ANALYZE TABLE T; CREATE TABLE wide (id INT)";

/// Reads all values of the table in partitions, as a user without special privileges.
async fn values(server: &Server) -> Result<Vec<String>, SourceError> {
    let source = Source::new(server.endpoint("clerk", "p"), None);
    let mut first = source.connect(None).await?;
    let databases = mysql::databases(&mut first).await?;
    assert_eq!(databases, ["shop"]);
    let mut connection = source.connect(Some("shop")).await?;
    let catalog = mysql::catalog(&mut connection, "shop", Types::Aurora, |_, _| true).await?;
    assert!(catalog.skipped.is_empty(), "{:?}", catalog.skipped);
    let found = catalog.tables.iter().find(|found| found.table.name == "t").unwrap();
    let partitions = mysql::partitions(&mut connection, found, 40_000).await?;
    assert!(partitions.len() > 5);
    let mut values = Vec::new();
    for partition in &partitions {
        // Wait longer than the shortest timeouts.
        if partition.partition_index == 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        }
        for batch in read(&mut connection, found, partition).await? {
            for row in 0..batch.num_rows() {
                values.push(format!("{:?}", batch.slice(row, 1).columns()));
            }
        }
    }
    values.sort();
    Ok(values)
}

#[tokio::test]
async fn no_setting_changes_what_is_read() {
    let server = Server::start("settings", &["--lower-case-table-names=1", "--event-scheduler=OFF"]);
    let wide: Vec<String> = (0..60).map(|n| format!("ADD a_column_with_a_long_name_{n} INT")).collect();
    server.execute(&format!("{TABLE}; ALTER TABLE wide {}", wide.join(", ")));
    server.execute("CREATE USER clerk IDENTIFIED BY 'p'; GRANT SELECT ON shop.* TO clerk");
    let expected = values(&server).await.unwrap();
    assert_eq!(expected.len(), 1000);
    let settings_of_product = if is_mysql() { MYSQL } else { MARIADB };
    // Each setting has its own statement, because some settings change how the server reads later
    // ones.
    let statements: Vec<String> =
        HOSTILE.iter().chain(settings_of_product).rev().map(|s| format!("SET GLOBAL {s}")).collect();
    server.execute(&statements.join("; "));
    let now = values(&server).await.unwrap();
    assert!(now == expected, "{:?} {:?}", now.first(), expected.first());

    // The server generates a primary key, and may hide it.
    if is_mysql() {
        server.execute(
            "SET sql_generate_invisible_primary_key = 1; CREATE TABLE shop.k (a INT); INSERT INTO shop.k VALUES (7)",
        );
        let mut connection = Source::new(server.endpoint("clerk", "p"), None).connect(Some("shop")).await.unwrap();
        let catalog = mysql::catalog(&mut connection, "shop", Types::Aurora, |_, table| table == "k").await.unwrap();
        assert_eq!(catalog.tables[0].table.columns.len(), 2);
    }

    // Settings that stop the reading are named in the error: a statement may be larger than a
    // packet, and the server may close a connection.
    server.execute("SET GLOBAL init_connect = ''; SET GLOBAL max_allowed_packet = 1024");
    let mut connection = Source::new(server.endpoint("clerk", "p"), None).connect(Some("shop")).await.unwrap();
    let catalog = mysql::catalog(&mut connection, "shop", Types::Aurora, |_, table| table == "wide").await.unwrap();
    let found = &catalog.tables[0];
    let whole = mysql::partitions(&mut connection, found, u64::MAX).await.unwrap();
    let error = read(&mut connection, found, &whole[0]).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("max_allowed_packet"), "{error:?}");
    server.execute("SET GLOBAL init_connect = 'nonsense'");
    let error = Source::new(server.endpoint("clerk", "p"), None).connect(None).await.err().unwrap();
    assert!(error.source().unwrap().to_string().contains("init_connect"), "{error:?}");
}
