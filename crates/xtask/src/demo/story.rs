//! The steps of the demo in order.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use export_task::engine::Engine;
use local_stack::{Layout, Stack};
use serde_json::json;
use tokio::time::sleep;

use super::screen::{Screen, grouped, path};
use super::tools::Tools;
use super::writer::Writer;
use super::{Result, report, shop, watch};

/// The identifier of the export task.
const TASK: &str = "first-export";

/// Returns the directory for the copy of the exported files.
fn files(layout: &Layout) -> PathBuf {
    layout.state_dir.join("export")
}

/// Runs the steps on a running stack.
pub(super) async fn run(layout: &Layout, stack: &Stack, engine: Engine, screen: Screen) -> Result<()> {
    let tools = Tools::new(layout, stack, screen);

    screen.heading("A cluster");
    let (source, port) = shop::create(engine, &tools, screen).await?;
    let counts = shop::fill(engine, port, screen).await?;

    screen.heading("An export, while customers keep buying");
    let writer = Writer::start(engine, port).await?;
    let start = ["aws", "rds", "start-export-task", "--export-task-identifier", TASK, "--source-arn", &source];
    let bucket = ["--s3-bucket-name", "\"$EXPORT_BUCKET\"", "--iam-role-arn", "\"$EXPORT_ROLE_ARN\""];
    let key = ["--kms-key-id", "\"$EXPORT_KMS_KEY_ID\""];
    tools.show(&[&start[..], &bucket, &key].concat()).await?;
    let before = (writer.transfers(), writer.orders());
    let task = watch::until_complete(&tools, screen, TASK).await?;
    let written = (writer.transfers() - before.0, writer.orders() - before.1);
    writer.stop().await?;
    screen.line(&format!(
        "  During the export, {} transfers between accounts and {} orders were committed.",
        grouped(written.0),
        grouped(written.1)
    ));

    screen.heading("The event in a queue that is subscribed to the topic");
    let receive =
        ["aws", "sqs", "receive-message", "--queue-url", "\"$EXPORT_QUEUE_URL\"", "--wait-time-seconds", "10"];
    report::event(screen, &tools.show(&receive).await?)?;

    screen.heading("The exported tables");
    let copy = files(layout);
    match fs::remove_dir_all(&copy) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => (),
    }
    let to = path(&copy);
    tools.show(&["aws", "s3", "sync", "\"s3://$EXPORT_BUCKET\"", &to, "--only-show-errors"]).await?;
    let exported = copy.join(TASK);
    report::show(&tools, screen, engine, "tables", &exported, &counts).await?;
    report::warnings(screen, &task)?;
    wait_for_clone_deletion(&tools, screen).await?;

    screen.heading("The first rows, read by DuckDB");
    report::show(&tools, screen, engine, "rows", &exported, &counts).await
}

/// Returns the database of a schema. In MySQL the schema is a database.
fn database_of(engine: Engine, schema: &str) -> &str {
    match engine {
        Engine::Postgresql => shop::DATABASE,
        Engine::Mysql => schema,
    }
}

/// Waits for the deletion of the clone, which is the last step of the workflow.
async fn wait_for_clone_deletion(tools: &Tools, screen: Screen) -> Result<()> {
    for _ in 0..60 {
        let described =
            tools.run(&["aws", "rds", "describe-db-clusters", "--query", "DBClusters[].DBClusterIdentifier"]);
        if described.await? == json!([shop::CLUSTER]) {
            screen.line("\n  The clone has been deleted: describe-db-clusters lists only shop.");
            return Ok(());
        }
        sleep(Duration::from_millis(500)).await;
    }
    Err("the clone was not deleted".into())
}

/// Prints the location of the files, and commands to continue with.
pub(super) fn farewell(layout: &Layout, engine: Engine, screen: Screen, took: Duration) {
    let (files, python) = (files(layout).join(TASK), layout.venv().join("bin/python"));
    let orders = path(&files.join(database_of(engine, "sales")).join("sales.orders/*/*.parquet"));
    let line = |text: &str| screen.line(text);
    screen.heading(&format!("Done in {} s. The stack has been stopped", took.as_secs()));
    line(&format!("The exported files are in {}. To read them:", path(&files)));
    let look = "import duckdb, sys; duckdb.read_parquet(sys.argv[1:]).show()";
    line(&format!("  {} -c '{look}' \\\n      {orders}", path(&python)));
    line("To start a stack and create, load and export your own clusters:");
    line("  cargo xtask up");
    line(&format!("  source {}", path(&Layout::from_checkout(&layout.checkout).env_file())));
    line("  aws rds create-db-cluster …          as above; see docs/architecture.md");
    line("  cargo xtask down");
}
