//! Entry point of the extract-tables Lambda.

use std::sync::Arc;

use export_aws::step;
use extract_tables::{Deps, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    step::init_logs();
    let deps = Arc::new(Deps::from_env().await?);
    step::run(move |input, context| {
        let deps = Arc::clone(&deps);
        async move { handle(&deps, input, context.deadline()).await }
    })
    .await
}
