//! Entry point of the publish-event Lambda.

use export_aws::step;
use publish_event::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::run(Deps::from_env, handle).await
}
