//! Entry point of the validate-request Lambda.

use export_aws::step;
use validate_request::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(Deps::from_env, handle).await
}
