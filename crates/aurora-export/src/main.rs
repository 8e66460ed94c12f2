//! The `aurora-export` command line.

use std::net::SocketAddr;
use std::process::ExitCode;

use aurora_export::endpoint::{self, ExportApi};
use clap::{Parser, Subcommand};
use export_aws::clients;

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
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Endpoint { listen, function } = Arguments::parse().command;
    let client = aws_sdk_lambda::Client::new(&clients::config().await);
    match endpoint::serve(listen, ExportApi::new(client, function)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
