//! Entry point of the extract-tables Lambda.

use export_aws::step;
use extract_tables::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run_with_deadline(Deps::from_env, handle).await
}
