//! `DescribeExportTasks`: its parameters, the tasks they select, and the marker of a page.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{ApiError, truncate_for_message};
use crate::limits;
use crate::request;
use crate::task::ExportTask;

/// The parameters of `DescribeExportTasks` under their API names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeExportTasks {
    /// Only this task.
    pub export_task_identifier: Option<String>,
    /// Only tasks of this cluster.
    pub source_arn: Option<String>,
    /// `CLUSTER` or `SNAPSHOT`.
    pub source_type: Option<String>,
    /// Every filter must match.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Maximum number of tasks in a page: a number, or its digits as a string.
    pub max_records: Option<Value>,
    /// The `Marker` of the page before.
    pub marker: Option<String>,
}

/// A filter under its API names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Filter {
    /// Name of the filter.
    pub name: String,
    /// The filter matches if one of its values does.
    #[serde(default)]
    pub values: Vec<String>,
}

impl DescribeExportTasks {
    /// Checks every parameter.
    ///
    /// # Errors
    /// `InvalidParameterValue`, `MissingParameter`.
    pub fn validate(self) -> Result<Describe, ApiError> {
        let filters = self
            .filters
            .into_iter()
            .map(|filter| match filter.values.is_empty() {
                true => Err(ApiError::MissingParameter("Filters.Filter.Values")),
                false => Ok((FilterName::parse(&filter.name)?, filter.values)),
            })
            .collect::<Result<_, ApiError>>()?;
        Ok(Describe {
            identifier: self.export_task_identifier,
            source_arn: self.source_arn,
            source_type: self.source_type.as_deref().map(SourceType::parse).transpose()?,
            filters,
            max_records: max_records(self.max_records.as_ref())?,
            after: self.marker.as_deref().map(from_marker).transpose()?,
        })
    }
}

/// The parameters of `DescribeExportTasks`, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Describe {
    /// Only this task.
    pub identifier: Option<String>,
    /// Only tasks of this cluster.
    pub source_arn: Option<String>,
    /// Only tasks of this kind of source.
    pub source_type: Option<SourceType>,
    /// Every filter must match, each by one of its values.
    pub filters: Vec<(FilterName, Vec<String>)>,
    /// Maximum number of tasks in a page.
    pub max_records: usize,
    /// Identifier of the last task of the page before.
    pub after: Option<String>,
}

/// `SourceType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    /// Exports of snapshots. It selects nothing, because this service exports clusters only.
    Snapshot,
    /// Exports of clusters.
    Cluster,
}

impl SourceType {
    fn parse(source_type: &str) -> Result<Self, ApiError> {
        match source_type {
            "CLUSTER" => Ok(Self::Cluster),
            "SNAPSHOT" => Ok(Self::Snapshot),
            other => Err(ApiError::InvalidParameterValue(format!(
                "Invalid value for SourceType: {}",
                truncate_for_message(other)
            ))),
        }
    }
}

/// The name of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterName {
    /// `export-task-identifier`.
    ExportTaskIdentifier,
    /// `s3-bucket`.
    S3Bucket,
    /// `source-arn`.
    SourceArn,
    /// `status`. Its values are in lower case.
    Status,
}

impl FilterName {
    /// Parses the name of a filter. Names are case-sensitive.
    fn parse(name: &str) -> Result<Self, ApiError> {
        match name {
            "export-task-identifier" => Ok(Self::ExportTaskIdentifier),
            "s3-bucket" => Ok(Self::S3Bucket),
            "source-arn" => Ok(Self::SourceArn),
            "status" => Ok(Self::Status),
            _ => Err(ApiError::InvalidParameterValue(format!(
                "Unrecognized filter name: {}",
                truncate_for_message(name)
            ))),
        }
    }
}

fn max_records(value: Option<&Value>) -> Result<usize, ApiError> {
    let Some(value) = value else { return Ok(*limits::DESCRIBE_RECORDS.end() as usize) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.parse::<i64>() {
        Ok(n) if limits::DESCRIBE_RECORDS.contains(&n) => Ok(n as usize),
        _ => Err(ApiError::InvalidParameterValue(format!(
            "Invalid value {} for MaxRecords. Must be between 20 and 100",
            truncate_for_message(&text)
        ))),
    }
}

impl Describe {
    /// Returns whether a task is selected.
    pub fn selects(&self, task: &ExportTask) -> bool {
        let request = &task.request;
        let arn = request.source_arn.to_string();
        let status = task.status.as_str().to_ascii_lowercase();
        self.source_type != Some(SourceType::Snapshot)
            && self.identifier.as_ref().is_none_or(|id| *id == request.export_task_identifier)
            && self.source_arn.as_ref().is_none_or(|s| *s == arn)
            && self.filters.iter().all(|(name, values)| {
                let actual = match name {
                    FilterName::ExportTaskIdentifier => &request.export_task_identifier,
                    FilterName::S3Bucket => &request.s3_bucket,
                    FilterName::SourceArn => &arn,
                    FilterName::Status => &status,
                };
                values.contains(actual)
            })
    }
}

/// Returns the `Marker` of the page that begins after the task `last`. It is opaque to callers.
pub fn to_marker(last: &str) -> String {
    last.bytes().map(|b| format!("{b:02x}")).collect()
}

/// Returns the identifier of the task that a `Marker` stands for.
fn from_marker(marker: &str) -> Result<String, ApiError> {
    let invalid = || ApiError::InvalidParameterValue("Invalid value for Marker.".into());
    let digits: Option<Vec<u32>> = marker.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0 && !d.is_empty()).ok_or_else(invalid)?;
    // Two hexadecimal digits fit a byte.
    let bytes = digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    let last = String::from_utf8(bytes).map_err(|_| invalid())?;
    if request::is_identifier(&last) { Ok(last) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markers_round_trip_and_refuse_nonsense() {
        assert_eq!(from_marker(&to_marker("my-export")).unwrap(), "my-export");
        for bad in ["", "a", "zz", "ff", "é9", "2d2d", &to_marker(&"a".repeat(61))] {
            assert_eq!(from_marker(bad).unwrap_err().code(), "InvalidParameterValue", "{bad}");
        }
    }

    #[test]
    fn max_records_is_twenty_to_a_hundred() {
        assert_eq!(max_records(None).unwrap(), 100);
        assert_eq!(max_records(Some(&json!("20"))).unwrap(), 20);
        assert_eq!(max_records(Some(&json!(100))).unwrap(), 100);
        for bad in [json!("19"), json!("101"), json!("-5"), json!("x"), json!(""), json!(19), json!(null)] {
            assert!(max_records(Some(&bad)).is_err(), "{bad}");
        }
    }
}
