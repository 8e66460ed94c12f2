//! Dependencies for calling the functions' handlers in this process.

use std::time::Duration;

use aws_config::SdkConfig;
use delete_clone::Deletion;
use export_aws::StepError;
use export_aws::publish::Publisher;
use export_aws::task_store::TaskStore;
use export_aws::work_bucket::StackWorkBucket;
use export_task::task::TaskRef;
use serde_json::{Value, json};

use super::{Env, shared};

/// A task table of one test, and clients of the stack. A limit or a lock of one test never affects
/// another.
pub(crate) struct Bench {
    pub env: &'static Env,
    pub aws: SdkConfig,
    pub store: TaskStore,
}

impl Bench {
    pub(crate) fn new(table: &str) -> Self {
        let env = shared();
        let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
        let keys = json!([{"AttributeName": "Kind", "KeyType": "HASH"}, {"AttributeName": "Id", "KeyType": "RANGE"}]);
        let definition = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys,
            "AttributeDefinitions": [attribute("Kind"), attribute("Id")]});
        env.aws("dynamodb", "create_table", definition);
        let aws = local_stack::ministack::sdk_config(env.var("AWS_ENDPOINT_URL"));
        let store = TaskStore::new(&aws, table.to_owned());
        Self { env, aws, store }
    }

    pub(crate) fn rds(&self) -> aws_sdk_rds::Client {
        let endpoint = self.env.var("AWS_ENDPOINT_URL_RDS");
        aws_sdk_rds::Client::from_conf(aws_sdk_rds::config::Builder::from(&self.aws).endpoint_url(endpoint).build())
    }

    pub(crate) fn publisher(&self) -> Publisher {
        Publisher::new(&self.aws, self.env.var("EXPORT_TOPIC_ARN").to_owned())
    }

    /// Returns the dependencies of check-preconditions.
    pub(crate) fn preconditions(&self) -> check_preconditions::Deps {
        check_preconditions::Deps {
            store: self.store.clone(),
            rds: self.rds(),
            iam: aws_sdk_iam::Client::new(&self.aws),
            kms: aws_sdk_kms::Client::new(&self.aws),
            aws: self.aws.clone(),
        }
    }

    /// Returns the dependencies of clone-cluster. One call polls for at most `max_poll_time`.
    pub(crate) fn cloning(&self, max_poll_time: Duration) -> clone_cluster::Deps {
        clone_cluster::Deps {
            store: self.store.clone(),
            rds: self.rds(),
            instance_class: "db.r6g.large".into(),
            security_group: None,
            publisher: self.publisher(),
            max_poll_time,
        }
    }

    /// Returns the dependencies of publish-event.
    pub(crate) fn publishing(&self) -> publish_event::Deps {
        publish_event::Deps { store: self.store.clone(), publisher: self.publisher(), work_bucket: self.work_bucket() }
    }

    /// Returns the dependencies of delete-clone.
    fn deleting(&self) -> delete_clone::Deps {
        delete_clone::Deps { store: self.store.clone(), rds: self.rds(), kms: aws_sdk_kms::Client::new(&self.aws) }
    }

    /// Calls delete-clone until the clone is gone.
    pub(crate) async fn delete_clone(&self, task: &TaskRef) {
        loop {
            let input = delete_clone::Input { task: task.clone() };
            match delete_clone::handle(&self.deleting(), input).await.unwrap().status {
                Deletion::Deleting => tokio::time::sleep(Duration::from_millis(100)).await,
                Deletion::Deleted => return,
            }
        }
    }

    pub(crate) fn work_bucket(&self) -> StackWorkBucket {
        StackWorkBucket::new(&self.aws, self.env.output("WorkBucketName").to_owned())
    }

    /// Returns an S3 client with the test's own credentials.
    pub(crate) fn s3_client(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.aws).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    pub(crate) fn request(&self, task: &str, cluster: &str) -> Value {
        json!({
            "ExportTaskIdentifier": task,
            "SourceArn": format!("arn:aws:rds:{}:111122223333:cluster:{cluster}", self.env.var("AWS_REGION")),
            "S3BucketName": self.env.var("EXPORT_BUCKET"),
            "IamRoleArn": self.env.var("EXPORT_ROLE_ARN"),
            "KmsKeyId": self.env.var("EXPORT_KMS_KEY_ID"),
        })
    }

    /// Calls validate-request, which admits the task.
    pub(crate) async fn admit(
        &self,
        task: &str,
        cluster: &str,
        execution: &str,
        limit: u32,
    ) -> Result<TaskRef, StepError> {
        let deps = validate_request::Deps { store: self.store.clone(), limit };
        let request = self.request(task, cluster);
        let input = validate_request::Input { request, execution_arn: format!("arn:execution:{execution}") };
        validate_request::handle(&deps, input).await
    }

    /// Calls finish-export as a failed workflow does.
    pub(crate) async fn fail(
        &self,
        task: &TaskRef,
        error: &str,
        cause: &str,
    ) -> Result<finish_export::Output, StepError> {
        let deps =
            finish_export::Deps { store: self.store.clone(), work_bucket: self.work_bucket(), aws: self.aws.clone() };
        let input = json!({"Task": task, "Outcome": "FAILED", "Error": {"Error": error, "Cause": cause}});
        finish_export::handle(&deps, serde_json::from_value(input).unwrap()).await
    }
}

/// Returns the name of the error that a handler returned.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, StepError>) -> &'static str {
    result.unwrap_err().kind.name()
}
