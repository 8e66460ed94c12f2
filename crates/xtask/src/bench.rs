//! Exports the same tables with this project and with other tools, on one server and in one run.
//! Checks that the files have the values of the server, and writes the results to
//! `docs/benchmarks.md`.
//!
//! # Layout
//!
//! * `server`: the database servers. `load.py` generates their data.
//! * `peers`: installs the other tools.
//! * `compare.py`: runs all tools on one table. `tools.py` has their command lines, `measure.py`
//!   measures time and memory, `tables.py` compares the files with the server.
//! * `report.py`: writes the tables of the document.

mod peers;
mod server;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};

use peers::Peers;
use server::{Engine, Server};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The markers around the generated part of the document.
const BEGIN: &str = "<!-- written by cargo xtask bench -->";
const END: &str = "<!-- end of what cargo xtask bench writes -->";

/// The table `lineitem` of TPC-H, in SQL that all servers understand.
const LINEITEM: &str = "
    CREATE TABLE lineitem (
        l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL, l_linenumber bigint NOT NULL,
        l_quantity decimal(15,2) NOT NULL, l_extendedprice decimal(15,2) NOT NULL, l_discount decimal(15,2) NOT NULL, l_tax decimal(15,2) NOT NULL,
        l_returnflag varchar(1) NOT NULL, l_linestatus varchar(1) NOT NULL,
        l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
        l_shipinstruct varchar(25) NOT NULL, l_shipmode varchar(10) NOT NULL, l_comment varchar(44) NOT NULL,
        PRIMARY KEY (l_orderkey, l_linenumber)
    )";

/// A table with the types that `lineitem` does not have.
const WIDE: &str = "
    CREATE TABLE wide AS
    SELECT g AS id, md5(g::text)::uuid AS session, timestamptz '2020-01-01' + g * interval '1.5 seconds' AS at,
           (g % 1000003)::numeric(20,4) / 7 AS free, ((g % 100000)::numeric / 100)::numeric(12,2) AS amount,
           jsonb_build_object('n', g, 'tag', md5((g / 50)::text), 'list', jsonb_build_array(g % 7, 'x')) AS document,
           decode(md5((g * 3)::text), 'hex') AS signature, ARRAY[g % 10, g % 20, g % 30]::int[] AS numbers,
           ('10.' || g % 256 || '.' || g / 256 % 256 || '.1')::inet AS address, g % 3 = 0 AS flag,
           CASE WHEN g % 5 > 0 THEN repeat(md5((g * 7)::text), 1 + (g % 3)::int) END AS note, g * 0.1::float8 AS score
    FROM generate_series(1, :rows::bigint) g;
    ALTER TABLE wide ADD PRIMARY KEY (id)";

/// The options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Scale factor of TPC-H. The wide table has a million rows times this factor
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Number of rounds for the tools that have required ratios. Other tools run once. With 0,
    /// nothing runs and the document is only written again
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Servers, separated by commas; all by default. The document keeps the earlier results of the
    /// others
    #[arg(long, value_delimiter = ',')]
    only: Vec<Engine>,
    /// Tables, separated by commas: lineitem and, on PostgreSQL, wide; all by default
    #[arg(long, value_delimiter = ',')]
    tables: Vec<Table>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    Lineitem,
    Wide,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Lineitem => "lineitem",
            Self::Wide => "wide",
        }
    }
}

struct Bench<'a> {
    options: &'a Options,
    sources: PathBuf,
    scratch: PathBuf,
    release: PathBuf,
    peers: Peers,
}

/// Runs the benchmarks that the options select, and writes the document.
pub(crate) fn run(checkout: &Path, options: &Options) -> Result<()> {
    let scratch = checkout.join("target/bench");
    fs::create_dir_all(scratch.join("results"))?;
    let sources = checkout.join("crates/xtask/src/bench");
    let peers = Peers::install(checkout, &scratch, &sources.join("requirements.txt"))?;
    let bench = Bench { options, sources, scratch, release: checkout.join("target/release"), peers };
    if options.rounds > 0 {
        crate::say("building the release binaries");
        let mut build = local_stack::cargo::command();
        let binaries =
            ["--package", "aurora-export", "--package", "measure", "--bin", "aurora-export", "--bin", "encode"];
        run_to_end(build.current_dir(checkout).args(["build", "--release"]).args(binaries))?;
    }
    // A failure on one server is reported after the other servers have been measured.
    let failures = if options.rounds > 0 { bench.measure()? } else { Vec::new() };
    let report = bench.report()?;
    println!("{report}");
    write(&checkout.join("docs/benchmarks.md"), &report)?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ").into()) }
}

