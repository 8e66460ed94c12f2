//! Databases that nobody here made, exported and compared with their exports, and their rows looked up: too large or too slow for the tests of every day.
//!
//! # Layout
//!
//! * `cluster`: a cluster on a stack of its own, its export, the comparison; `postgres` and `mysql` are those of one engine.
//! * `regression`: the database PostgreSQL's own regression tests leave.
//! * `extensions`: types of extensions that the server's package has not.
//! * `samples`: sample databases of MySQL.
//! * `sizes`: values and rows at the limits, in their real size.
//! * `debian`: packages of Debian, fetched but not installed.

mod cluster;
pub mod debian;
mod extensions;
mod mysql;
mod postgres;
mod regression;
mod samples;
mod sizes;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use local_stack::servers::{MARIADB, NEWEST};
use local_stack::{Layout, Stack, prerequisites};

pub use cluster::cache;
use postgres::Postgres;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is exported and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// The database that PostgreSQL's own regression tests leave, from the server's source package.
    Regression,
    /// PostGIS, pgvector and other extensions, with the system's PostgreSQL only.
    Extensions,
    /// A value just under 500 MB, one above, a row above 2 GB.
    Sizes,
    /// More tables than one metadata document describes.
    Tables,
    /// sakila, world, DBT-3 and the tables of percona-toolkit's tests, on MariaDB and on MySQL.
    Samples,
    /// Tables nobody thought of, cut into ranges: each row must be in one.
    Ranges,
}

/// Which tables are made for `ranges`.
#[derive(Args, Debug)]
pub struct Ranges {
    /// Tables that `ranges` makes on each engine
    #[arg(long, default_value_t = 1000)]
    tables: u64,
    /// Engine that `ranges` makes them on; all three if not given
    #[arg(long)]
    engine: Option<RangesEngine>,
    /// Number `ranges` makes the first table of, the next one the second
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// An engine, whose tests are a binary of their own.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RangesEngine {
    Postgresql,
    Mariadb,
    Mysql,
}

impl Ranges {
    fn run(&self, checkout: &Path) -> Result<()> {
        for engine in self.engine.as_ref().map_or(RangesEngine::value_variants(), std::slice::from_ref) {
            let binary = match engine {
                RangesEngine::Postgresql => "postgres",
                RangesEngine::Mariadb => "mariadb",
                RangesEngine::Mysql => "mysql",
            };
            let status = local_stack::cargo::command()
                .current_dir(checkout)
                .args(["test", "--package", "cluster-source", "--test", binary, "--", "--nocapture", "generated::"])
                .env("RANGES_TABLES", self.tables.to_string())
                .env("RANGES_SEED", self.seed.to_string())
                .status()?;
            if !status.success() {
                return Err("a row was lost or doubled".into());
            }
        }
        Ok(())
    }
}

const TABLES: usize = 2500;

/// Exports each subject from a cluster of its own and compares it with that cluster. On the newest PostgreSQL, if told so.
pub fn run(checkout: &Path, subjects: &[Subject], newest: bool, ranges: &Ranges) -> Result<()> {
    let subjects = if subjects.is_empty() { Subject::value_variants() } else { subjects };
    if subjects.contains(&Subject::Ranges) {
        ranges.run(checkout)?;
    }
    if subjects == [Subject::Ranges] {
        return Ok(());
    }
    if newest && subjects.contains(&Subject::Extensions) {
        return Err(
            "extensions are installed for the system's PostgreSQL only: name the subjects for the newest".into()
        );
    }
    let programs = if newest { newest_programs()? } else { prerequisites::postgres(&crate::say)? };
    if subjects.contains(&Subject::Samples) {
        MARIADB.ensure(&crate::say)?;
        NEWEST.ensure(&crate::say)?;
    }
    let layout = Layout::private(checkout, "fidelity");
    let stack = Stack::up_for_this_process(&layout, &crate::say)?;
    let ended = subjects.iter().try_for_each(|subject| {
        let cluster = |id| Postgres::create(&layout, &stack, &programs, id);
        match subject {
            Subject::Regression => regression::run(&cluster("regression")?),
            Subject::Extensions => extensions::run(&cluster("extensions")?),
            Subject::Sizes => sizes::run(&cluster("sizes")?),
            Subject::Tables => tables(&cluster("tables")?),
            Subject::Samples => samples::run(&layout, &stack),
            // Done before: it needs no stack.
            Subject::Ranges => Ok(()),
        }
    });
    Stack::down(&layout)?;
    ended
}

fn newest_programs() -> Result<PathBuf> {
    let versions = NEWEST.ensure(&crate::say)?.join("usr/lib/postgresql");
    let version = fs::read_dir(versions)?.flatten().next().ok_or("the packages have no PostgreSQL")?;
    Ok(version.path().join("bin"))
}

fn tables(cluster: &Postgres) -> Result<()> {
    let make = "EXECUTE format('CREATE TABLE %I AS SELECT %s AS n', 'table ' || n, n)";
    cluster.sql("postgres", &format!("DO $$ BEGIN FOR n IN 1..{TABLES} LOOP {make}; END LOOP; END $$"))?;
    cluster.readable()?;
    let compared = cluster.export_and_compare("tables")?;
    if cluster::tables(&compared).count() == TABLES { Ok(()) } else { Err("tables are missing".into()) }
}
