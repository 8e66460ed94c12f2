//! The requests that start and cancel a task: as they arrive, and after the checks that need no
//! call to AWS.

use serde::{Deserialize, Serialize};

use crate::arn::ClusterArn;
use crate::error::{ApiError, truncate_for_message};
use crate::export_only::ExportOnly;
use crate::limits;
use crate::options::Options;

/// The parameters of `StartExportTask` under their API names. The same JSON document starts a task
/// through the AWS CLI (`--cli-input-json`), `StartExecution`, a Lambda invocation or a schedule's
/// `Input`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct StartExportTask {
    /// Unique name of the task. It can't be reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_task_identifier: Option<String>,
    /// ARN of the DB cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_arn: Option<String>,
    /// Bucket to export to, in the cluster's Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_bucket_name: Option<String>,
    /// ARN of the role that may write to the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_role_arn: Option<String>,
    /// Key ID, key ARN, alias name or alias ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// Path in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_prefix: Option<String>,
    /// Parts of the cluster. Absent or empty for the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_only: Option<Vec<String>>,
    /// How files are written. AWS's API has no such parameter; without it, files are as AWS writes
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Options>,
}

/// A `StartExportTask` request whose parameters are all well formed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExportRequest {
    /// Unique name of the task.
    pub export_task_identifier: String,
    /// The cluster.
    pub source_arn: ClusterArn,
    /// Name of the bucket.
    pub s3_bucket: String,
    /// Path in the bucket, as in the request. It may be empty.
    pub s3_prefix: String,
    /// ARN of the export role.
    pub iam_role_arn: String,
    /// The key, as in the request.
    pub kms_key_id: String,
    /// The parts of the cluster to export.
    pub export_only: ExportOnly,
    /// How files are written.
    #[serde(default)]
    pub options: Options,
}

impl StartExportTask {
    /// Reads a request from JSON.
    ///
    /// # Errors
    /// `InvalidParameterValue` that names the member that is unknown or of the wrong type.
    pub fn from_json(document: serde_json::Value) -> Result<Self, ApiError> {
        serde_json::from_value(document).map_err(|e| {
            ApiError::InvalidParameterValue(format!("Invalid request: {}", truncate_for_message(&e.to_string())))
        })
    }

    /// Checks everything that needs no call to AWS.
    ///
    /// # Errors
    /// `MissingParameter`, `InvalidParameterValue`, `InvalidExportOnly`.
    pub fn validate(self) -> Result<ExportRequest, ApiError> {
        let identifier = required(self.export_task_identifier, "ExportTaskIdentifier")?;
        let source_arn = required(self.source_arn, "SourceArn")?;
        let s3_bucket = required(self.s3_bucket_name, "S3BucketName")?;
        let iam_role_arn = required(self.iam_role_arn, "IamRoleArn")?;
        let kms_key_id = required(self.kms_key_id, "KmsKeyId")?;
        let s3_prefix = self.s3_prefix.unwrap_or_default();
        check_identifier(&identifier)?;
        let source_arn = ClusterArn::parse(&source_arn)?;
        check_bucket(&s3_bucket)?;
        check_role(&iam_role_arn)?;
        check_key(&kms_key_id)?;
        check_prefix(&s3_prefix)?;
        Ok(ExportRequest {
            export_task_identifier: identifier,
            source_arn,
            s3_bucket,
            s3_prefix,
            iam_role_arn,
            kms_key_id,
            export_only: ExportOnly::parse(&self.export_only.unwrap_or_default())?,
            options: check_options(self.options.unwrap_or_default())?,
        })
    }
}

/// The parameters of `CancelExportTask` under their API names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CancelExportTask {
    /// Name of the task.
    pub export_task_identifier: Option<String>,
}

impl CancelExportTask {
    /// Returns the identifier of the task.
    ///
    /// # Errors
    /// `MissingParameter`.
    pub fn validate(self) -> Result<String, ApiError> {
        required(self.export_task_identifier, "ExportTaskIdentifier")
    }
}

fn required(value: Option<String>, name: &'static str) -> Result<String, ApiError> {
    value.filter(|value| !value.is_empty()).ok_or(ApiError::MissingParameter(name))
}

