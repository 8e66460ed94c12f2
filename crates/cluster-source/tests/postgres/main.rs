//! Reads a real PostgreSQL server: every test has a database of its own on one server per test run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cast;
mod catalog;
mod connect;
mod generated;
mod hostile;
mod live;
mod native;
mod partition;
#[path = "../ranges/mod.rs"]
mod ranges;
mod server;
mod stream;
mod survey;
mod text;
mod versions;
