//! Reads a real server, MariaDB or MySQL: every test has a database of its own on one server per test run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod connect;
mod partition;
mod server;
mod values;
