//! Connections to the sample databases. They run SQL scripts through the servers' own clients, so
//! that `cargo xtask` needs no database driver.

use std::process::Stdio;

use export_task::engine::Engine;
use local_stack::prerequisites;
use local_stack::servers::mysql_client;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::Result;
use super::shop::{PASSWORD, USER};

/// The text that marks the end of the client's output for a script.
const END: &str = "end of the output";

/// A connection to one database: a running client program. It reads statements and writes one line
/// for each row.
pub(super) struct Client {
    client: Child,
    statements: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Connects to a database of a cluster.
    pub(super) async fn connect(engine: Engine, port: u16, database: &str) -> Result<Self> {
        let mut command = match engine {
            Engine::Postgresql => {
                let mut command = Command::new(prerequisites::postgres(&crate::say)?.join("psql"));
                command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--field-separator", "\t"]);
                command.args(["--set", "ON_ERROR_STOP=1", "--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--username", USER, "--dbname", database]).env("PGPASSWORD", PASSWORD);
                command
            }
            Engine::Mysql => {
                let mut command = Command::from(mysql_client(port, USER, PASSWORD, &crate::say)?);
                command.args(["--skip-column-names", "--unbuffered", "--database", database]);
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A separate process group keeps a Ctrl-C in the terminal away from the client. The demo
        // ends it.
        let mut client = command.process_group(0).spawn()?;
        let (Some(statements), Some(output)) = (client.stdin.take(), client.stdout.take()) else {
            return Err("the database client has no pipes".into());
        };
        Ok(Self { client, statements, output: BufReader::new(output).lines() })
    }

    /// Runs statements. Returns the rows of the queries, which have a name and sometimes a number.
    pub(super) async fn run(&mut self, sql: &str) -> Result<Vec<(String, i64)>> {
        // If a statement fails, the client ends without reading the rest, and its standard error
        // has the reason.
        let sent = self.statements.write_all(format!("{sql}\nSELECT '{END}';\n").as_bytes()).await;
        let mut rows = Vec::new();
        while let Some(line) = self.output.next_line().await? {
            if line == END {
                return Ok(rows);
            }
            let (name, value) = line.split_once('\t').unwrap_or((&line, ""));
            rows.push((name.to_owned(), number(Some(value))));
        }
        let mut error = String::new();
        if let Some(errors) = &mut self.client.stderr {
            errors.read_to_string(&mut error).await?;
        }
        sent?;
        Err(format!("the database client failed: {}", error.trim()).into())
    }
}

fn number(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
