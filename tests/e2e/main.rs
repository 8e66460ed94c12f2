//! End-to-end tests. They run the shipped state machine, template and binaries on a local stack
//! with real database servers, and use the same clients as users do.
//!
//! # Layout
//!
//! * `harness` – starts the stack and gives access to it.
//! * `clients` – exports started by the AWS CLI, boto3, an execution and an invocation, and the
//!   objects they write.
//! * `rows` – every type and every kind of table on PostgreSQL, and one point in time.
//! * `mysql` – the same for Aurora MySQL, on MariaDB and MySQL, and its engine modes.
//! * `native` – exports with Parquet's native types.
//! * `contract` – the API as boto3 sees it: errors, members, filters, pages.
//! * `hostile` – malformed requests, and many requests at once.
//! * `refusals` – tasks that are refused, and cancellation during extraction.
//! * `cancel` – cancellation while a clone is created, and while an export is planned or finished.
//! * `deadlines` – a table that takes many invocations of a worker.
//! * `failures` – the failure messages of the user guide.
//! * `events` – the events that the topic and the event bus receive, and what happens when they
//!   cannot be published.
//! * `ways_in` – the examples in `infra/events`.
//! * `destination` – the role and the key that the bucket is written with.
//! * `ownership` – an export leaves the files of other exports alone.
//! * `handlers` – the functions' handlers, called in this process.
//! * `limits` – values and rows that are too large, and exports of parts of a cluster.
//! * `faults` – killed workers, functions that fail, executions that are stopped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cancel;
mod clients;
mod contract;
mod deadlines;
mod destination;
mod events;
mod failures;
mod faults;
mod handlers;
mod harness;
mod hostile;
mod limits;
mod mysql;
mod native;
mod ownership;
mod refusals;
mod rows;
mod ways_in;
