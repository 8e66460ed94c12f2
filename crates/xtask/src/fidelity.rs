//! Exports databases from other projects, compares every value, and looks rows up in the files.
//! These tests are too large or too slow for every day.
//!
//! # Layout
//!
//! * `cluster`: a cluster on a separate stack, its export and the comparison. `postgres` and
//!   `mysql` are for one engine.
//! * `regression`: the database of PostgreSQL's own regression tests.
//! * `extensions`: types of extensions that are not in the server's package.
//! * `samples`: sample databases of MySQL.
//! * `sizes`: values and rows at the real limits.
//! * `debian`: Debian packages that are downloaded but not installed.

mod cluster;
pub(crate) mod debian;
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

pub(crate) use cluster::cache;
use postgres::Postgres;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A database, or a group of databases, that is exported and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The database that PostgreSQL's own regression tests create, from the server's source
    /// package.
    Regression,
    /// PostGIS, pgvector and other extensions, only with the system's PostgreSQL.
    Extensions,
    /// A value just below 500 MB, a larger one, and a row above 2 GB.
    Sizes,
    /// More tables than fit into one metadata document.
    Tables,
    /// sakila, world, DBT-3 and the tables of percona-toolkit's tests, on MariaDB and on MySQL.
    Samples,
    /// Generated tables that are divided into ranges. Each row must be in exactly one range.
    Ranges,
}

/// The options of the subject `ranges`.
#[derive(Args, Debug)]
pub(crate) struct Ranges {
    /// Number of tables that `ranges` generates on each engine
    #[arg(long, default_value_t = 1000)]
    tables: u64,
    /// Engine for `ranges`; all three by default
    #[arg(long)]
    engine: Option<RangesEngine>,
    /// Seed of the first table of `ranges`. Each further table has the next number as its seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// An engine for `ranges`. Each has its own test binary.
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
                return Err("a row is missing or occurs twice".into());
            }
        }
        Ok(())
    }
}

const TABLES: usize = 2500;

/// Exports each subject from a separate cluster and compares the export with that cluster. `newest`
/// selects the newest PostgreSQL.
pub(crate) fn run(checkout: &Path, subjects: &[Subject], newest: bool, ranges: &Ranges) -> Result<()> {
    let subjects = if subjects.is_empty() { Subject::value_variants() } else { subjects };
    if subjects.contains(&Subject::Ranges) {
        ranges.run(checkout)?;
    }
    if subjects == [Subject::Ranges] {
        return Ok(());
    }
    if newest && subjects.contains(&Subject::Extensions) {
        return Err(
            "extensions are available only for the system's PostgreSQL: with --newest, name the other subjects".into(),
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
            // This subject needs no stack and has already run.
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
    cluster.grant_read()?;
    let compared = cluster.export_and_compare("tables")?;
    if cluster::tables(&compared).count() == TABLES { Ok(()) } else { Err("tables are missing".into()) }
}
