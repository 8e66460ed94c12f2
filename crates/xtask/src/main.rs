//! The commands of development: `cargo xtask demo`, `up`, `down`, `test` and others.
//!
//! # Layout
//!
//! * `demo`: a complete export of a sample database.
//! * `bench`: compares this project with other tools, on one server and in one run.
//! * `fidelity`: exports databases from other projects and compares every value.
//! * `package`: builds the packages for AWS.
//! * `memory`: measures memory and speed of a stack's workers on a large table.
//! * `test`: runs the whole test suite.

mod bench;
mod demo;
mod fidelity;
mod memory;
mod package;
mod test;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use export_task::engine::Engine;
use local_stack::servers::{MARIADB, NEWEST};
use local_stack::{Layout, Stack};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands for developing aurora-export.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Export a sample database and read the rows back, on a separate local stack. The stack is
    /// stopped afterwards.
    Demo {
        /// The engine: aurora-postgresql or aurora-mysql. aurora-mysql runs MariaDB, which is
        /// downloaded from the distribution
        #[arg(long, default_value = "aurora-postgresql", value_parser = engine)]
        engine: Engine,
    },
    /// Start the whole stack on this machine and leave it running. Source target/local/env to use
    /// it.
    Up,
    /// Stop the stack and remove its data.
    Down,
    /// Download other servers for local clusters: MariaDB, MySQL, the newest PostgreSQL. This
    /// installs nothing.
    Servers,
    /// Run every check and test: format, lint, clippy, unit, property and end-to-end tests.
    Test,
    /// Compare this project with other tools on separate servers. Writes the results to
    /// docs/benchmarks.md.
    Bench(bench::Options),
    /// Export a large table and a table with a tenth of its rows on a separate stack. Prints the
    /// peak memory of the workers.
    ///
    /// The workers have the build profile of this program.
    /// `cargo run --release --bin xtask -- memory` measures them as they are deployed.
    Memory {
        /// Size of the larger table
        #[arg(long, default_value_t = 2.0)]
        gigabytes: f64,
    },
    /// Build the functions for AWS and pack them into target/lambda. Prints their sizes and start
    /// times.
    Package(package::Options),
    /// Export databases from other projects and compare every value. Downloads them from Debian.
    Fidelity {
        /// Databases to export; all of them by default
        subjects: Vec<fidelity::Subject>,
        /// Use the newest PostgreSQL instead of the system's
        #[arg(long)]
        newest: bool,
        #[command(flatten)]
        ranges: fidelity::Ranges,
    },
    /// Check the state machine and the template without deploying them, the CI workflows, the
    /// dependencies, and the words and width of comments.
    Lint,
    /// Host a stack. Only `up` starts this.
    #[command(hide = true)]
    StackServer {
        checkout: PathBuf,
        state_dir: PathBuf,
        data_dir: PathBuf,
        /// Stop the stack when the standard input ends.
        #[arg(long)]
        ends_with_stdin: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let layout = Layout::here();
    match command {
        Command::Demo { engine } => return demo::run(&layout.checkout, engine),
        Command::Up => {
            let stack = Stack::up(&layout, &say)?;
            let env = stack.env(&layout);
            let variable = |name: &str| env.get(name).cloned().unwrap_or_default();
            println!("The stack is up.");
            println!("  AWS services       {}", variable("AWS_ENDPOINT_URL"));
            println!("  RDS and exports    {}", variable("AWS_ENDPOINT_URL_RDS"));
            println!("  export bucket      {}", variable("EXPORT_BUCKET"));
            println!("To use it:      source {}", layout.env_file().display());
            println!("To stop it:     cargo xtask down");
        }
        Command::Down => {
            Stack::down(&layout)?;
            println!("The stack is down.");
        }
        Command::Servers => {
            for servers in [MARIADB, NEWEST] {
                println!("{}", servers.ensure(&say)?.display());
            }
        }
        Command::Test => test::run(&layout)?,
        Command::Bench(options) => bench::run(&layout.checkout, &options)?,
        Command::Memory { gigabytes } => memory::run(&layout.checkout, gigabytes)?,
        Command::Package(options) => package::run(&layout.checkout, &options)?,
        Command::Fidelity { subjects, newest, ranges } => fidelity::run(&layout.checkout, &subjects, newest, &ranges)?,
        Command::Lint => local_stack::lint::run(&layout, &say)?,
        Command::StackServer { checkout, state_dir, data_dir, ends_with_stdin } => {
            // The output of this process is the log file that the errors of `up` name.
            tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let layout = Layout { checkout, state_dir, data_dir };
            runtime.block_on(local_stack::supervisor::run(layout, ends_with_stdin))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses the name of an engine.
fn engine(name: &str) -> Result<Engine, String> {
    Engine::from_name(name).ok_or_else(|| "the engines are aurora-postgresql and aurora-mysql".to_owned())
}

/// Prints progress. The work goes on even if nobody reads the output.
fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "· {message}");
}

/// Returns the message of an error, followed by the messages of its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
