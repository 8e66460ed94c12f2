//! Entry point of the clone-cluster Lambda.

use clone_cluster::{Deps, handle};
use export_aws::step;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(Deps::from_env, handle).await
}
