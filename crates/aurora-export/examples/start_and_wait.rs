//! Starts an export task through the RDS API and waits until it ends. An application that exports
//! snapshots with the AWS SDK changes nothing but the endpoint:
//!
//! ```sh
//! export AWS_ENDPOINT_URL_RDS=http://127.0.0.1:8000   # as `aurora-export endpoint` prints it
//! cargo run --package aurora-export --example start_and_wait -- \
//!     nightly arn:aws:rds:eu-west-1:111122223333:cluster:shop my-bucket \
//!     arn:aws:iam::111122223333:role/export arn:aws:kms:eu-west-1:111122223333:key/KEY
//! ```

use std::error::Error;
use std::time::Duration;

use aws_sdk_rds::Client;
use export_aws::clients;

/// Time between two questions about the task.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [task, cluster_arn, bucket, role_arn, key] = &arguments[..] else {
        return Err("usage: start_and_wait TASK CLUSTER_ARN BUCKET ROLE_ARN KMS_KEY".into());
    };
    // The SDK reads AWS_ENDPOINT_URL_RDS itself.
    let rds = Client::new(&clients::config().await);
    rds.start_export_task()
        .export_task_identifier(task)
        .source_arn(cluster_arn)
        .s3_bucket_name(bucket)
        .iam_role_arn(role_arn)
        .kms_key_id(key)
        .send()
        .await?;
    loop {
        let described = rds.describe_export_tasks().export_task_identifier(task).send().await?;
        let task = described.export_tasks().first().ok_or("the task is gone")?;
        let status = task.status().unwrap_or_default();
        println!("{status}, {} %", task.percent_progress().unwrap_or_default());
        match status {
            "COMPLETE" => {
                // Names the tables that could not be exported.
                if let Some(warning) = task.warning_message() {
                    println!("{warning}");
                }
                return Ok(());
            }
            "FAILED" | "CANCELED" => return Err(task.failure_cause().unwrap_or(status).into()),
            _ => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}
