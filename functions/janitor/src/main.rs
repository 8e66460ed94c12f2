//! Entry point of the janitor Lambda.

use export_aws::step;
use janitor::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(Deps::from_env, handle).await
}