/// Returns whether a task can have this identifier.
pub fn is_identifier(id: &str) -> bool {
    check_identifier(id).is_ok()
}

fn check_options(options: Options) -> Result<Options, ApiError> {
    match options.target_file_size_mb {
        Some(size) if !limits::FILE_MB.contains(&size) => Err(ApiError::InvalidParameterValue(format!(
            "Invalid value for Options.TargetFileSizeMB: {size}. It must be between {} and {}.",
            limits::FILE_MB.start(),
            limits::FILE_MB.end()
        ))),
        _ => Ok(options),
    }
}

/// Checks the characters and the length of an identifier. The messages are those of the RDS API.
fn check_identifier(id: &str) -> Result<(), ApiError> {
    let well_formed = id.starts_with(|c: char| c.is_ascii_alphabetic())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !id.ends_with('-')
        && !id.contains("--");
    if !well_formed {
        return Err(ApiError::InvalidParameterValue(format!(
            "The parameter ExportTaskIdentifier is not a valid identifier: {}. Identifiers must begin with a letter; must \
             contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.",
            truncate_for_message(id)
        )));
    }
    if id.len() > limits::IDENTIFIER_CHARS {
        return Err(ApiError::InvalidParameterValue(format!(
            "The parameter ExportTaskIdentifier is {} characters long. It can't be longer than {} characters.",
            id.len(),
            limits::IDENTIFIER_CHARS
        )));
    }
    Ok(())
}

/// Checks a bucket name. S3 allows 3–63 characters of `a-z0-9.-`; names of older buckets may be
/// longer and may hold capitals and underscores.
fn check_bucket(bucket: &str) -> Result<(), ApiError> {
    let ok = limits::BUCKET_NAME_CHARS.contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if ok {
        return Ok(());
    }
    Err(ApiError::InvalidParameterValue(format!("Invalid value for S3BucketName: {}", truncate_for_message(bucket))))
}

fn check_role(arn: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if let ["arn", partition, "iam", "", account, resource] = parts[..] {
        let name = resource.strip_prefix("role/").unwrap_or_default();
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b);
        if partition.starts_with("aws")
            && is_account(account)
            && !name.is_empty()
            && name.len() <= limits::ROLE_CHARS
            && name.bytes().all(legal)
        {
            return Ok(());
        }
    }
    Err(ApiError::InvalidParameterValue(format!(
        "Invalid value for IamRoleArn: {} isn't the ARN of an IAM role.",
        truncate_for_message(arn)
    )))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Checks a key: a key ID, `alias/name`, or the ARN of either. The key may be in another account.
fn check_key(key: &str) -> Result<(), ApiError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"/_-".contains(&b);
    let name = match key.splitn(6, ':').collect::<Vec<_>>()[..] {
        [name] => Some(name),
        ["arn", partition, "kms", region, account, name]
            if partition.starts_with("aws")
                && !region.is_empty()
                && is_account(account)
                && (name.starts_with("key/") || name.starts_with("alias/")) =>
        {
            Some(name)
        }
        _ => None,
    };
    if key.len() <= limits::KEY_ID_CHARS && name.is_some_and(|name| !name.ends_with('/') && name.bytes().all(legal)) {
        return Ok(());
    }
    Err(ApiError::InvalidParameterValue(format!(
        "Invalid value for KmsKeyId: {}. Use a key ID, key ARN, alias name or alias ARN.",
        truncate_for_message(key)
    )))
}

