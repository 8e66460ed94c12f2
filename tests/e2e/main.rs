//! End-to-end tests: the shipped state machine, template and binaries, on a stack of their own with real database
//! clusters, used by the clients that people use.
//!
//! # Layout
//!
//! * `harness` – the stack, and the ways into it.
//! * `clients` – the AWS CLI, boto3, an execution and an invocation each start an export; what is in the bucket then.
//! * `rows` – every type, every kind of table, and one point in time.
//! * `mysql` – the same for Aurora MySQL, on MariaDB and MySQL, and its engine modes.
//! * `native` – types of Parquet's own.
//! * `contract` – the API as boto3 sees it, row by row: errors, fields, filters, pages.
//! * `hostile` – requests no client would send, and many at once.
//! * `refusals` – tasks that are refused, and cancellation while rows are read.
//! * `cancel` – the same while clones are made, exports planned and finished.
//! * `deadlines` – a table that takes many invocations of a worker.
//! * `failures` – the guide's failure messages.
//! * `events` – what subscribers of the topic and the bus hear, and what happens when they can't be told.
//! * `ways_in` – the examples in `infra/events`.
//! * `destination` – under which role and key the bucket is written.
//! * `handlers` – the functions' handlers, called in this process.
//! * `limits` – values and rows that are too large, and exports of parts of a cluster.
//! * `faults` – killed workers, steps that throw, executions that are stopped.
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
