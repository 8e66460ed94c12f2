//! A cluster with sample databases.

use std::collections::BTreeMap;
use std::time::Duration;

use export_task::engine::Engine;
use tokio::time::sleep;

use super::Result;
use super::client::Client;
use super::screen::{Screen, grouped};
use super::tools::Tools;

/// The identifier of the cluster.
pub(super) const CLUSTER: &str = "shop";
pub(super) const USER: &str = "shopkeeper";
pub(super) const PASSWORD: &str = "correct-horse-battery";

/// The database that the cluster is created with.
pub(super) const DATABASE: &str = "shop";

/// The sample databases for one engine.
struct Shop {
    /// The script that creates the tables.
    shop: &'static str,
    /// The script for another database.
    warehouse: &'static str,
    /// The tables that grow during the export, so their number of rows is not known.
    growing: [&'static str; 3],
    /// The query for the number of rows of every readable table.
    count: &'static str,
}

const POSTGRESQL: Shop = Shop {
    shop: include_str!("shop.sql"),
    warehouse: include_str!("warehouse.sql"),
    growing: ["shop.sales.orders", "shop.sales.order_items", "shop.bank.transfers"],
    count: "\
    SELECT format('%s.%s.%s', current_database(), nspname, relname),
           (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %I.%I', nspname, relname), false, true, '')))[1]::text
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND has_table_privilege(pg_class.oid, 'SELECT')
      AND nspname NOT IN ('pg_catalog', 'information_schema');",
};

const MYSQL: Shop = Shop {
    shop: include_str!("shop.mysql.sql"),
    warehouse: include_str!("warehouse.mysql.sql"),
    growing: ["sales.sales.orders", "sales.sales.order_items", "bank.bank.transfers"],
    // A database is also its schema. One connection can count the rows of all databases.
    count: "\
    SELECT group_concat('SELECT ', quote(concat(table_schema, '.', table_schema, '.', table_name)),
           ', count(*) FROM `', table_schema, '`.`', table_name, '`' SEPARATOR ' UNION ALL ') INTO @counts
    FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema');
    EXECUTE IMMEDIATE @counts;",
};

/// Creates the cluster as a user would, and waits until it is available. Returns its ARN and its
/// port.
pub(super) async fn create(engine: Engine, tools: &Tools, screen: Screen) -> Result<(String, u16)> {
    let create = ["aws", "rds", "create-db-cluster", "--db-cluster-identifier", CLUSTER, "--engine", engine.name()];
    let create = [&create[..], &["--master-username", USER, "--master-user-password", PASSWORD]].concat();
    tools.show(&[&create[..], &["--database-name", DATABASE]].concat()).await?;
    let instance =
        ["aws", "rds", "create-db-instance", "--db-instance-identifier", "shop-1", "--db-cluster-identifier"];
    let instance = [&instance[..], &[CLUSTER, "--engine", engine.name(), "--db-instance-class", "db.r6g.large"]];
    tools.show(&instance.concat()).await?;
    let waiting = screen.wait("waiting for the cluster to become available");
    loop {
        let described = tools.run(&["aws", "rds", "describe-db-clusters", "--db-cluster-identifier", CLUSTER]).await?;
        let cluster = &described["DBClusters"][0];
        match (cluster["Status"].as_str(), cluster["Port"].as_u64().and_then(|port| port.try_into().ok())) {
            (Some("available"), Some(port)) => {
                let server = match engine {
                    Engine::Postgresql => "PostgreSQL",
                    Engine::Mysql => "MariaDB",
                };
                waiting
                    .done(&format!("the cluster {CLUSTER} is available: a real {server} server at 127.0.0.1:{port}"));
                let arn = cluster["DBClusterArn"].as_str().ok_or("the cluster has no ARN")?;
                return Ok((arn.to_owned(), port));
            }
            (Some("creating" | "available"), _) => sleep(Duration::from_millis(100)).await,
            (status, _) => return Err(format!("the cluster {CLUSTER} is {}", status.unwrap_or("deleted")).into()),
        }
    }
}

/// Fills the databases. Returns the number of rows of every table that does not change from now on.
pub(super) async fn fill(engine: Engine, port: u16, screen: Screen) -> Result<BTreeMap<String, i64>> {
    let shop = match engine {
        Engine::Postgresql => POSTGRESQL,
        Engine::Mysql => MYSQL,
    };
    let waiting = screen.wait("filling the databases");
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (database, sql) in [(DATABASE, shop.shop), ("warehouse", shop.warehouse)] {
        if database != DATABASE {
            Client::connect(engine, port, DATABASE).await?.run(&format!("CREATE DATABASE {database};")).await?;
        }
        let mut client = Client::connect(engine, port, database).await?;
        client.run(sql).await?;
        counts.extend(client.run(shop.count).await?);
    }
    let rows: i64 = counts.values().sum();
    waiting.done(&format!("{} rows in {} tables", grouped(rows.unsigned_abs()), counts.len()));
    counts.retain(|table, _| !shop.growing.contains(&table.as_str()));
    Ok(counts)
}
