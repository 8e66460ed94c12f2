//! End-to-end tests: the shipped state machine, template and binaries, on a stack of their own with real PostgreSQL
//! clusters, used by the clients that people use.
//!
//! # Layout
//!
//! * `harness` – the stack, and the ways into it.
//! * `clients` – the AWS CLI, boto3, an execution and an invocation each start an export; what is in the bucket then.
//! * `rows` – every type, every kind of table, and one point in time.
//! * `refusals` – requests that are refused, destinations that can't be used, cancellation.
//! * `destination` – under which role and key the bucket is written.
//! * `handlers` – the functions' handlers, called in this process.
//! * `limits` – values and rows that are too large, and exports of parts of a cluster.
//! * `faults` – killed workers, steps that throw, executions that are stopped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod destination;
mod faults;
mod handlers;
mod harness;
mod limits;
mod refusals;
mod rows;
