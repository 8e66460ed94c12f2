//! Entry point of the delete-clone Lambda.

use std::sync::Arc;

use delete_clone::{Deps, handle};
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
