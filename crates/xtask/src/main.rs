//! Everything a person types while developing: `cargo xtask demo`, `up`, `down`, `test`.
//!
//! # Layout
//!
//! * `demo`: one export from nothing to rows read back.
//! * `bench`: the export beside its peers, in one run on one server.
//! * `fidelity`: databases that nobody here made, compared value by value.
//! * `package`: what is deployed to AWS.
//! * `memory`: memory and speed of the workers of a stack on a large table.
//! * `test`: the whole test suite, as CI runs it.

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
#[command(name = "cargo xtask", about = "Everything a person types while developing aurora-export.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Export a sample shop from nothing to rows read back, on a stack of its own that is stopped in the end.
    Demo {
        /// The cluster's engine: aurora-postgresql, or aurora-mysql, for which MariaDB is fetched from the system's distribution
        #[arg(long, default_value = "aurora-postgresql", value_parser = engine)]
        engine: Engine,
    },
    /// Start the whole stack on this machine and leave it running. Source target/local/env to talk to it.
    Up,
    /// Stop the stack and remove its data.
    Down,
    /// Fetch the servers local clusters can run on beside PostgreSQL: MariaDB, MySQL, the newest PostgreSQL. Once; nothing is installed.
    Servers,
    /// Run every check and test: format, clippy, unit, property and end-to-end tests, lint of workflow and template.
    Test,
    /// Compare exports with those of other tools, on servers of its own; writes docs/benchmarks.md.
    Bench(bench::Options),
    /// Export a large table and one of a tenth its size on a stack of its own; print the workers' peak memory.
    ///
    /// The workers are of the profile this program is of: as they are deployed with `cargo run --release --bin xtask -- memory`.
    Memory {
        /// Size of the larger of two tables
        #[arg(long, default_value_t = 2.0)]
        gigabytes: f64,
    },
    /// Build the functions for AWS and pack them into target/lambda; print how large they are and how quickly they start.
    Package(package::Options),
    /// Export databases that nobody here made and compare every value; fetches what they are made of from Debian.
    Fidelity {
        /// What to export; everything if nothing is named
        subjects: Vec<fidelity::Subject>,
        /// From the newest PostgreSQL there is, instead of the system's
        #[arg(long)]
        newest: bool,
        #[command(flatten)]
        ranges: fidelity::Ranges,
    },
    /// Check the state machine and the template without deploying them.
    Lint,
    /// Host a stack. `up` starts this; people don't.
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
            let show = |name: &str| env.get(name).cloned().unwrap_or_default();
            println!("The stack is up.");
            println!("  AWS services       {}", show("AWS_ENDPOINT_URL"));
            println!("  RDS and exports    {}", show("AWS_ENDPOINT_URL_RDS"));
            println!("  export bucket      {}", show("EXPORT_BUCKET"));
            println!("To talk to it:  source {}", layout.env_file().display());
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
            // Its output is the log of the stack that `up` names when something is wrong.
            tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let layout = Layout { checkout, state_dir, data_dir };
            runtime.block_on(local_stack::supervisor::run(layout, ends_with_stdin))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The engine of a name.
fn engine(name: &str) -> Result<Engine, String> {
    Engine::from_name(name).ok_or_else(|| "the engines are aurora-postgresql and aurora-mysql".to_owned())
}

/// What is being done. A reader who went away is no reason to stop halfway.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "· {what}");
}

/// The message of an error with those of its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
