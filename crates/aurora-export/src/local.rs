//! Exports a database in one process. The planner, the reader, the writer and the files are the
//! same as those of a deployed stack. AWS is not needed, except S3 for an export to a bucket.

pub(crate) mod address;
mod progress;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Instant;

use clap::{Args, ValueEnum};
use cluster_source::live::Live;
use cluster_source::{BatchOptions, Source};
use export_aws::{clients, now_millis};
use export_destination::{Claim, Destination, S3Destination, closing};
use export_planner::Survey;
use export_task::arn::ClusterArn;
use export_task::export_only::ExportOnly;
use export_task::limits;
use export_task::metadata;
use export_task::object_key::TaskPath;
use export_task::options::{self, Options, TARGET_FILE_MB};
use export_task::plan::Results;
use export_task::request::{self, ExportRequest};
use export_task::tally::tally;
use export_task::task::{ExportTask, Status};
use export_task::warning::Warnings;
use indicatif::{HumanBytes, HumanCount};
use partition_extractor::Extractor;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::error::CommandError;
use address::Address;
use progress::Progress;

/// The arguments of `aurora-export local`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The database:
    /// postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE
    ///
    /// Without a database, all databases of the server are exported. TLS is verified with the
    /// system's certificate authorities or those in sslrootcert. sslmode=disable turns TLS off. For
    /// loopback addresses it is off by default. Set the password in the environment variable
    /// AURORA_EXPORT_PASSWORD to keep it out of the list of processes.
    // Parsed later, because the argument parser prints the text with its error, and the text may
    // hold a password.
    #[arg(long, value_name = "URL")]
    source: String,
    /// Destination: a directory, or s3://bucket/prefix
    #[arg(long, value_name = "DIR|S3")]
    out: String,
    /// Name of the export and of the directory that holds its files
    #[arg(long, default_value_t = default_name(), value_parser = identifier)]
    name: String,
    /// Part of the server to export: database, database.schema or database.schema.table (MySQL:
    /// database.table); may be repeated. Takes precedence over the database in the URL
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Parquet types of columns: AWS's types, which are text for everything but numbers and
    /// booleans, or Parquet's native types
    #[arg(long, default_value = "aurora")]
    types: Types,
    /// Compression of pages
    #[arg(long, default_value = "gzip")]
    compression: Compression,
    /// Size in MiB at which a file ends and the next one begins
    #[arg(long, value_name = "MIB", default_value_t = TARGET_FILE_MB, value_parser = clap::value_parser!(u32).range(*limits::FILE_MB.start() as i64..=*limits::FILE_MB.end() as i64))]
    target_file_size_mb: u32,
    /// Check of the export: the database counts the rows of each table that is read in parts, or
    /// nothing is checked
    #[arg(long, default_value = "count")]
    verify: Verify,
    /// Number of connections that read at once [default: number of processors]
    #[arg(long)]
    jobs: Option<std::num::NonZero<u32>>,
    /// Size in MiB of the ranges that tables are read in, measured in the database
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    partition_mb: u64,
    /// Log in to PostgreSQL as a superuser, or as a member of a role that may read or write the
    /// server's files or run programs there
    ///
    /// An export needs no such role. A role with LOGIN and pg_read_all_data (before version 14,
    /// SELECT on the tables and USAGE on their schemas) reads everything but tables with row-level
    /// security, which need BYPASSRLS. Code that other users left in the database can do far less
    /// with such a role, should it ever run.
    #[arg(long)]
    allow_superuser: bool,
    /// KMS key that encrypts objects in S3; required for S3
    #[arg(long)]
    kms_key_id: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Types {
    Aurora,
    Native,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verify {
    Count,
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compression {
    Gzip,
    Zstd,
    Snappy,
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            types: match self.types {
                Types::Aurora => options::Types::Aurora,
                Types::Native => options::Types::Native,
            },
            compression: match self.compression {
                Compression::Gzip => options::Compression::Gzip,
                Compression::Zstd => options::Compression::Zstd,
                Compression::Snappy => options::Compression::Snappy,
            },
            target_file_size_mb: Some(self.target_file_size_mb),
            verify: match self.verify {
                Verify::Count => options::Verify::Count,
                Verify::None => options::Verify::None,
            },
        }
    }

    fn jobs(&self) -> u32 {
        self.jobs.map_or_else(processors, |n| n.get())
    }

    fn only(&self, source: &Address) -> Result<ExportOnly, CommandError> {
        Ok(match &source.database {
            // Not parsed, because the database in an address may have any name.
            Some(database) if self.only.is_empty() => vec![database.clone()].into(),
            _ => ExportOnly::parse(&self.only)?,
        })
    }
}

