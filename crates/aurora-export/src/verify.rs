//! Reads an export back and compares it with its own metadata and with a database.
//!
//! # Layout
//!
//! * `export`: lists and reads the files of an export.
//! * `contents`: reads the metadata and assigns each file to its table.
//! * `part`: reads one Parquet file to its last page.
//! * `tally`: computes the measures of a column from the files. `number` and `print` handle
//!   numbers.
//! * `database`: lists the tables of a server and lets it compute the same measures.
//! * `report`: prints the result.

mod contents;
mod database;
mod export;
mod number;
mod part;
mod print;
mod report;
mod tally;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use clap::{Args, ValueEnum};
use cluster_source::SourceError;
use cluster_source::profile::{Asked, ListedColumn, Profile};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::local;
use crate::local::address::Address;
use contents::{Column, Contents};
use database::{Database, Profiler};
use export::Export;
use part::Part;
use report::{Difference, Report};
use tally::{Comparison, Tally};

use crate::error::CommandError;

/// The arguments of `aurora-export verify`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The export: the directory that holds export_info_<task>.json, or s3://bucket/prefix/task
    export: String,
    /// Compare with a database too:
    /// postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE
    ///
    /// The URL has the same form as for `aurora-export local`, and the password can be set in
    /// AURORA_EXPORT_PASSWORD too. The server is read as it is now. Changes since the export are
    /// reported as differences.
    // Parsed later, because the argument parser prints the text with its error, and the text may
    // hold a password.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Format of the result
    #[arg(long, default_value = "text")]
    output: Output,
    /// Part of the export to compare: database, database.schema or database.schema.table (MySQL:
    /// database.table); may be repeated
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Log in to PostgreSQL as a superuser, or as a member of a role that may read or write the
    /// server's files or run programs there
    ///
    /// The server plans a query of every table. Planning may run code that the table's owner put
    /// into indexes and statistics, with the rights of the user who logs in. `aurora-export local
    /// --help` describes a suitable user.
    #[arg(long)]
    allow_superuser: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Compares an export, prints the result on standard output, and returns whether everything is
/// equal.
///
/// # Errors
/// When the export holds no metadata, or when the export or the database can't be reached.
pub async fn run(arguments: Arguments) -> Result<bool, CommandError> {
    let export = Export::open(&arguments.export).await;
    let mut contents = Contents::read(&export).await?;
    let is_wanted = |target: &str| is_selected(&arguments.only, target);
    contents.tables.retain(|table| is_wanted(&table.target));
    let mut differences = std::mem::take(&mut contents.differences);
    let database = match &arguments.source {
        None => None,
        Some(address) => {
            let address = Address::with_password(address)?;
            let server = address.source()?;
            if !arguments.allow_superuser {
                local::refuse_superuser(&server).await?;
            }
            Some(Database::list(server, address.database.as_deref(), &contents).await?)
        }
    };
    if let Some(database) = &database {
        let exported: BTreeSet<_> =
            contents.tables.iter().map(|table| (table.target.as_str(), table.namesakes)).collect();
        let missing = database.tables.keys().filter(|(target, namesakes)| {
            is_wanted(target)
                && !exported.contains(&(target.as_str(), *namesakes))
                && !contents.skipped.contains_key(target)
                && !contents.warning_message.contains(target)
        });
        differences.extend(missing.map(|(target, _)| format!("{target} is in the database and not in the export")));
        differences.extend(database.unreadable.iter().map(|name| format!("the database {name} can't be read")));
    }
    let skipped = std::mem::take(&mut contents.skipped);
    let with_database = database.is_some();
    let tables = compare(export, contents.tables, database).await?;
    let equal = differences.is_empty() && tables.iter().all(|table| table.differences.is_empty());
    let report = Report { equal, with_database, tables, skipped, differences };
    match arguments.output {
        Output::Text => println!("{report}"),
        Output::Json => println!("{}", serde_json::to_string(&report)?),
    }
    Ok(equal)
}

