//! The stack's work bucket. Documents that grow with the cluster travel between the steps here,
//! because the state of an execution is limited to 256 KB.
//!
//! Two attempts at one step may write a different plan or a different result. So these documents
//! are written only if none exists.

use std::borrow::Cow;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use export_task::plan::{self, Plan, PlanSummary, Results, UnitRef, WorkUnit};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{StepError, found};
use crate::{clients, config};

/// Number of results that are read concurrently.
const READS_AT_ONCE: usize = 32;

/// The document of the first attempt at planning that completed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Planned<'a> {
    plan: Cow<'a, Plan>,
    summary: Cow<'a, PlanSummary>,
}

/// The work bucket of the stack.
#[derive(Clone, Debug)]
pub struct StackWorkBucket {
    s3: Client,
    bucket: String,
}

/// The part of the work bucket that belongs to one task.
#[derive(Clone, Debug)]
pub struct WorkBucket {
    s3: Client,
    bucket: String,
    task: String,
}

impl StackWorkBucket {
    /// Returns the bucket that the environment names.
    ///
    /// # Errors
    /// `InternalFailure` naming the variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, StepError> {
        Ok(Self::new(aws, config::required(config::WORK_BUCKET)?))
    }

    /// Returns the bucket of this name.
    pub fn new(aws: &SdkConfig, bucket: String) -> Self {
        Self { s3: clients::s3(aws), bucket }
    }

    /// Returns the part that belongs to `task`.
    pub fn for_task(&self, task: &str) -> WorkBucket {
        WorkBucket::new(self.s3.clone(), self.bucket.clone(), task)
    }
}

impl WorkBucket {
    /// Returns the part of `bucket` that belongs to `task`.
    pub fn new(s3: Client, bucket: String, task: &str) -> Self {
        Self { s3, bucket, task: task.to_owned() }
    }

    /// Returns the prefix of the documents that Step Functions writes about the map.
    pub fn map_results_prefix(&self) -> String {
        format!("{}/map", self.task)
    }

    /// Returns the key of the item list of the map. Each attempt at planning writes its own.
    pub fn items_key(&self, attempt: &str) -> String {
        format!("{}/plans/{attempt}/items.json", self.task)
    }

    fn units_key(&self, attempt: &str) -> String {
        format!("{}/plans/{attempt}/units.jsonl", self.task)
    }

    fn plan_key(&self) -> String {
        format!("{}/plan.json", self.task)
    }

    fn results_prefix(&self) -> String {
        format!("{}/results/", self.task)
    }

    /// Writes the plan of an attempt: the units, one per line; the item list, which points into
    /// them; and last the plan itself, unless another attempt was first. Returns the valid plan,
    /// which is the first one.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn put_plan(
        &self,
        attempt: &str,
        plan: Plan,
        summary: &PlanSummary,
        units: impl Iterator<Item = WorkUnit>,
    ) -> Result<Plan, StepError> {
        let (lines, items) = plan::lines(attempt, units)?;
        self.put(&self.units_key(attempt), lines).await?;
        self.put(&self.items_key(attempt), serde_json::to_vec(&items)?).await?;
        let body = serde_json::to_vec(&Planned { plan: Cow::Borrowed(&plan), summary: Cow::Borrowed(summary) })?;
        if self.put_first(&self.plan_key(), body).await? {
            return Ok(plan);
        }
        self.plan().await?.ok_or_else(|| StepError::internal("the plan disappeared from the work bucket"))
    }

    /// Returns the plan, if there is one.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn plan(&self) -> Result<Option<Plan>, StepError> {
        Ok(self.planned().await?.map(|planned| planned.plan.into_owned()))
    }

    async fn planned(&self) -> Result<Option<Planned<'static>>, StepError> {
        self.find(&self.plan_key()).await
    }

    /// Returns one unit of the plan.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn unit(&self, at: &UnitRef) -> Result<WorkUnit, StepError> {
        let range = format!("bytes={}-{}", at.offset, at.offset + at.length.saturating_sub(1));
        let bytes = self.get(&self.units_key(&at.attempt), Some(range)).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Returns the summary of the plan.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn summary(&self) -> Result<PlanSummary, StepError> {
        self.find_summary().await?.ok_or_else(|| StepError::internal("there is no plan in the work bucket"))
    }

    /// Returns the summary of the plan, if there is a plan.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn find_summary(&self) -> Result<Option<PlanSummary>, StepError> {
        Ok(self.planned().await?.map(|planned| planned.summary.into_owned()))
    }

    /// Returns the key of the result of one invocation, which worked on `unit` from item `from` on.
    fn result_key(&self, unit: u32, from: u32) -> String {
        format!("{}{unit:08}-{from:08}.json", self.results_prefix())
    }

    /// Returns the result of an earlier attempt of the same invocation, if one was written.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn result(&self, unit: u32, from: u32) -> Result<Option<Results>, StepError> {
        self.find(&self.result_key(unit, from)).await
    }

    /// Writes the result of an invocation. Returns false if another attempt of the same invocation
    /// was first: then that attempt's result is valid, and its progress was counted.
    ///
    /// # Errors
    /// `ServiceUnavailable`, `InternalFailure`.
    pub async fn put_result(&self, unit: u32, from: u32, results: &Results) -> Result<bool, StepError> {
        self.put_first(&self.result_key(unit, from), serde_json::to_vec(results)?).await
    }

    /// Returns all results of the task.
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

    /// Writes an object unless it exists. Returns false if it exists.
    async fn put_first(&self, key: &str, body: Vec<u8>) -> Result<bool, StepError> {
        let put = self.s3.put_object().bucket(&self.bucket).key(key).if_none_match("*");
        match put.body(body.into()).content_type("application/json").send().await {
            Ok(_) => Ok(true),
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 412) => Ok(false),
            // Two attempts wrote at the same time. A retry finds out which of them was first.
            Err(e) if e.raw_response().is_some_and(|r| r.status().as_u16() == 409) => Err(StepError::caused(
                crate::ErrorKind::ServiceUnavailable,
                "two attempts wrote the same object at once",
                e,
            )),
            Err(e) => Err(StepError::aws("the work bucket can't be written", e)),
        }
    }

    /// Returns a document, if it exists.
    async fn find<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StepError> {
        let answer = self.s3.get_object().bucket(&self.bucket).key(key).send().await;
        match found(answer, GetObjectError::is_no_such_key, "the work bucket can't be read")? {
            Some(object) => Ok(Some(serde_json::from_slice(&collect(object.body).await?)?)),
            None => Ok(None),
        }
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
        StepError::caused(
            crate::ErrorKind::ServiceUnavailable,
            "reading an object of the work bucket was interrupted",
            e,
        )
    })?;
    Ok(bytes.to_vec())
}
