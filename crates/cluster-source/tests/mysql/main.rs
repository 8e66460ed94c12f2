//! Reads a real MySQL server, and in `tests/mariadb` a MariaDB server. Each test has its own
//! database on one server per test run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod catalog;
mod connect;
mod generated;
mod live;
mod partition;
#[path = "../ranges/mod.rs"]
mod ranges;
mod server;
mod settings;
mod stream;
mod values;
