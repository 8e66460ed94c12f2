//! Entry point of the clone-cluster Lambda.

use std::sync::Arc;

use clone_cluster::{Deps, handle};
use export_aws::step;

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