/// Checks a path in the bucket.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn check_prefix(prefix: &str) -> Result<(), ApiError> {
    if prefix.contains(':') {
        return Err(ApiError::InvalidParameterValue(
            "Invalid value for S3Prefix: it can't contain a colon (:).".into(),
        ));
    }
    if prefix.len() > limits::PREFIX_BYTES || prefix.chars().any(char::is_control) {
        return Err(ApiError::InvalidParameterValue(format!(
            "Invalid value for S3Prefix: it can't be longer than {} bytes or contain control characters.",
            limits::PREFIX_BYTES
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::options::{Compression, Types, Verify};

    fn request() -> StartExportTask {
        serde_json::from_value(serde_json::json!({
            "ExportTaskIdentifier": "my-export", "SourceArn": "arn:aws:rds:us-west-2:123456789012:cluster:my-cluster",
            "S3BucketName": "my-export-bucket", "IamRoleArn": "arn:aws:iam::123456789012:role/service-role/export",
            "KmsKeyId": "alias/export"
        }))
        .unwrap()
    }

    fn code(change: impl FnOnce(&mut StartExportTask)) -> &'static str {
        let mut r = request();
        change(&mut r);
        r.validate().map_or_else(|e| e.code(), |_| "valid")
    }

    #[test]
    fn unknown_options_are_refused_and_absent_ones_are_as_awss() {
        let with = |options: serde_json::Value| {
            let mut document = serde_json::to_value(request()).unwrap();
            document["Options"] = options;
            StartExportTask::from_json(document).and_then(StartExportTask::validate).map(|request| request.options)
        };
        assert_eq!(request().validate().unwrap().options, Options::default());
        assert_eq!(with(json!({})).unwrap(), Options::default());
        let all = with(json!({"Types": "native", "Compression": "zstd", "TargetFileSizeMB": 256, "Verify": "none"}));
        let all = all.unwrap();
        let (types, compression, verify) = (Types::Native, Compression::Zstd, Verify::None);
        assert_eq!(all, Options { types, compression, target_file_size_mb: Some(256), verify });
        assert_eq!(all.target_file_bytes(), 256 << 20);
        for unknown in [
            json!({"Type": "native"}),
            json!({"Types": "Native"}),
            json!({"Verify": "rows"}),
            json!({"Compression": "lz4"}),
            json!({"TargetFileSizeMB": 0}),
            json!({"TargetFileSizeMB": 200_000}),
            json!({"TargetFileSizeMB": "1"}),
        ] {
            assert_eq!(with(unknown.clone()).unwrap_err().code(), "InvalidParameterValue", "{unknown}");
        }
    }

    #[test]
    fn accepts_the_guides_request() {
        assert!(request().validate().is_ok());
        assert_eq!(code(|r| r.s3_prefix = Some("a/b".into())), "valid");
        for key in [
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "mrk-1234abcd12ab34cd56ef1234567890ab",
            "arn:aws:kms:us-west-2:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "alias/export",
            "arn:aws:kms:us-west-2:123456789012:alias/team/export",
        ] {
            assert_eq!(code(|r| r.kms_key_id = Some(key.into())), "valid", "{key}");
        }
        assert_eq!(code(|r| r.export_only = Some(vec!["db".into(), "db.public.t".into()])), "valid");
    }

    #[test]
    fn names_the_missing_parameter() {
        assert_eq!(code(|r| r.kms_key_id = None), "MissingParameter");
        assert_eq!(code(|r| r.source_arn = Some(String::new())), "MissingParameter");
    }

    #[test]
    fn refuses_malformed_values() {
        for id in ["1a", "a--b", "a-", "a_b", "-a", "ä", &"a".repeat(61)] {
            assert_eq!(code(|r| r.export_task_identifier = Some(id.into())), "InvalidParameterValue", "{id}");
        }
        assert_eq!(code(|r| r.export_task_identifier = Some("a".repeat(60))), "valid");
        for role in
            ["x", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:role/"]
        {
            assert_eq!(code(|r| r.iam_role_arn = Some(role.into())), "InvalidParameterValue", "{role}");
        }
        assert_eq!(code(|r| r.s3_prefix = Some("a:b".into())), "InvalidParameterValue");
        assert_eq!(code(|r| r.s3_bucket_name = Some("a b".into())), "InvalidParameterValue");
        for key in
            ["a b", "arn:aws:kms:us-west-2:1:key/k", "arn:aws:s3:::b", "arn:aws:kms:us-west-2:123456789012:k", "alias/"]
        {
            assert_eq!(code(|r| r.kms_key_id = Some(key.into())), "InvalidParameterValue", "{key}");
        }
    }

    #[test]
    fn refuses_malformed_partial_exports() {
        for entry in ["a.b.c.d", "a..b", "", "my-db", "a.b c"] {
            assert_eq!(code(|r| r.export_only = Some(vec![entry.into()])), "InvalidExportOnly", "{entry}");
        }
        assert_eq!(code(|r| r.export_only = Some(vec!["d".repeat(200 * 1024)])), "InvalidExportOnly");
    }
}
