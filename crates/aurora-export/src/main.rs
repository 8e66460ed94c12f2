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
    /// Serve the export API on a loopback port, so that the unmodified AWS CLI and SDKs reach a deployed stack
    ///
    /// Set AWS_ENDPOINT_URL_RDS to what it prints. Requests are handed to the stack's export-api function with your own
    /// credentials, which need lambda:InvokeFunction on it.
    Endpoint {
        /// Loopback address to listen on; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Name or ARN of the stack's export-api function
        #[arg(long, default_value = "aurora-export-export-api")]
        function: String,
    },
    /// Export a database straight to Parquet, in this process: into a directory or to S3, without a stack
    ///
    /// Files, their layout and the metadata beside them are those of a deployed stack. All rows are from one
    /// moment. For that, a user of MySQL needs the RELOAD privilege; notes say what is not of that moment.
    Local(local::Arguments),
    /// Read an export back and compare it with its metadata and, if told so, with a database
    ///
    /// Every page of every file is read. Files, rows, types and markers must be those the metadata tells, and nothing else
    /// may be there. With --source the server computes of each column, in SQL, how many NULLs and how many distinct values
    /// it has (up to 100,000), the smallest and the largest value, the sum of exact numbers, and a hash of all values that
    /// doesn't depend on their order. The same is computed from the files. So a value, row or column that is missing,
    /// changed or there twice is found. Values that changed places within their column are not. The server is read as it is
    /// now: a database that has changed since the export differs from it.
    ///
    /// The exit status is 0 if all is equal, 1 if anything differs, and 2 if it can't be told.
    Verify(verify::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What is wrong and stops nothing. The standard output has the result alone.
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr).init();
    let ended = match arguments.command {
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
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
