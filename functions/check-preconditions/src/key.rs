//! The KMS key: checks that it can be used and grants its use to the export role. AWS's exporter
//! uses a grant too. For this reason the export roles in AWS's documentation have S3 permissions
//! only.

use aws_sdk_kms::types::{GrantOperation, KeyState, KeyUsageType};
use export_aws::{StepError, error};
use export_task::failure::Failure;
use export_task::task::TaskRef;

/// Checks that the key can be used and returns its ARN.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn check(kms: &aws_sdk_kms::Client, key: &str) -> Result<String, StepError> {
    let refused = || StepError::precondition(&Failure::KmsKey);
    let answer = match kms.describe_key().key_id(key).send().await {
        Ok(answer) => answer,
        Err(e) if error::is_transient(&e) => return Err(StepError::aws("the KMS key can't be looked up", e)),
        Err(e) => {
            tracing::warn!(key, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "DescribeKey was refused");
            return Err(refused());
        }
    };
    let metadata = answer.key_metadata().ok_or_else(refused)?;
    let usable = metadata.key_state() == Some(&KeyState::Enabled)
        && metadata.key_usage().is_none_or(|usage| *usage == KeyUsageType::EncryptDecrypt);
    match metadata.arn() {
        Some(arn) if usable => Ok(arn.to_owned()),
        _ => Err(refused()),
    }
}

/// Grants the use of the key to the export role for the duration of the task and returns the ID of
/// the grant. The name of the grant is unique to this execution. So a repeated call returns the
/// same grant, and a task of another stack gets a different one.
///
/// # Errors
/// `PreconditionFailed`, `ServiceUnavailable`.
pub async fn grant(kms: &aws_sdk_kms::Client, key: &str, task: &TaskRef) -> Result<String, StepError> {
    let operations = [
        GrantOperation::GenerateDataKey,
        GrantOperation::Decrypt,
        GrantOperation::Encrypt,
        GrantOperation::DescribeKey,
    ];
    let answer = kms
        .create_grant()
        .key_id(key)
        .grantee_principal(&task.iam_role_arn)
        .set_operations(Some(operations.to_vec()))
        .name(&task.clone_identifier)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.grant_id().unwrap_or_default().to_owned()),
        Err(e) if error::is_transient(&e) => Err(StepError::aws("the use of the KMS key can't be granted", e)),
        Err(e) => {
            tracing::warn!(key, error = %aws_sdk_kms::error::DisplayErrorContext(&e), "CreateGrant was refused");
            Err(StepError::precondition(&Failure::KmsKey))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_replay::{Answer, Replay, task};
    use export_aws::ErrorKind;
    use serde_json::{Value, json};

    use super::*;

    fn kms(answer: Answer) -> (aws_sdk_kms::Client, Replay) {
        let replay = Replay::new(move |_| answer.clone());
        (aws_sdk_kms::Client::new(&replay.config()), replay)
    }

    fn key(state: &str, usage: &str) -> Value {
        json!({"KeyMetadata": {"KeyId": "k", "Arn": "arn:key", "KeyState": state, "KeyUsage": usage}})
    }

    #[tokio::test]
    async fn only_an_enabled_key_for_encryption_can_be_used() {
        let usable = kms(key("Enabled", "ENCRYPT_DECRYPT").into()).0;
        assert_eq!(check(&usable, "alias/k").await.unwrap(), "arn:key");
        for answer in [
            key("Disabled", "ENCRYPT_DECRYPT").into(),
            key("PendingDeletion", "ENCRYPT_DECRYPT").into(),
            key("Enabled", "SIGN_VERIFY").into(),
            json!({}).into(),
            Answer::Error(400, "NotFoundException"),
            Answer::Error(400, "AccessDeniedException"),
        ] {
            let error = check(&kms(answer).0, "k").await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::PreconditionFailed);
            assert_eq!(error.to_string(), Failure::KmsKey.to_string());
        }
        let error = check(&kms(Answer::Error(500, "KMSInternalException")).0, "k").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ServiceUnavailable);
    }

    #[tokio::test]
    async fn the_grant_is_named_after_the_clone_so_that_a_repeated_call_gets_the_same_one() {
        let task = TaskRef::from(&task());
        let (client, replay) = kms(json!({"GrantId": "g"}).into());
        for _ in 0..2 {
            assert_eq!(grant(&client, "arn:key", &task).await.unwrap(), "g");
        }
        let requests = replay.calls("CreateGrant");
        assert_eq!(requests[0].json(), requests[1].json());
        assert_eq!(requests[0].json()["Name"], task.clone_identifier.as_str());
        assert_eq!(requests[0].json()["GranteePrincipal"], "arn:aws:iam::111122223333:role/export");
    }

    #[tokio::test]
    async fn a_refused_grant_fails_the_task_and_a_temporary_error_does_not() {
        let task = TaskRef::from(&task());
        for (answer, kind) in [
            (Answer::Error(400, "AccessDeniedException"), ErrorKind::PreconditionFailed),
            (Answer::Error(400, "ThrottlingException"), ErrorKind::ServiceUnavailable),
        ] {
            assert_eq!(grant(&kms(answer).0, "arn:key", &task).await.unwrap_err().kind, kind);
        }
    }
}
