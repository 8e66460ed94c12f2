//! A server that other clients write to: several connections read one moment, or notes say which
//! data they don't.

use std::process::Child;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use cluster_source::live::Live;
use cluster_source::{BatchOptions, Connection, Source, SourceError, mysql};
use export_planner::Survey;
use export_task::export_only::ExportOnly;
use export_task::options::Options;
use export_task::plan::Partition;
use export_task::table::Table;
use export_task::warning::SkipReason;
use futures_util::TryStreamExt;

use crate::server::{Server, is_mysql};

const READERS: u32 = 4;

/// The constant work of another client. It moves values and rows between tables and ranges, and
/// keeps the sums.
const TRANSFER: &str = "START TRANSACTION; \
    UPDATE bank.a SET v = v - 1 WHERE id = 7; UPDATE shop.b SET v = v + 1 WHERE id = 7; \
    UPDATE bank.a SET id = id + 100000 WHERE id = 20; UPDATE bank.a SET id = id - 100000 WHERE id = 100010; \
    DELETE FROM bank.a WHERE id = 31; INSERT IGNORE INTO shop.b VALUES (100031, 100, 'x'); \
    DELETE FROM shop.b WHERE id = 32; INSERT IGNORE INTO bank.a VALUES (100032, 100, 'x'); COMMIT; \
    START TRANSACTION; \
    UPDATE bank.a SET v = v + 3 WHERE id = 900; UPDATE shop.b SET v = v - 3 WHERE id = 900; \
    UPDATE bank.a SET id = id - 100000 WHERE id = 100020; UPDATE bank.a SET id = id + 100000 WHERE id = 10; \
    DELETE FROM shop.b WHERE id = 100031; INSERT IGNORE INTO bank.a VALUES (31, 100, 'x'); \
    DELETE FROM bank.a WHERE id = 100032; INSERT IGNORE INTO shop.b VALUES (32, 100, 'x'); COMMIT;\n";

fn filled() -> Server {
    let server = Server::start("live", &[]);
    let rows: Vec<String> = (0..1000).map(|n| format!("({n}, 100, REPEAT('x', 300))")).collect();
    server.execute("CREATE DATABASE bank; CREATE DATABASE shop; CREATE USER clerk IDENTIFIED BY 'p'");
    server.execute("GRANT SELECT, PROCESS ON *.* TO clerk; CREATE USER keeper IDENTIFIED BY 'p'");
    server.execute("GRANT ALL ON *.* TO keeper");
    for table in ["bank.a", "shop.b"] {
        server.execute(&format!(
            "CREATE TABLE {table} (id INT PRIMARY KEY, v BIGINT, pad VARCHAR(300)); INSERT INTO {table} VALUES {}; \
             ANALYZE TABLE {table}",
            rows.join(",")
        ));
    }
    server.execute("CREATE TABLE bank.old (n INT) ENGINE = MyISAM; INSERT INTO bank.old VALUES (1)");
    server
}

/// A client that runs until it is killed.
struct Writer(Child);

