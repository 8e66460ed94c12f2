//! Connections to the sample databases. They run SQL scripts.

use std::process::Stdio;

use export_task::engine::Engine;
use local_stack::servers::mysql_client;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::Result;
use super::shop::{PASSWORD, USER};

/// The text that marks the end of the client's output for a script.
const END: &str = "end of the output";

/// A connection to one database.
pub enum Client {
    Postgresql(tokio_postgres::Client),
    Mysql(Mysql),
}

/// A running client program of MySQL. It reads statements and writes one line for each row.
pub struct Mysql {
    client: Child,
    statements: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Connects to a database of a cluster.
    pub async fn connect(engine: Engine, port: u16, database: &str) -> Result<Self> {
        match engine {
            Engine::Postgresql => {
                let mut config = Config::new();
                config.host("127.0.0.1").port(port).user(USER).password(PASSWORD).dbname(database);
                let (client, connection) = config.connect(NoTls).await?;
                // The connection ends with the client. Calls of the client return its errors.
                tokio::spawn(connection);
                Ok(Self::Postgresql(client))
            }
            Engine::Mysql => {
                let mut command = Command::from(mysql_client(port, USER, PASSWORD, &crate::say)?);
                command.args(["--skip-column-names", "--unbuffered", "--database", database]);
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
                // A separate process group keeps a Ctrl-C in the terminal away from the client. The
                // demo ends it.
                let mut client = command.process_group(0).spawn()?;
                let (Some(statements), Some(output)) = (client.stdin.take(), client.stdout.take()) else {
                    return Err("the MySQL client has no pipes".into());
                };
                Ok(Self::Mysql(Mysql { client, statements, output: BufReader::new(output).lines() }))
            }
        }
    }

    /// Runs statements. Returns the rows of the queries, which have a name and sometimes a number.
    pub async fn run(&mut self, sql: &str) -> Result<Vec<(String, i64)>> {
        match self {
            Self::Postgresql(client) => {
                let messages = client.simple_query(sql).await?;
                let rows = messages.into_iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
                Ok(rows.map(|row| (text(row.get(0)), number(row.try_get(1).unwrap_or_default()))).collect())
            }
            Self::Mysql(client) => client.run(sql).await,
        }
    }
}

impl Mysql {
    async fn run(&mut self, sql: &str) -> Result<Vec<(String, i64)>> {
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
        Err(format!("the MySQL client failed: {}", error.trim()).into())
    }
}

fn number(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
