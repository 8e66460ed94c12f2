//! A cluster with two sample databases.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::{Client, Config, NoTls};

use super::Result;
use super::screen::{Screen, grouped};
use super::tools::Tools;

/// The cluster.
pub const CLUSTER: &str = "shop";
const USER: &str = "shopkeeper";
const PASSWORD: &str = "correct-horse-battery";

/// Each database and what makes its tables.
const DATABASES: [(&str, &str); 2] = [("shop", include_str!("shop.sql")), ("warehouse", include_str!("warehouse.sql"))];

/// Tables that grow during the export, so that their rows can't be compared with anything.
const GROWING: [&str; 3] = ["shop.sales.orders", "shop.sales.order_items", "shop.bank.transfers"];

/// Every ordinary and every partitioned table, counted, that the master user can read.
const COUNT: &str = "\
    SELECT format('%s.%s.%s', current_database(), nspname, relname),
           (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', nspname, relname), false, true, '')))[1]::text::int8
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND has_table_privilege(pg_class.oid, 'SELECT')
      AND nspname NOT IN ('pg_catalog', 'information_schema')";

/// Creates the cluster as a person would, and waits until it can be used. Returns its ARN and its port.
pub async fn create(tools: &Tools, screen: Screen) -> Result<(String, u16)> {
    let create =
        ["aws", "rds", "create-db-cluster", "--db-cluster-identifier", CLUSTER, "--engine", "aurora-postgresql"];
    let create = [&create[..], &["--master-username", USER, "--master-user-password", PASSWORD]].concat();
    tools.show(&[&create[..], &["--database-name", DATABASES[0].0]].concat()).await?;
    let instance =
        ["aws", "rds", "create-db-instance", "--db-instance-identifier", "shop-1", "--db-cluster-identifier"];
    let instance = [&instance[..], &[CLUSTER, "--engine", "aurora-postgresql", "--db-instance-class", "db.r6g.large"]];
    tools.show(&instance.concat()).await?;
    let waiting = screen.wait("waiting until it is available");
    loop {
        let described = tools.run(&["aws", "rds", "describe-db-clusters", "--db-cluster-identifier", CLUSTER]).await?;
        let cluster = &described["DBClusters"][0];
        match (cluster["Status"].as_str(), cluster["Port"].as_u64().and_then(|port| port.try_into().ok())) {
            (Some("available"), Some(port)) => {
                waiting
                    .done(&format!("the cluster {CLUSTER} is available: a real PostgreSQL server at 127.0.0.1:{port}"));
                let arn = cluster["DBClusterArn"].as_str().ok_or("the cluster has no ARN")?;
                return Ok((arn.to_owned(), port));
            }
            (Some("creating" | "available"), _) => sleep(Duration::from_millis(100)).await,
            (status, _) => return Err(format!("the cluster {CLUSTER} is {}", status.unwrap_or("gone")).into()),
        }
    }
}

/// Connects to a database of the cluster.
pub async fn connect(port: u16, database: &str) -> Result<Client> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(USER).password(PASSWORD).dbname(database);
    let (client, connection) = config.connect(NoTls).await?;
    // It ends with the client, and the client's calls say why.
    tokio::spawn(connection);
    Ok(client)
}

/// Fills the databases. Returns the rows of every table that nobody will write to from here on.
pub async fn fill(port: u16, screen: Screen) -> Result<BTreeMap<String, i64>> {
    let waiting = screen.wait("filling two databases");
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (database, sql) in DATABASES {
        if database != DATABASES[0].0 {
            connect(port, DATABASES[0].0).await?.batch_execute(&format!("CREATE DATABASE {database}")).await?;
        }
        let client = connect(port, database).await?;
        client.batch_execute(sql).await?;
        for row in client.query(COUNT, &[]).await? {
            counts.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    let rows: i64 = counts.values().sum();
    waiting.done(&format!("{} rows in {} tables of two databases", grouped(rows.unsigned_abs()), counts.len()));
    counts.retain(|table, _| !GROWING.contains(&table.as_str()));
    Ok(counts)
}
