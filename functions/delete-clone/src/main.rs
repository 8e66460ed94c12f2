//! Entry point of the delete-clone Lambda.

use delete_clone::{Deps, handle};
use export_aws::step;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(Deps::from_env, handle).await
}