/// Returns whether a table is in one of the parts. In MySQL, a database is its own schema.
fn is_selected(parts: &[String], target: &str) -> bool {
    let is_in = |part: &String| {
        let below = |name: &str| target == name || target.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        below(part) || part.split_once('.').is_some_and(|(database, _)| target == format!("{database}.{part}"))
    };
    parts.is_empty() || parts.iter().any(is_in)
}

/// Compares as many tables at once as there are processors, and reads as many files at once.
async fn compare(
    export: Export,
    tables: Vec<contents::Table>,
    database: Option<Database>,
) -> Result<Vec<report::Table>, CommandError> {
    let processors = available_parallelism().map_or(1, usize::from);
    let shared = Arc::new(Shared { export, database, readers: Arc::new(Semaphore::new(processors)), processors });
    let tables = Arc::new(Mutex::new(tables.into_iter().enumerate()));
    let mut workers = JoinSet::new();
    for _ in 0..processors {
        let (shared, tables) = (Arc::clone(&shared), Arc::clone(&tables));
        workers.spawn(async move {
            let next = || tables.lock().unwrap_or_else(PoisonError::into_inner).next();
            let mut profiler = shared.database.as_ref().map(|database| Profiler::new(database.source.clone()));
            let mut done = Vec::new();
            while let Some((number, table)) = next() {
                done.push((number, shared.table(table, profiler.as_mut()).await?));
            }
            Ok::<_, CommandError>(done)
        });
    }
    let mut done = Vec::new();
    while let Some(worker) = workers.join_next().await {
        done.extend(worker.map_err(stopped)??);
    }
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, table)| table).collect())
}

fn stopped(error: tokio::task::JoinError) -> CommandError {
    CommandError::caused("a reader stopped early", error)
}

/// Everything that all workers share.
struct Shared {
    export: Export,
    database: Option<Database>,
    /// Limits the number of files that all workers together read at once.
    readers: Arc<Semaphore>,
    processors: usize,
}

/// A column of the files and the database column that it is compared with.
struct Compared<'a> {
    /// The index of the column in the files.
    index: usize,
    column: &'a ListedColumn,
    comparison: Comparison,
}

impl Shared {
    async fn table(
        &self,
        table: contents::Table,
        profiler: Option<&mut Profiler>,
    ) -> Result<report::Table, CommandError> {
        let mut differences: Vec<Difference> = table.differences.iter().cloned().map(Difference::from).collect();
        let found = self.database.as_ref().map(|database| database.table(&table.target, table.namesakes));
        let (mut compared, mut comparisons) = (Vec::new(), vec![None; table.columns.len()]);
        if let (Some(Some((_, listed))), Some(profiler)) = (found, &profiler) {
            differences.extend(described(&table.columns, &listed.columns));
            compared = profiler.compared(&table.columns, &listed.columns, &mut differences);
        }
        for Compared { index, comparison, .. } in &compared {
            comparisons[*index] = Some(*comparison);
        }
        let (part, unreadable) = self.files(&table, comparisons).await?;
        differences.extend(unreadable.into_iter().map(Difference::from));
        if table.rows.is_some_and(|rows| rows != part.rows) {
            differences.push("rows".to_owned().into());
        }
        let mut not_counted = Vec::new();
        match (found, profiler) {
            (Some(Some((database, listed))), Some(profiler)) => {
                let asked: Vec<Asked<'_>> = compared.iter().map(|compared| compared.asked(&part)).collect();
                match profiler.profile(database, listed, &asked).await {
                    Ok(profile) => differences.extend(differences_of(&table.columns, &part, &compared, &profile)),
                    Err(error) => differences.push(unanswered(error)?),
                }
                let names = asked.iter().filter(|asked| !asked.distinct).map(|asked| asked.column.name.clone());
                not_counted.extend(names);
            }
            (Some(None), _) => differences.push("the database has no such table".to_owned().into()),
            _ => {}
        }
        Ok(report::Table {
            rows: part.rows,
            files: table.files.len() as u64,
            bytes: table.bytes(),
            differences,
            not_counted,
            target: table.target,
        })
    }

