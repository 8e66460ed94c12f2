//! Tests clusters of Aurora MySQL on real MariaDB and MySQL servers, with MariaDB's client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_rds::Client;
use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{ApplyMethod, DbCluster, Parameter};
use local_stack::servers::{MARIADB, NEWEST, mysql_client};

use crate::support::{Stack, connect, processes_in};
use crate::{available, delete};

const PASSWORD: &str = r"it's-a\$ecret";

/// Creates a cluster with a version and a parameter group, and waits until it is available.
async fn create(rds: &Client, id: &str, version: Option<&str>, group: Option<&str>) -> DbCluster {
    let created = rds
        .create_db_cluster()
        .db_cluster_identifier(id)
        .engine("aurora-mysql")
        .set_engine_version(version.map(str::to_owned))
        .set_db_cluster_parameter_group_name(group.map(str::to_owned))
        .master_username("app")
        .master_user_password(PASSWORD)
        .database_name("shop")
        .send()
        .await;
    created.unwrap_or_else(|error| panic!("{error:?}"));
    available(rds, id).await
}

async fn clone(rds: &Client, source: &str, id: &str) -> DbCluster {
    let copy = rds.restore_db_cluster_to_point_in_time().db_cluster_identifier(id).source_db_cluster_identifier(source);
    copy.restore_type("copy-on-write").use_latest_restorable_time(true).send().await.unwrap();
    available(rds, id).await
}

/// Runs statements with the command line client. Returns its standard output, or its standard error
/// if it fails.
fn client(ca: &Path, cluster: &DbCluster, user: &str, password: &str, sql: &str) -> Result<String, String> {
    let mut command =
        mysql_client(cluster.port().unwrap() as u16, user, password, &|message| eprintln!("{message}")).unwrap();
    command.args(["--skip-column-names", "--ssl-verify-server-cert"]).arg(format!("--ssl-ca={}", ca.display()));
    command.args(["--execute", sql]);
    let done = command.output().unwrap();
    match done.status.success() {
        true => Ok(String::from_utf8(done.stdout).unwrap()),
        false => Err(String::from_utf8(done.stderr).unwrap()),
    }
}

