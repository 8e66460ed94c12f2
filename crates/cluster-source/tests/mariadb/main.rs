//! The tests of MySQL on a MariaDB server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../mysql/catalog.rs"]
mod catalog;
#[path = "../mysql/connect.rs"]
mod connect;
#[path = "../mysql/partition.rs"]
mod partition;
#[path = "../mysql/server.rs"]
mod server;
#[path = "../mysql/stream.rs"]
mod stream;
#[path = "../mysql/values.rs"]
mod values;
