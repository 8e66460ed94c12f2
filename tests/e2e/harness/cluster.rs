//! DB clusters: real database servers behind the local RDS control plane.

use std::future::Future;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use local_stack::servers::mysql_client;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use super::aws::{list, text};
use super::{Env, wait_for};

const USER: &str = "master";
const PASSWORD: &str = "correct-horse-1";

/// A cluster of one test. Dropping this deletes it.
pub(crate) struct Cluster {
    pub env: &'static Env,
    pub id: String,
    pub arn: String,
    pub port: u16,
    scheme: &'static str,
}

impl Cluster {
    /// Creates a cluster of Aurora PostgreSQL with a database `shop`, and runs `sql` there.
    pub(crate) fn create(env: &'static Env, id: &str, sql: &str) -> Self {
        Self::create_with(env, id, json!({}), sql)
    }

    /// Does what [`create`](Self::create) does, with additional members in the request.
    pub(crate) fn create_with(env: &'static Env, id: &str, more: Value, sql: &str) -> Self {
        let cluster = Self::request_new(env, id, "aurora-postgresql", more);
        cluster.sql("shop", sql);
        cluster
    }

    /// Creates a cluster of Aurora MySQL with an empty database `shop`. The request has the
    /// additional members `more`.
    pub(crate) fn create_mysql(env: &'static Env, id: &str, more: Value) -> Self {
        Self::request_new(env, id, "aurora-mysql", more)
    }

    fn request_new(env: &'static Env, id: &str, engine: &str, more: Value) -> Self {
        let mut request = json!({"DBClusterIdentifier": id, "Engine": engine, "MasterUsername": USER,
            "MasterUserPassword": PASSWORD, "DatabaseName": "shop"});
        request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        env.aws("rds", "create_db_cluster", request);
        Self::available(env, id)
    }

    /// Waits until a cluster that somebody else created is available.
    pub(crate) fn available(env: &'static Env, id: &str) -> Self {
        let found = wait_for("an available cluster", Duration::from_secs(60), || {
            let answer = env.aws("rds", "describe_db_clusters", json!({"DBClusterIdentifier": id}));
            let cluster = list(&answer, "DBClusters")[0].clone();
            (cluster["Status"] == "available").then_some(cluster)
        });
        let port = u16::try_from(found["Port"].as_u64().unwrap()).unwrap();
        let scheme = if text(&found, "Engine") == "aurora-mysql" { "mysql" } else { "postgres" };
        Self { env, id: id.to_owned(), arn: text(&found, "DBClusterArn").to_owned(), port, scheme }
    }

    /// Returns arguments of the AWS CLI that create a cluster like that of
    /// [`create`](Self::create).
    pub(crate) fn cli_arguments(id: &str) -> [&str; 12] {
        [
            "rds",
            "create-db-cluster",
            "--db-cluster-identifier",
            id,
            "--engine",
            "aurora-postgresql",
            "--master-username",
            USER,
            "--master-user-password",
            PASSWORD,
            "--database-name",
            "shop",
        ]
    }

    /// Runs statements as the master user of a cluster of Aurora PostgreSQL.
    pub(crate) fn sql(&self, database: &str, sql: &str) {
        let port = self.port;
        run(async { connect(port, database).await.batch_execute(sql).await }).unwrap_or_else(|error| {
            panic!("{}: {:?}", database, error.as_db_error().map_or(error.to_string(), |e| e.message().to_owned()))
        });
    }

    /// Runs statements as the master user of a cluster of Aurora MySQL.
    pub(crate) fn mysql(&self, database: &str, sql: &str) {
        let mut client = self.mysql_client();
        let client = client.arg(format!("--database={database}")).stdin(Stdio::piped());
        let mut client = client.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        client.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let done = client.wait_with_output().unwrap();
        assert!(done.status.success(), "{database}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Returns a command that runs the MySQL client as the master user.
    pub(crate) fn mysql_client(&self) -> Command {
        mysql_client(self.port, USER, PASSWORD, &|message| eprintln!("{message}")).unwrap()
    }

    /// Returns the URL that `aurora-export` connects to.
    pub(crate) fn url(&self) -> String {
        format!("{}://{USER}:{PASSWORD}@127.0.0.1:{}", self.scheme, self.port)
    }

    /// Returns a valid request with the required members only.
    pub(crate) fn request(&self, task: &str) -> Value {
        json!({
            "ExportTaskIdentifier": task,
            "SourceArn": self.arn,
            "S3BucketName": self.env.var("EXPORT_BUCKET"),
            "IamRoleArn": self.env.var("EXPORT_ROLE_ARN"),
            "KmsKeyId": self.env.var("EXPORT_KMS_KEY_ID"),
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // After a failed test the cluster may be in a state that does not allow this. It is then
        // removed with the stack.
        let request = json!({"DBClusterIdentifier": self.id, "SkipFinalSnapshot": true});
        let _ = self.env.try_aws("rds", "delete_db_cluster", request);
    }
}

/// Connects as the master user.
pub(crate) async fn connect(port: u16, database: &str) -> Client {
    let config = format!("host=127.0.0.1 port={port} user={USER} password={PASSWORD} dbname='{database}'");
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs a future to completion on a new single-threaded runtime.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