/// Tables of all storage engines, with rows.
const TABLES: &str = "USE shop;
    CREATE TABLE a (id bigint PRIMARY KEY); CREATE TABLE b (id bigint);
    CREATE TABLE m (id int, t text) ENGINE=MyISAM; INSERT INTO m VALUES (1, 'ä'), (2, NULL);
    CREATE TABLE c (id int NOT NULL) ENGINE=CSV; INSERT INTO c VALUES (1), (2), (3);
    CREATE TABLE r (id int) ENGINE=ARCHIVE; INSERT INTO r VALUES (1), (2), (3), (4);
    CREATE TABLE h (id int) ENGINE=MEMORY; INSERT INTO h VALUES (1);
    CREATE DATABASE `odd #1`; CREATE TABLE `odd #1`.`t/1` (id int) ENGINE=MyISAM; INSERT INTO `odd #1`.`t/1` VALUES (7);";

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_of_mariadb_is_one_point_in_time() {
    let stack = Stack::start().await;
    MARIADB.ensure(&|message| eprintln!("{message}")).unwrap();
    // A cluster runs on MariaDB if it names no version or a version of Aurora.
    create(&stack.rds, "other", Some("8.0.mysql_aurora.3.08.0"), None).await;
    delete(&stack.rds, "other").await;
    clones_are_one_point_in_time(stack, None, "-MariaDB").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_of_mysql_is_one_point_in_time() {
    let stack = Stack::start().await;
    NEWEST.ensure(&|message| eprintln!("{message}")).unwrap();
    clones_are_one_point_in_time(stack, Some("mysql"), "9.").await;
}

async fn clones_are_one_point_in_time(stack: Stack, version: Option<&str>, expected_version: &str) {
    let (rds, ca) = (&stack.rds, stack.ca_file());
    let source = create(rds, "source", version, None).await;
    assert_eq!(source.engine(), Some("aurora-mysql"));
    assert!(source.engine_version().unwrap().contains(expected_version), "{source:?}");
    let sql = |cluster: &DbCluster, sql: &str| client(&ca, cluster, "app", PASSWORD, sql);
    let ask = |cluster: &DbCluster, text: &str| sql(cluster, text).unwrap().trim().to_owned();

    // TLS uses a certificate of the authority. The master user has the rights of an owner, but not
    // SUPER. Clients cannot log in as the administrator.
    assert!(ask(&source, "SHOW STATUS LIKE 'Ssl_cipher'").contains("TLS_"));
    let other = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
    assert!(client(&other, &source, "app", PASSWORD, "SELECT 1").is_err());
    assert!(client(&ca, &source, "app", "wrong-secret", "SELECT 1").is_err());
    assert!(client(&ca, &source, "rdsadmin", "", "SELECT 1").is_err());
    assert!(client(&ca, &source, "root", "", "SELECT 1").is_err());
    let grants = ask(&source, "SHOW GRANTS");
    assert!(grants.contains("RELOAD") && grants.contains("WITH GRANT OPTION") && !grants.contains("SUPER"), "{grants}");
    assert!(!grants.contains("FILE"), "{grants}");
    assert!(sql(&source, "SET GLOBAL max_connections = 5").is_err());
    let settings = "SELECT @@character_set_server, @@time_zone, @@log_bin, @@lower_case_table_names";
    assert_eq!(ask(&source, settings), "utf8mb4\t+00:00\t0\t0");
    sql(&source, TABLES).unwrap();

    // Each transaction writes the same row to both tables. They would differ in a copy that is not
    // one point in time.
    let (port, stop) = (source.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let (stopped, with) = (std::sync::Arc::clone(&stop), ca.clone());
    let writing = std::thread::spawn(move || {
        let mut id = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let rows = (id..id + 200).map(|id| {
                format!(
                    "START TRANSACTION; INSERT INTO shop.a VALUES ({id}); INSERT INTO shop.b VALUES ({id}); COMMIT;"
                )
            });
            client(&with, &port, "app", PASSWORD, &rows.collect::<String>()).unwrap();
            id += 200;
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let copy = clone(rds, "source", "copy").await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writing.join().unwrap();

    let torn = "SELECT count(*) FROM (SELECT id FROM a UNION ALL SELECT id FROM b) x GROUP BY id HAVING count(*) <> 2";
    assert_eq!(ask(&copy, &format!("USE shop; {torn}")), "");
    let rows = |cluster: &DbCluster| ask(cluster, "SELECT count(*) FROM shop.a").parse::<u64>().unwrap();
    assert!(rows(&copy) > 0 && rows(&copy) < rows(&source));
    assert_eq!(ask(&copy, "SELECT id, t FROM shop.m ORDER BY id"), "1\tä\n2\tNULL");
    assert_eq!(ask(&copy, "SELECT count(*), sum(id) FROM shop.c"), "3\t6");
    assert_eq!(ask(&copy, "SELECT count(*), sum(id) FROM shop.r"), "4\t10");
    assert_eq!(ask(&copy, "SELECT id FROM `odd #1`.`t/1`"), "7");
    // The rows of MEMORY tables are not in storage, so a clone does not have them. Aurora does the
    // same.
    assert_eq!(ask(&copy, "SELECT count(*) FROM shop.h"), "0");
    assert!(ask(&copy, "CHECK TABLE shop.a, shop.m, shop.c, shop.r").lines().all(|line| line.ends_with("\tOK")));
    assert_ne!(ask(&source, "SELECT @@port"), ask(&copy, "SELECT @@port"));
    // Source and clone are independent from now on.
    sql(&copy, "DROP TABLE shop.a; INSERT INTO shop.m VALUES (3, 'x')").unwrap();
    assert_eq!(ask(&source, "SELECT count(*) FROM shop.m"), "2");

    rds.modify_db_cluster().db_cluster_identifier("copy").master_user_password("second'secret\\").send().await.unwrap();
    available(rds, "copy").await;
    assert!(sql(&copy, "SELECT 1").is_err());
    assert_eq!(client(&ca, &copy, "app", "second'secret\\", "SELECT 1").unwrap().trim(), "1");

    delete(rds, "copy").await;
    assert_eq!(processes_in(&stack.data_dir).len(), 1);
    // The next control plane removes the servers of one that has crashed.
    local_stack::rds::sweep(&stack.data_dir).unwrap();
    assert!(processes_in(&stack.data_dir).is_empty());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_use_their_parameter_group_and_version() {
    let stack = Stack::start().await;
    let (rds, ca) = (&stack.rds, stack.ca_file());
    NEWEST.ensure(&|message| eprintln!("{message}")).unwrap();
    MARIADB.ensure(&|message| eprintln!("{message}")).unwrap();
    let group = rds.create_db_cluster_parameter_group().db_cluster_parameter_group_name("folded");
    group.db_parameter_group_family("aurora-mysql8.0").description("names in lower case").send().await.unwrap();
    let folded = Parameter::builder().parameter_name("lower_case_table_names").parameter_value("1");
    let folded = folded.apply_method(ApplyMethod::PendingReboot).build();
    let zone = Parameter::builder().parameter_name("default_time_zone").parameter_value("+05:30").build();
    let modify = rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name("folded");
    modify.parameters(folded).parameters(zone).send().await.unwrap();
    for version in ["mariadb", "mysql"] {
        let cluster = create(rds, version, Some(version), Some("folded")).await;
        let sql = "USE SHOP; CREATE TABLE T (a int); SHOW TABLES; SELECT @@time_zone";
        assert_eq!(client(&ca, &cluster, "app", PASSWORD, sql).unwrap(), "t\n+05:30\n");
    }
    // MySQL stores this setting in its data directory, so a clone with another value does not
    // start.
    let copy =
        rds.restore_db_cluster_to_point_in_time().db_cluster_identifier("copy").source_db_cluster_identifier("mysql");
    copy.db_cluster_parameter_group_name("other").use_latest_restorable_time(true).send().await.unwrap();
    while crate::cluster(rds, "copy").await.unwrap().status() != Some("cloning-failed") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    for (engine, version) in [("aurora-mysql", "5"), ("aurora-postgresql", "9.6")] {
        let unknown = rds.create_db_cluster().db_cluster_identifier("unknown").engine(engine).engine_version(version);
        let unknown = unknown.master_username("app").master_user_password(PASSWORD).send().await.unwrap_err();
        let start = format!("Cannot find version {version} for {engine}");
        assert!(unknown.message().unwrap().starts_with(&start), "{unknown:?}");
    }
    // The newest PostgreSQL is available even if the distribution does not have it.
    let newest =
        rds.create_db_cluster().db_cluster_identifier("newest").engine("aurora-postgresql").engine_version("18");
    newest.master_username("app").master_user_password(PASSWORD).database_name("shop").send().await.unwrap();
    let newest = available(rds, "newest").await;
    assert!(newest.engine_version().unwrap().starts_with("18."), "{newest:?}");
    let db = connect(&stack, newest.port().unwrap() as u16, "shop", "app", PASSWORD).await.unwrap();
    db.batch_execute("CREATE EXTENSION hstore; CREATE TABLE t (id int)").await.unwrap();
    let copy = clone(rds, "newest", "newest-copy").await;
    let db = connect(&stack, copy.port().unwrap() as u16, "shop", "app", PASSWORD).await.unwrap();
    assert_eq!(db.query("SELECT id FROM t", &[]).await.unwrap().len(), 0);
    stack.stop().await;
}