impl Bench<'_> {
    fn measure(&self) -> Result<Vec<String>> {
        let wanted = |engine| self.options.only.is_empty() || self.options.only.contains(&engine);
        let lineitem = self.scratch.join("lineitem.tsv");
        crate::say("generating lineitem");
        run_to_end(self.python("load.py").arg(&lineitem).arg(self.options.scale.to_string()))?;
        let mut failures = Vec::new();
        for engine in [Engine::Postgres, Engine::Mariadb, Engine::Mysql].into_iter().filter(|engine| wanted(*engine)) {
            if let Err(error) = self.measure_on(engine, &lineitem) {
                crate::say(&format!("{}: {error}", engine.name()));
                failures.push(format!("{}: {error}", engine.name()));
            }
        }
        fs::remove_file(lineitem)?;
        Ok(failures)
    }

    fn measure_on(&self, engine: Engine, lineitem: &Path) -> Result<()> {
        crate::say(&format!("loading {}", engine.name()));
        let server = Server::start(engine)?;
        server.execute(LINEITEM)?;
        server.load("lineitem", lineitem)?;
        let mut tables = vec![Table::Lineitem];
        if engine == Engine::Postgres {
            let rows = (self.options.scale * 1_000_000.0) as u64;
            server.execute(&WIDE.replace(":rows", &rows.to_string()))?;
            server.execute("VACUUM (FREEZE, ANALYZE)")?;
            tables.push(Table::Wide);
        }
        for table in tables {
            if self.options.tables.is_empty() || self.options.tables.contains(&table) {
                self.compare(engine, &server, table.name())?;
            }
        }
        Ok(())
    }

    fn compare(&self, engine: Engine, server: &Server, table: &str) -> Result<()> {
        let mut compare = self.python("compare.py");
        compare.args(["--engine", engine.name(), "--table", table, "--port", &server.port.to_string()]);
        compare.args(["--client", &serde_json::to_string(&server.client)?]);
        compare.args(["--scale", &self.options.scale.to_string(), "--rounds", &self.options.rounds.to_string()]);
        compare.arg("--binary").arg(self.release.join("aurora-export"));
        compare.arg("--encode").arg(self.release.join("encode"));
        compare.arg("--pg2parquet").arg(&self.peers.pg2parquet).args(["--jars", &self.peers.jars]);
        compare.args(["--missing", &serde_json::to_string(&self.peers.missing)?]);
        compare.arg("--scratch").arg(&self.scratch).arg("--results");
        compare.arg(self.scratch.join(format!("results/{}-{table}.json", engine.name())));
        match compare.stderr(Stdio::inherit()).status()?.success() {
            true => Ok(()),
            false => Err(format!("comparing exports of {table} failed").into()),
        }
    }

    fn report(&self) -> Result<String> {
        let versions = serde_json::to_string(&self.peers.versions()?)?;
        let output = self.python("report.py").arg(self.scratch.join("results")).arg(versions).output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into()),
        }
    }

    fn python(&self, script: &str) -> Command {
        let mut python = Command::new(&self.peers.python);
        python.env("PYTHONDONTWRITEBYTECODE", "1").arg(self.sources.join(script));
        python
    }
}

fn write(document: &Path, report: &str) -> Result<()> {
    let text = fs::read_to_string(document)?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        return Err(format!("{} has no markers for the tables", document.display()).into());
    };
    let text = format!("{}{BEGIN}\n\n{report}\n\n{}", &text[..begin], &text[end..]);
    Ok(fs::write(document, text)?)
}

/// Runs a command to its end. Returns its standard error as the error.
fn run_to_end(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim()).into())
}
