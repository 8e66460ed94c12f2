//! The stack's work bucket: what grows with the cluster travels between the steps here, because the state of an execution
//! is limited to 256 KB. Keys are a function of the task, so a retried step writes the same objects again.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use export_task::plan::{self, PlanSummary, Results, UnitRef, WorkUnit};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::error::StepError;

/// Objects read at once when many are.
const READS_AT_ONCE: usize = 32;

/// The work bucket as one task sees it.
#[derive(Clone, Debug)]
pub struct WorkBucket {
    s3: Client,
    bucket: String,
    task: String,
}

impl WorkBucket {
    /// The work bucket of `task`.
    pub fn new(s3: Client, bucket: String, task: &str) -> Self {
        Self { s3, bucket, task: task.to_owned() }
    }

    /// Key of the map's item list.
    pub fn items_key(&self) -> String {
        format!("{}/items.json", self.task)
    }

    /// Prefix for what Step Functions itself writes about the map.
    pub fn map_results_prefix(&self) -> String {
        format!("{}/map", self.task)
    }

    fn units_key(&self) -> String {
        format!("{}/units.jsonl", self.task)
    }

    fn summary_key(&self) -> String {
        format!("{}/plan.json", self.task)
    }

    fn results_prefix(&self) -> String {
        format!("{}/results/", self.task)
    }

    /// Writes a plan: the summary, the units one a line, and last the item list that points into them.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn put_plan(
        &self,
        summary: &PlanSummary,
        units: impl Iterator<Item = WorkUnit>,
    ) -> Result<(), StepError> {
        let (lines, items) = plan::lines(units)?;
        self.put(&self.summary_key(), serde_json::to_vec(summary)?).await?;
        self.put(&self.units_key(), lines).await?;
        self.put_json(&self.items_key(), &items).await
    }

    /// Reads one unit of the plan.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn unit(&self, at: &UnitRef) -> Result<WorkUnit, StepError> {
        let range = format!("bytes={}-{}", at.offset, at.offset + at.length.saturating_sub(1));
        let bytes = self.get(&self.units_key(), Some(range)).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Reads the plan's summary.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn summary(&self) -> Result<PlanSummary, StepError> {
        Ok(serde_json::from_slice(&self.get(&self.summary_key(), None).await?)?)
    }

    /// Key of what one invocation on `unit`, beginning at partition `from`, finished.
    fn result_key(&self, unit: u32, from: u32) -> String {
        format!("{}{unit:08}-{from:08}.json", self.results_prefix())
    }

    /// What an earlier, interrupted attempt of the same invocation already finished.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn result(&self, unit: u32, from: u32) -> Result<Option<Results>, StepError> {
        let answer = self.s3.get_object().bucket(&self.bucket).key(self.result_key(unit, from)).send().await;
        match answer {
            Ok(object) => Ok(Some(serde_json::from_slice(&collect(object.body).await?)?)),
            Err(e) if e.as_service_error().is_some_and(|e| e.is_no_such_key()) => Ok(None),
            Err(e) => Err(StepError::aws("a result in the work bucket can't be read", e)),
        }
    }

    /// Keeps what an invocation finished. Returns false when another attempt of the same invocation was first: its result
    /// stands, and its progress was counted.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn put_result(&self, unit: u32, from: u32, results: &Results) -> Result<bool, StepError> {
        let put = self.s3.put_object().bucket(&self.bucket).key(self.result_key(unit, from)).if_none_match("*");
        let body = ByteStream::from(serde_json::to_vec(results)?);
        match put.body(body).content_type("application/json").send().await {
            Ok(_) => Ok(true),
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 412) => Ok(false),
            // Two attempts wrote at the same moment; the next try sees whose result stands.
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 409) => {
                Err(StepError::caused(crate::ErrorKind::ServiceUnavailable, "two attempts wrote one result at once", e))
            }
            Err(e) => Err(StepError::aws("a result can't be written to the work bucket", e)),
        }
    }

    /// Every result of the task.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn results(&self) -> Result<Results, StepError> {
        let mut keys = Vec::new();
        let mut pages =
            self.s3.list_objects_v2().bucket(&self.bucket).prefix(self.results_prefix()).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| StepError::aws("the results in the work bucket can't be listed", e))?;
            keys.extend(page.contents().iter().filter_map(|o| o.key().map(str::to_owned)));
        }
        let read = |key: String| async move {
            Ok::<Results, StepError>(serde_json::from_slice(&self.get(&key, None).await?)?)
        };
        let nested: Vec<_> = stream::iter(keys).map(read).buffered(READS_AT_ONCE).try_collect().await?;
        let mut all = Results::default();
        all.extend(nested);
        Ok(all)
    }

    async fn put_json<T: Serialize>(&self, key: &str, value: &T) -> Result<(), StepError> {
        self.put(key, serde_json::to_vec(value)?).await
    }

    async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), StepError> {
        let put = self.s3.put_object().bucket(&self.bucket).key(key).content_type("application/json");
        put.body(body.into()).send().await.map_err(|e| StepError::aws("the work bucket can't be written", e))?;
        Ok(())
    }

    async fn get(&self, key: &str, range: Option<String>) -> Result<Vec<u8>, StepError> {
        let object = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_range(range)
            .send()
            .await
            .map_err(|e| StepError::aws("the work bucket can't be read", e))?;
        collect(object.body).await
    }
}

async fn collect(body: ByteStream) -> Result<Vec<u8>, StepError> {
    let bytes = body.collect().await.map_err(|e| {
        StepError::caused(crate::ErrorKind::ServiceUnavailable, "an object of the work bucket broke off", e)
    })?;
    Ok(bytes.to_vec())
}
