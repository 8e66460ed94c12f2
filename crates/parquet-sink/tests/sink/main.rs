//! Writes to a directory and to a small S3 server, and reads the files back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../export-destination/tests/destination/fake_s3.rs"]
mod fake_s3;
mod files;
mod objects;
mod rows;