fn processors() -> u32 {
    available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

fn identifier(name: &str) -> Result<String, String> {
    if request::is_identifier(name) {
        return Ok(name.to_owned());
    }
    Err("a name begins with a letter and has at most 60 letters, digits and single hyphens".to_owned())
}

fn default_name() -> String {
    format!("export-{}", jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S"))
}

/// Exports a database and prints a summary on standard output.
///
/// # Errors
/// When the source can't be read or the destination can't be written. Files of the failed export
/// may remain in the destination.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let source = Address::with_password(&arguments.source)?;
    let started = Instant::now();
    let (destination, bucket, prefix) = destination(&arguments).await?;
    let path = TaskPath::new(&prefix, &arguments.name);
    refuse_existing(&destination, &path).await?;
    let only = arguments.only(&source)?;
    let mut task = task(&arguments, &source, only.clone(), bucket, prefix);
    let server = source.source()?.knowing(only.databases());
    if !arguments.allow_superuser {
        refuse_superuser(&server).await?;
    }
    let jobs = arguments.jobs();
    let live = Live::pin(server, &only, jobs).await?;
    for note in live.notes() {
        eprintln!("note: {note}");
    }
    let survey = Survey::take(live.source(), &only, &task.request.options, arguments.partition_mb << 20, jobs).await?;
    let unmatched = survey.unmatched(&only);
    if !unmatched.is_empty() {
        let names = unmatched.join(", ");
        return Err(CommandError::new(format!(
            "the server has no database, schema or table with these names: {names}"
        )));
    }
    task.task_start_time = Some(now_millis());
    task.planned_bytes = survey.bytes();
    claim(&destination, &path, &task).await?;
    let progress = Progress::new(task.planned_bytes);
    let results = extract(&arguments, &live, &survey, &destination, &path, &progress).await?;
    live.check().await?;
    progress.end();
    let summary = survey.summary();
    let tally = tally(&summary, &results).map_err(CommandError::Message)?;
    task.status = Status::Complete;
    task.extracted_bytes = tally.source_bytes;
    task.task_end_time = Some(now_millis());
    task.warnings = Warnings::new(&tally.skipped, &summary.unreadable_databases, &tally.uncounted);
    closing::close(&destination, &path, &summary, &tally).await?;
    destination.put(&path.export_info(), metadata::export_info(&task)?.into()).await?;
    let written = results.partitions.iter().flat_map(|result| &result.files);
    let exported = || written.clone().filter(|file| tally.files.contains(file.key.as_str()));
    println!(
        "{} tables, {} rows, {} in {} files in {:.1} s: {}",
        HumanCount(tally.exported.len() as u64),
        HumanCount(exported().map(|file| file.rows).sum()),
        HumanBytes(exported().map(|file| file.bytes).sum()),
        HumanCount(tally.files.len() as u64),
        started.elapsed().as_secs_f64(),
        path.base(),
    );
    for skipped in &tally.skipped {
        println!("not exported: {} ({})", skipped.table, skipped.message);
    }
    for database in &summary.unreadable_databases {
        println!("not exported: {database} (the user may not connect to it)");
    }
    Ok(())
}

/// Returns the destination, and its bucket and prefix as the metadata names them.
async fn destination(arguments: &Arguments) -> Result<(Destination, String, String), CommandError> {
    let Some(address) = arguments.out.strip_prefix("s3://") else {
        return Ok((Destination::Directory(PathBuf::from(&arguments.out)), String::new(), String::new()));
    };
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    request::check_prefix(prefix)?;
    let kms_key_id =
        arguments.kms_key_id.clone().ok_or_else(|| CommandError::new("an export to S3 needs --kms-key-id"))?;
    let client = clients::s3(&clients::config().await);
    let s3 = S3Destination { client, bucket: bucket.to_owned(), kms_key_id };
    Ok((Destination::S3(s3), bucket.to_owned(), prefix.trim_matches('/').to_owned()))
}

/// Refuses a user with more powers than an export needs, because code that other users left in a
/// database runs with the powers of the user who calls it.
pub(crate) async fn refuse_superuser(server: &Source) -> Result<(), CommandError> {
    let Some(role) = server.powerful_role().await? else { return Ok(()) };
    Err(CommandError::new(format!(
        "the user has the powers of {role}, which an export doesn't need: log in as a role with pg_read_all_data, or use \
         --allow-superuser"
    )))
}

/// Refuses a directory that exists, because files of two exports must not mix.
async fn refuse_existing(destination: &Destination, path: &TaskPath) -> Result<(), CommandError> {
    if destination.exists(&path.listing_prefix()).await? {
        return Err(CommandError::new(format!("{} already exists", path.base())));
    }
    Ok(())
}

/// Claims the directory for this export, because another export may have begun since
/// [`refuse_existing`].
async fn claim(destination: &Destination, path: &TaskPath, task: &ExportTask) -> Result<(), CommandError> {
    let (owner, info) = (Uuid::new_v4().to_string(), metadata::export_info(task)?);
    match destination.claim(&path.export_info(), info.into(), &owner).await? {
        Claim::Own => Ok(()),
        Claim::Taken(_) => Err(CommandError::new(format!("{} already exists", path.base()))),
    }
}

/// Returns the task as a deployed stack would record it.
fn task(
    arguments: &Arguments,
    source: &Address,
    export_only: ExportOnly,
    s3_bucket: String,
    s3_prefix: String,
) -> ExportTask {
    let source_arn = ClusterArn {
        partition: "aws".to_owned(),
        region: "local".to_owned(),
        account: "000000000000".to_owned(),
        cluster: source.endpoint.host.clone(),
    };
    let request = ExportRequest {
        export_task_identifier: arguments.name.clone(),
        source_arn,
        s3_bucket,
        s3_prefix,
        iam_role_arn: String::new(),
        kms_key_id: arguments.kms_key_id.clone().unwrap_or_default(),
        export_only,
        options: arguments.options(),
    };
    let now = now_millis();
    let mut task = ExportTask::new(request, String::new(), now);
    task.snapshot_time = Some(now);
    task
}

/// Extracts all partitions, on as many connections as there are jobs.
async fn extract(
    arguments: &Arguments,
    live: &Live,
    survey: &Survey,
    destination: &Destination,
    path: &TaskPath,
    progress: &Progress,
) -> Result<Results, CommandError> {
    let (processors, jobs) = (processors(), arguments.jobs());
    let units = Arc::new(Mutex::new(survey.work_units().collect::<Vec<_>>().into_iter()));
    let tables = Arc::new(survey.tables.clone());
    let mut workers = JoinSet::new();
    for _ in 0..jobs {
        let (units, tables, progress) = (Arc::clone(&units), Arc::clone(&tables), progress.clone());
        let mut extractor = Extractor::new(
            path.clone(),
            arguments.options(),
            live.source().clone(),
            destination.clone(),
            BatchOptions::default(),
            processors.div_ceil(jobs) as usize,
            progress.clone(),
        );
        workers.spawn(async move {
            let next = || units.lock().unwrap_or_else(PoisonError::into_inner).next();
            let mut results = Results::default();
            while let Some(unit) = next() {
                for partition in &unit.partitions {
                    let table = &tables[partition.table as usize];
                    results.partitions.push(extractor.partition(table, partition).await?);
                    progress.partition(partition.bytes);
                }
                for count in &unit.counts {
                    results.counts.push(extractor.count(&tables[count.table as usize], count, None).await?);
                }
            }
            Ok::<_, CommandError>(results)
        });
    }
    let mut results = Results::default();
    while let Some(worker) = workers.join_next().await {
        let stopped = |e| CommandError::caused("a reader stopped early", e);
        results.extend([worker.map_err(stopped)??]);
    }
    Ok(results)
}