impl Writer {
    fn start(server: &Server) -> Self {
        Self(server.run_forever(TRANSFER))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn source(server: &Server, user: &str) -> Source {
    Source::Mysql(mysql::Source::new(server.endpoint(user, "p"), None))
}

/// Reads a partition. Returns the sum of its column `v` and the number of its rows.
async fn sum(connection: &mut Connection, table: &Table, partition: &Partition) -> Result<(i64, usize), SourceError> {
    let batches = connection.read(table, partition, BatchOptions::default()).await?.try_collect::<Vec<_>>().await?;
    let mut read = (0, 0);
    for batch in batches {
        if let Some(v) = batch.column_by_name("v") {
            read.0 += v.as_primitive::<Int64Type>().values().iter().sum::<i64>();
            read.1 += batch.num_rows();
        }
    }
    Ok(read)
}

/// Reads all tables slowly in small ranges, and uses the connections in turn.
async fn read_all(live: &Live) -> (i64, usize) {
    let only = ExportOnly::default();
    let survey = Survey::take(live.source(), &only, &Options::default(), 400_000, 2).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(live.source().reader("bank").await.unwrap());
    }
    let partitions: Vec<&Partition> = survey.units.iter().flatten().collect();
    assert!(partitions.len() >= 3, "{partitions:?}");
    let mut read = (0, 0);
    for (nth, partition) in partitions.into_iter().enumerate() {
        let table = &survey.tables[partition.table as usize];
        let (value, rows) = sum(&mut readers[nth % READERS as usize], table, partition).await.unwrap();
        read = (read.0 + value, read.1 + rows);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // All connections are in use, and no new one is opened.
    let error = live.source().reader("bank").await.err().unwrap();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("as it was when"), "{error:?}");
    read
}

#[tokio::test]
async fn several_connections_read_one_moment() {
    let server = filled();
    let writer = Writer::start(&server);
    for _ in 0..5 {
        let live = Live::pin(source(&server, "keeper"), &ExportOnly::default(), READERS).await.unwrap();
        assert_eq!(live.notes().len(), 1, "{:?}", live.notes());
        assert!(live.notes()[0].ends_with("bank.old"), "{:?}", live.notes());
        assert_eq!(read_all(&live).await, (200_000, 2000));
    }
    drop(writer);
    a_user_who_may_not_stop_writers_gets_a_note(&server).await;
    tables_altered_after_the_moment_are_left_out(&server).await;
    server.execute("DROP TABLE bank.old");
    a_long_statement_does_not_block_writers(&server).await;
}

async fn a_user_who_may_not_stop_writers_gets_a_note(server: &Server) {
    let live = Live::pin(source(server, "clerk"), &ExportOnly::default(), READERS).await.unwrap();
    let [lock, engine] = live.notes() else { panic!("{:?}", live.notes()) };
    assert!(lock.contains("RELOAD") && lock.contains("some milliseconds apart"), "{lock}");
    assert!(engine.ends_with("bank.old"), "{engine}");
    // No client writes now.
    assert_eq!(read_all(&live).await, (200_000, 2000));
    // One connection always reads one moment.
    let live = Live::pin(source(server, "clerk"), &ExportOnly::default(), 1).await.unwrap();
    assert_eq!(live.notes().len(), 1, "{:?}", live.notes());
}

/// A table that is altered or emptied after the moment is left out, not misread. The connection can
/// read other tables afterwards.
async fn tables_altered_after_the_moment_are_left_out(server: &Server) {
    server.execute("CREATE TABLE bank.c (n INT PRIMARY KEY); INSERT INTO bank.c VALUES (1), (2)");
    let only = ExportOnly::parse(&["bank.c".to_owned(), "bank.a".to_owned()]).unwrap();
    for (change, undone) in [
        ("ALTER TABLE bank.c ADD m INT, ALGORITHM = COPY", "ALTER TABLE bank.c DROP m"),
        ("TRUNCATE bank.c", "INSERT INTO bank.c VALUES (1), (2)"),
        ("RENAME TABLE bank.c TO bank.d", "RENAME TABLE bank.d TO bank.c"),
    ] {
        let live = Live::pin(source(server, "clerk"), &only, 1).await.unwrap();
        let survey = Survey::take(live.source(), &only, &Options::default(), 1 << 20, 1).await.unwrap();
        let mut reader = live.source().reader("bank").await.unwrap();
        server.execute(change);
        let (mut rows, mut left_out) = (0, Vec::new());
        for partition in survey.units.iter().flatten() {
            let table = &survey.tables[partition.table as usize];
            match sum(&mut reader, table, partition).await {
                Ok((_, more)) => rows += more,
                Err(error) => left_out.push((table.name.as_str(), error.skips(table).unwrap().reason)),
            }
        }
        assert_eq!((rows, left_out), (1000, vec![("c", SkipReason::TableChanged)]), "{change}");
        drop((reader, live));
        server.execute(undone);
    }
    // The backup lock prevents alterations until the end.
    if is_mysql() {
        let live = Live::pin(source(server, "keeper"), &only, 1).await.unwrap();
        let refused = server.try_execute("SET lock_wait_timeout = 1; ALTER TABLE bank.c ADD m INT");
        assert!(refused.unwrap_err().contains("1205"));
        drop(live);
    }
    server.execute("DROP TABLE bank.c");
}

/// The lock waits for running statements, and writers wait for the lock. So the export gives up the
/// lock.
async fn a_long_statement_does_not_block_writers(server: &Server) {
    let mut long = Writer(server.run_forever("SELECT SLEEP(20) FROM bank.a LIMIT 1;\n"));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let began = std::time::Instant::now();
    let live = Live::pin(source(server, "keeper"), &ExportOnly::default(), READERS).await.unwrap();
    assert!(began.elapsed().as_secs() < 10);
    // MariaDB waits for writers only.
    let notes_name_the_timeout: Vec<bool> =
        live.notes().iter().map(|note| note.contains("1205") && note.contains("milliseconds")).collect();
    assert_eq!(notes_name_the_timeout, if is_mysql() { vec![true] } else { vec![] });
    let _ = long.0.kill();
}

/// A row that can't be exported only ends the reading of its table. The connection discards the
/// remaining rows.
#[tokio::test]
async fn a_connection_can_be_used_after_an_error_in_one_table() {
    let database = crate::server::Database::create();
    let rows: Vec<String> = (0..2000).map(|n| format!("('0000-00-00 00:00:00', {n}, REPEAT('x', 1000))")).collect();
    database.execute(&format!(
        "CREATE TABLE t (d DATETIME, n INT, pad VARCHAR(1000)); INSERT INTO t VALUES {}; \
         CREATE TABLE u (n INT); INSERT INTO u VALUES (5)",
        rows.join(",")
    ));
    let (t, u) = (database.table("t").await, database.table("u").await);
    let mut connection = database.connect().await;
    let whole = |found: &mysql::FoundTable| Partition {
        table: 0,
        relation: found.relation(),
        batch_index: 1,
        partition_index: 0,
        range: export_task::range::Range::All,
        bytes: 0,
    };
    for _ in 0..3 {
        let error = crate::server::read(&mut connection, &t, &whole(&t)).await.unwrap_err();
        assert!(matches!(error, SourceError::NoInstant { .. }), "{error:?}");
        let batches = crate::server::read(&mut connection, &u, &whole(&u)).await.unwrap();
        assert_eq!(batches[0].column(0).as_primitive::<Int32Type>().value(0), 5);
    }
}
