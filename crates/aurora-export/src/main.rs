//! The `aurora-export` command line.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use aurora_export::{local, verify};
use clap::{Parser, Subcommand};
use export_aws::{clients, error};
use export_endpoint::ExportApi;
use tracing_subscriber::filter::LevelFilter;

#[derive(Parser)]
#[command(name = "aurora-export", version, about = "Export Aurora clusters to S3 as Parquet.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the export API on a loopback port, so that the unmodified AWS CLI and SDKs reach a
    /// deployed stack
    ///
    /// The command prints the value for AWS_ENDPOINT_URL_RDS. It passes requests to the stack's
    /// export-api function with your own credentials, which need lambda:InvokeFunction on that
    /// function.
    Endpoint {
        /// Loopback address to listen on; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Name or ARN of the stack's export-api function
        #[arg(long, default_value = "aurora-export-export-api")]
        function: String,
    },
    /// Export a database to Parquet in this process, without a stack: into a directory or to S3
    ///
    /// The files, their layout and the metadata are the same as those of a deployed stack. All rows
    /// are from one moment. MySQL users need the RELOAD privilege for that. Notes name everything
    /// that is not from that moment.
    Local(local::Arguments),
    /// Read an export back and compare it with its metadata and, with --source, with a database
    ///
    /// The command reads every page of every file. Files, rows, types and markers must match the
    /// metadata, and there must be no other files. With --source, the server computes for each
    /// column in SQL: the number of NULLs, the number of distinct values (up to 100,000), the
    /// smallest and the largest value, the sum of exact numbers, and a hash of all values that does
    /// not depend on their order. The command computes the same from the files. So it finds a
    /// value, row or column that is missing, changed or duplicated. It does not find values that
    /// changed places within their column. The server is read as it is now: a database that has
    /// changed since the export differs from it.
    ///
    /// The exit status is 0 if everything is equal, 1 if anything differs, and 2 if the comparison
    /// fails.
    Verify(verify::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Warnings go to standard error, because standard output holds only the result.
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr).init();
    let result = match arguments.command {
        Command::Endpoint { listen, function } => {
            let client = aws_sdk_lambda::Client::new(&clients::config().await);
            export_endpoint::serve(listen, ExportApi::new(client, function)).await.map_err(|e| e.to_string())
        }
        Command::Local(arguments) => local::run(arguments).await.map_err(|e| error::chain(&e)),
        Command::Verify(arguments) => match verify::run(arguments).await {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("error: {}", error::chain(&error));
                return ExitCode::from(2);
            }
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
