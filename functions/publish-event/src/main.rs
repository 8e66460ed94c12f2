//! Entry point of the publish-event Lambda.

use std::sync::Arc;

use export_aws::step;
use publish_event::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::init_logs();
    let deps = Arc::new(Deps::from_env().await?);
    step::run(move |input, _context| {
        let deps = Arc::clone(&deps);
        async move { handle(&deps, input).await }
    })
    .await
}
