//! Runs the tests of MySQL on a MariaDB server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../mysql/catalog.rs"]
mod catalog;
#[path = "../mysql/connect.rs"]
mod connect;
#[path = "../mysql/generated.rs"]
mod generated;
#[path = "../mysql/live.rs"]
mod live;
#[path = "../mysql/partition.rs"]
mod partition;
#[path = "../ranges/mod.rs"]
mod ranges;
#[path = "../mysql/server.rs"]
mod server;
#[path = "../mysql/settings.rs"]
mod settings;
#[path = "../mysql/stream.rs"]
mod stream;
#[path = "../mysql/values.rs"]
mod values;
