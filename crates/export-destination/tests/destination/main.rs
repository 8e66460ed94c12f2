//! Tests of a destination in a bucket and in a directory. The bucket is one of a small S3 server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod closing;
mod contract;
mod directory;
mod fake_s3;
mod s3;

use export_destination::Destination;
use fake_s3::FakeS3;

#[tokio::test]
async fn a_bucket_keeps_the_contract() {
    contract::check(&FakeS3::start().await.destination(), "contract").await;
}

#[tokio::test]
async fn a_directory_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    contract::check(&Destination::Directory(directory.path().to_owned()), "contract").await;
}
