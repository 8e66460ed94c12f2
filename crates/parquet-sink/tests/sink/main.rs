//! The sink against a real directory and against a small S3 server, read back with an independent reader.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../export-destination/tests/fake_s3/mod.rs"]
mod fake_s3;
mod files;
mod objects;
mod rows;
