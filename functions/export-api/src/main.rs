//! Entry point of the export-api Lambda.

use export_api::{Deps, handle};
use export_aws::step;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(Deps::from_env, handle).await
}
