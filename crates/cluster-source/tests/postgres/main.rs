//! Tests that read a real PostgreSQL server. All tests share one server, and each test has its own
//! database.

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
