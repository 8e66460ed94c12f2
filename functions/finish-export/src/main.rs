//! Entry point of the finish-export Lambda.

use export_aws::step;
use finish_export::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(Deps::from_env, handle).await
}
