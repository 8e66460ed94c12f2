//! An export in one process, straight from a database: the same planner, reader and writer as a deployed stack's, and the
//! same files, without AWS (or with S3 alone).

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

/// What `aurora-export local` is given.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The database: postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE
    ///
    /// Without a database, all of the server's. TLS is verified, by the system's certificate authorities or those in
    /// sslrootcert; it is left out for loopback addresses and with sslmode=disable. A password given as AURORA_EXPORT_PASSWORD
    /// in the environment doesn't show in the list of processes.
    // Parsed later: a parser's error is shown together with the text, and so with a password.
    #[arg(long, value_name = "URL")]
    source: String,
    /// Where to write: a directory, or s3://bucket/prefix
    #[arg(long, value_name = "DIR|S3")]
    out: String,
    /// Name of the export, which is the directory its files are in
    #[arg(long, default_value_t = default_name(), value_parser = identifier)]
    name: String,
    /// Parts of the server: database, database.schema or database.schema.table (MySQL: database.table), whatever database the address names; may be repeated
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Which Parquet types columns become: AWS's, which has text for all but numbers and booleans, or Parquet's own
    #[arg(long, default_value = "aurora")]
    types: Types,
    /// How pages are compressed
    #[arg(long, default_value = "gzip")]
    compression: Compression,
    /// Size at which a file ends and the next begins, in MiB
    #[arg(long, value_name = "MIB", default_value_t = TARGET_FILE_MB, value_parser = clap::value_parser!(u32).range(*limits::FILE_MB.start() as i64..=*limits::FILE_MB.end() as i64))]
    target_file_size_mb: u32,
    /// How the export is checked: the database counts the rows of each table that is read in parts, or it doesn't
    #[arg(long, default_value = "count")]
    verify: Verify,
    /// Connections that read at once; as many as there are processors if not given
    #[arg(long)]
    jobs: Option<std::num::NonZero<u32>>,
    /// Size of the ranges tables are read in, in MiB of table
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    partition_mb: u64,
    /// Log in to PostgreSQL as a superuser, or as a member of a role that may read or write the server's files or run
    /// programs there
    ///
    /// An export needs none of that: a role with LOGIN and pg_read_all_data (before version 14, SELECT on the tables and
    /// USAGE on their schemas) reads everything but tables with row-level security, for which it needs BYPASSRLS. What code
    /// other users left in the database could do with such a role, should it ever run, is far less.
    #[arg(long)]
    allow_superuser: bool,
    /// KMS key that objects in S3 are encrypted with; needed for S3
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
            // Not parsed: a database in an address may have any name.
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
    Err("a name begins with a letter and has letters, digits and single hyphens, at most 60".to_owned())
}

fn default_name() -> String {
    format!("export-{}", jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S"))
}

/// Exports, and says on standard output what it came to.
///
/// # Errors
/// When the source can't be read or the destination can't be written; what was begun may remain there.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let source = Address::with_password(&arguments.source)?;
    let began = Instant::now();
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
        return Err(CommandError::new(format!("the server has nothing of these names: {names}")));
    }
    task.task_start_time = Some(now_millis());
    task.planned_bytes = survey.bytes();
    begin(&destination, &path, &task).await?;
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
        began.elapsed().as_secs_f64(),
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

/// Where to write, and the bucket and the path below it as metadata name them.
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

/// Code that other users left in a database has the powers of whoever runs it.
pub(crate) async fn refuse_superuser(server: &Source) -> Result<(), CommandError> {
    let Some(role) = server.powerful_role().await? else { return Ok(()) };
    Err(CommandError::new(format!(
        "the user has the powers of {role}, which an export doesn't need: log in as a role with pg_read_all_data, or give \
         --allow-superuser"
    )))
}

/// Files of two exports must not mix.
async fn refuse_existing(destination: &Destination, path: &TaskPath) -> Result<(), CommandError> {
    if destination.exists(&path.listing_prefix()).await? {
        return Err(CommandError::new(format!("{} exists already", path.base())));
    }
    Ok(())
}

/// Makes the directory this export's: another may have begun since [`refuse_existing`].
async fn begin(destination: &Destination, path: &TaskPath, task: &ExportTask) -> Result<(), CommandError> {
    let (run, info) = (Uuid::new_v4().to_string(), metadata::export_info(task)?);
    match destination.claim(&path.export_info(), info.into(), &run).await? {
        Claim::Own => Ok(()),
        Claim::Taken(_) => Err(CommandError::new(format!("{} exists already", path.base()))),
    }
}

/// The task as a deployed stack would record it.
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

/// Reads all partitions, on as many connections as there are jobs.
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
        let stopped = |e| CommandError::caused("a reader stopped", e);
        results.extend([worker.map_err(stopped)??]);
    }
    Ok(results)
}
