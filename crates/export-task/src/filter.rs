//! `DescribeExportTasks`: its parameters, what they select, and its pages.

use crate::error::{ApiError, shown};
use crate::limits;
use crate::request;
use crate::task::ExportTask;

/// The parameters, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Describe {
    /// Only this task.
    pub identifier: Option<String>,
    /// Only tasks of this cluster.
    pub source_arn: Option<String>,
    /// `SNAPSHOT` selects nothing: this service exports clusters only.
    pub source_type: Option<SourceType>,
    /// Every filter must match by one of its values.
    pub filters: Vec<(FilterName, Vec<String>)>,
    /// Most records to return.
    pub max_records: usize,
    /// Identifier of the last task of the page before.
    pub after: Option<String>,
}

/// `SourceType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    /// Snapshot exports, of which there are none.
    Snapshot,
    /// Cluster exports.
    Cluster,
}

/// A filter's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterName {
    /// `export-task-identifier`.
    ExportTaskIdentifier,
    /// `s3-bucket`.
    S3Bucket,
    /// `source-arn`.
    SourceArn,
    /// `status`, in lower case.
    Status,
}

impl FilterName {
    /// Parses a filter name; names are case-sensitive.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub fn parse(name: &str) -> Result<Self, ApiError> {
        match name {
            "export-task-identifier" => Ok(Self::ExportTaskIdentifier),
            "s3-bucket" => Ok(Self::S3Bucket),
            "source-arn" => Ok(Self::SourceArn),
            "status" => Ok(Self::Status),
            _ => Err(ApiError::InvalidParameterValue(format!("Unrecognized filter name: {}", shown(name)))),
        }
    }
}

/// Checks `MaxRecords`.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn max_records(value: Option<&str>) -> Result<usize, ApiError> {
    let Some(text) = value else { return Ok(*limits::DESCRIBE_RECORDS.end() as usize) };
    match text.parse::<i64>() {
        Ok(n) if limits::DESCRIBE_RECORDS.contains(&n) => Ok(n as usize),
        _ => Err(ApiError::InvalidParameterValue(format!(
            "Invalid value {} for MaxRecords. Must be between 20 and 100",
            shown(text)
        ))),
    }
}

/// Checks `SourceType`.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn source_type(value: Option<&str>) -> Result<Option<SourceType>, ApiError> {
    match value {
        None => Ok(None),
        Some("CLUSTER") => Ok(Some(SourceType::Cluster)),
        Some("SNAPSHOT") => Ok(Some(SourceType::Snapshot)),
        Some(other) => Err(ApiError::InvalidParameterValue(format!("Invalid value for SourceType: {}", shown(other)))),
    }
}

impl Describe {
    /// Whether a task is selected.
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

/// The `Marker` that continues after a task: opaque to callers.
pub fn to_marker(last: &str) -> String {
    last.bytes().map(|b| format!("{b:02x}")).collect()
}

/// Reads a `Marker` back.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn from_marker(marker: &str) -> Result<String, ApiError> {
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
        assert_eq!(max_records(Some("20")).unwrap(), 20);
        for bad in ["19", "101", "-5", "x", ""] {
            assert!(max_records(Some(bad)).is_err(), "{bad}");
        }
    }
}