    /// Reads a table's files. Returns what they hold together, and a message for each file that
    /// can't be read.
    async fn files(
        &self,
        table: &contents::Table,
        comparisons: Vec<Option<Comparison>>,
    ) -> Result<(Part, Vec<String>), CommandError> {
        let columns = table.columns.iter();
        let columns = columns.map(|column| (column.column_name.clone(), column.expected_exported_type.clone()));
        let columns: Arc<Vec<(String, String)>> = Arc::new(columns.collect());
        let mut whole =
            Part { rows: 0, columns: comparisons.iter().map(|comparison| comparison.map(Tally::new)).collect() };
        let (comparisons, mut unreadable, mut reading) = (Arc::new(comparisons), Vec::new(), JoinSet::new());
        let mut files = table.files.iter();
        loop {
            let file = files.next();
            while reading.len() >= self.processors || file.is_none() {
                let Some(read) = reading.join_next().await else { break };
                match read.map_err(stopped)? {
                    (_, Ok(part)) => whole.merge(part),
                    (path, Err(error)) => unreadable.push(format!("{path}: {error}")),
                }
            }
            let Some((path, _)) = file else { break };
            let permit = Arc::clone(&self.readers).acquire_owned().await;
            let permit = permit.map_err(|e| CommandError::caused("no reader is left", e))?;
            let file = self.export.file(path).await?;
            let (columns, comparisons) = (Arc::clone(&columns), Arc::clone(&comparisons));
            let path = path.clone();
            reading.spawn_blocking(move || {
                let part = Part::read(&file, &columns, &comparisons);
                drop(permit);
                (path, part)
            });
        }
        Ok((whole, unreadable))
    }
}

impl Compared<'_> {
    /// Returns the question for the server. It depends on the files: the server counts distinct
    /// values only if they were counted in the files.
    fn asked(&self, part: &Part) -> Asked<'_> {
        let Self { index, column, comparison } = self;
        let distinct = part.columns[*index].as_ref().is_some_and(Tally::is_counted);
        Asked { column, form: comparison.form, list: comparison.list, distinct }
    }
}

/// Returns the differences between the measures of the server and those of the files.
fn differences_of(columns: &[Column], part: &Part, compared: &[Compared<'_>], profile: &Profile) -> Vec<Difference> {
    let rows = (profile.rows != part.rows).then(|| Difference::from("rows of the database".to_owned()));
    let of_columns = compared.iter().zip(&profile.columns).flat_map(|(Compared { index, .. }, measures)| {
        let tally = part.columns[*index].iter();
        let names = tally.flat_map(|tally| tally.differences(part.rows, measures, profile.rows));
        names.map(|what| Difference::from_column(&columns[*index], what))
    });
    rows.into_iter().chain(of_columns).collect()
}

/// Returns the differences in names, order and declared types of columns.
fn described(columns: &[Column], listed: &[ListedColumn]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for column in listed.iter().filter(|listed| !columns.iter().any(|column| column.column_name == listed.name)) {
        let what = "the export has no such column".to_owned();
        differences.push(Difference { column: Some(column.name.clone()), what });
    }
    for column in columns {
        let Some(listed) = listed.iter().find(|listed| listed.name == column.column_name) else {
            differences.push(Difference::from_column(column, "the database has no such column"));
            continue;
        };
        let here = (
            column.original_type.as_str(),
            column.original_char_max_length,
            column.original_num_precision,
            column.original_date_time_precision,
        );
        let there =
            (listed.original_type.as_str(), listed.char_max_length, listed.num_precision, listed.datetime_precision);
        if here != there {
            differences.push(Difference::from_column(column, "declared type"));
        }
    }
    let order = columns.iter().map(|column| &column.column_name).eq(listed.iter().map(|listed| &listed.name));
    if differences.is_empty() && !order {
        differences.push("order of columns".to_owned().into());
    }
    differences
}

/// Returns a difference if the server refuses a question or can't compute the answer. Every other
/// error ends the comparison.
fn unanswered(error: SourceError) -> Result<Difference, CommandError> {
    if database::is_difference(&error) {
        return Ok(Difference { column: None, what: format!("the database can't be queried: {error}") });
    }
    Err(error.into())
}
