//! Everything a person types while developing: `cargo xtask demo`, `up`, `down`, `test`.
//!
//! # Layout
//!
//! * `test`: the whole test suite, as CI runs it.

mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use local_stack::{Layout, Stack};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything a person types while developing aurora-export.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the whole stack on this machine and leave it running. Source target/local/env to talk to it.
    Up,
    /// Stop the stack and remove its data.
    Down,
    /// Run every check and test: format, clippy, unit, property and end-to-end tests, lint of workflow and template.
    Test,
    /// Check the state machine and the template without deploying them.
    Lint,
    /// Host a stack. `up` starts this; people don't.
    #[command(hide = true)]
    StackServer { checkout: PathBuf, state_dir: PathBuf, data_dir: PathBuf },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let layout = Layout::here();
    match command {
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
        Command::Test => test::run(&layout)?,
        Command::Lint => local_stack::lint::run(&layout, &say)?,
        Command::StackServer { checkout, state_dir, data_dir } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(local_stack::supervisor::run(Layout { checkout, state_dir, data_dir }))?;
        }
    }
    Ok(())
}

fn say(what: &str) {
    eprintln!("· {what}");
}
