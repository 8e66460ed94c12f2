//! The DynamoDB table of tasks. It has four kinds of items, under the keys `Kind` and `Id`:
//!
//! | Kind | Id | content |
//! |---|---|---|
//! | `TASK` | task identifier | the task record; deleted only if its execution could not be started |
//! | `LOCK` | cluster ARN | the identifier of the one task that the cluster may run |
//! | `SLOTS` | `ACCOUNT` | the set of running tasks, no larger than the account's limit |
//! | `OPEN` | task identifier | a task that must still be ended, published or cleaned up; the janitor reads these |
//!
//! Admission writes all four items in one transaction. The end of a task deletes the lock and the
//! slot in one transaction. So after a crash, every lock and every slot still belongs to a task
//! that has yet to end. `OPEN` is deleted last, when the end is published and clone and grant are
//! gone.

mod admission;
mod open;
mod update;

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use export_task::error::{ApiError, truncate_for_message};
use export_task::filter::Describe;
use export_task::limits;
use export_task::request::is_identifier;
use export_task::task::ExportTask;

use crate::config;
use crate::error::StepError;

pub use update::{CANCEL_CHECK, Ending};

type Item = HashMap<String, AttributeValue>;

const TASK: &str = "TASK";
const LOCK: &str = "LOCK";
const SLOTS: &str = "SLOTS";
const OPEN: &str = "OPEN";
const ACCOUNT: &str = "ACCOUNT";

/// The task store.
#[derive(Clone, Debug)]
pub struct TaskStore {
    client: Client,
    table: String,
}

impl TaskStore {
    /// Returns the store in the table that the environment names.
    ///
    /// # Errors
    /// `InternalFailure` naming the variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, StepError> {
        Ok(Self::new(aws, config::required(config::TASK_TABLE)?))
    }

    /// Returns the store in `table`.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// Returns the current record of a task.
    ///
    /// # Errors
    /// `ExportTaskNotFound`, `ServiceUnavailable`.
    pub async fn get(&self, id: &str) -> Result<ExportTask, StepError> {
        match self.find(id).await? {
            Some(item) => read(item),
            None => Err(ApiError::ExportTaskNotFound(truncate_for_message(id)).into()),
        }
    }

    /// Returns whether a task of this identifier was ever admitted.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn exists(&self, id: &str) -> Result<bool, StepError> {
        Ok(self.find(id).await?.is_some())
    }

    /// Returns the task if it was admitted for this execution.
    ///
    /// # Errors
    /// `ServiceUnavailable`.
    pub async fn admitted(&self, id: &str, execution_arn: &str) -> Result<Option<ExportTask>, StepError> {
        let task = self.find(id).await?.map(read).transpose()?;
        Ok(task.filter(|task| task.execution_arn == execution_arn))
    }

    async fn find(&self, id: &str) -> Result<Option<Item>, StepError> {
        // DynamoDB refuses keys that are empty or too long.
        if !is_identifier(id) {
            return Ok(None);
        }
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(TASK, id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| StepError::aws("the task can't be read", e))?;
        Ok(answer.item)
    }

    /// Returns one page of tasks in the order of their identifiers, so that pages stay stable while
    /// tasks are added. The second value is the last identifier of the page, if there are more
    /// tasks.
    ///
    /// # Errors
    /// `ExportTaskNotFound` for an identifier that doesn't exist, `ServiceUnavailable`.
    pub async fn describe(&self, query: &Describe) -> Result<(Vec<ExportTask>, Option<String>), StepError> {
        if let Some(id) = &query.identifier {
            let task = self.get(id).await?;
            return Ok((Some(task).filter(|t| query.selects(t)).into_iter().collect(), None));
        }
        let (mut tasks, mut bytes): (Vec<ExportTask>, usize) = (Vec::new(), 0);
        let mut start = query.after.as_ref().map(|id| key(TASK, id));
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("Kind = :kind")
                .expression_attribute_values(":kind", text(TASK))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|e| StepError::aws("the tasks can't be listed", e))?;
            for item in page.items.unwrap_or_default() {
                let task = match read(item) {
                    Ok(task) => task,
                    // One invalid record must not hide all others.
                    Err(error) => {
                        tracing::error!(error = error.chain(), "an invalid task record was skipped");
                        continue;
                    }
                };
                if query.selects(&task) {
                    bytes += task.text_bytes();
                    if tasks.len() == query.max_records || bytes > limits::PAGE_BYTES && !tasks.is_empty() {
                        let marker = tasks.last().map(|t| t.request.export_task_identifier.clone());
                        return Ok((tasks, marker));
                    }
                    tasks.push(task);
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok((tasks, None));
            }
        }
    }
}

fn text(s: impl Into<String>) -> AttributeValue {
    AttributeValue::S(s.into())
}

fn number(n: impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

fn key(kind: &str, id: &str) -> Item {
    HashMap::from([("Kind".to_owned(), text(kind)), ("Id".to_owned(), text(id))])
}

fn read(item: Item) -> Result<ExportTask, StepError> {
    serde_dynamo::from_item(item)
        .map_err(|e| StepError::caused(crate::ErrorKind::InternalFailure, "a task record is invalid", e))
}

fn unwritable(error: serde_dynamo::Error) -> StepError {
    StepError::caused(crate::ErrorKind::InternalFailure, "a task record can't be written", error)
}

fn write(task: &ExportTask) -> Result<Item, StepError> {
    let mut item: Item = serde_dynamo::to_item(task).map_err(unwritable)?;
    item.extend(key(TASK, &task.request.export_task_identifier));
    Ok(item)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use export_task::request::StartExportTask;
    use export_task::table::TableName;
    use export_task::task::{ExportTask, Status};
    use export_task::warning::{SkipReason, SkippedTable, Warnings};

    #[test]
    fn records_survive_the_store() {
        let request = serde_json::from_value::<StartExportTask>(serde_json::json!({
            "ExportTaskIdentifier": "t", "SourceArn": "arn:aws:rds:us-east-1:123456789012:cluster:c", "S3BucketName": "bbb",
            "IamRoleArn": "arn:aws:iam::123456789012:role/r", "KmsKeyId": "k", "ExportOnly": ["db", "db.s.t"]
        }));
        let mut task = ExportTask::new(request.unwrap().validate().unwrap(), "arn:execution".into(), 1_700_000_000_000);
        task.status = Status::InProgress;
        task.extracted_bytes = u64::MAX / 2;
        task.snapshot_time = Some(i64::MAX);
        let table = TableName { database: "db".into(), schema: "a.b".into(), name: "t".into() };
        let skipped = SkippedTable { table, reason: SkipReason::UnloggedTable, message: "m".into() };
        task.warnings = Warnings::new(&[skipped], &["other".into()], &[]);
        assert_eq!(super::read(super::write(&task).unwrap()).unwrap(), task);
    }
}
