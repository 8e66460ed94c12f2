//! Databases that nobody here made, exported and compared value by value: too large or too slow for the tests of every day.
//!
//! # Layout
//!
//! * `cluster`: a cluster on a stack of its own, its export, the comparison.
//! * `regression`: the database PostgreSQL's own regression tests leave.
//! * `extensions`: types of extensions that the server's package has not.
//! * `sizes`: values and rows at the limits, in their real size.
//! * `debian`: packages of Debian, fetched but not installed.

mod cluster;
mod debian;
mod regression;

use std::error::Error;
use std::path::Path;

use clap::ValueEnum;
use local_stack::{Layout, Stack};

use cluster::Cluster;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is exported and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// The database that PostgreSQL's own regression tests leave, from the server's source package.
    Regression,
}

/// Exports each subject from a cluster of its own and compares it with that cluster.
pub fn run(checkout: &Path, subjects: &[Subject]) -> Result<()> {
    let layout = Layout::private(checkout, "fidelity");
    let stack = Stack::up_for_this_process(&layout, &crate::say)?;
    let subjects = if subjects.is_empty() { Subject::value_variants() } else { subjects };
    let ended = subjects.iter().try_for_each(|subject| one(&layout, &stack, *subject));
    Stack::down(&layout)?;
    ended
}

fn one(layout: &Layout, stack: &Stack, subject: Subject) -> Result<()> {
    match subject {
        Subject::Regression => regression::run(&Cluster::create(layout, stack, "regression")?),
    }
}
