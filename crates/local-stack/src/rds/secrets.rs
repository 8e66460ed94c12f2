//! Managed master passwords: RDS generates them and stores them in Secrets Manager.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use aws_sdk_secretsmanager::types::Tag;

use super::error::ApiError;

/// The secret of a cluster's master user.
#[derive(Debug, Clone)]
pub(crate) struct MasterSecret {
    pub(crate) arn: String,
    /// First `creating`, then `active`.
    pub(crate) status: &'static str,
    pub(crate) kms_key_id: String,
}

/// Creates the secret of a cluster, with the name and the tags that RDS uses. Returns its ARN.
pub(crate) async fn create(
    client: &Client,
    (cluster_arn, resource_id): (&str, &str),
    (user, password): (&str, &str),
    kms_key_id: Option<&str>,
) -> Result<String, ApiError> {
    let value = serde_json::json!({ "username": user, "password": password }).to_string();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let created = client
        .create_secret()
        // The resource id already begins with `cluster-`.
        .name(format!("rds!{resource_id}"))
        .description(format!("Secret associated with primary RDS DB cluster: {cluster_arn}"))
        .set_kms_key_id(kms_key_id.map(str::to_owned))
        .secret_string(value)
        .tags(tag("aws:secretsmanager:owningService", "rds"))
        .tags(tag("aws:rds:primaryDBClusterArn", cluster_arn))
        .send()
        .await
        .map_err(|error| failed(&DisplayErrorContext(&error)))?;
    created.arn.ok_or_else(|| failed(&"the response has no ARN of the new secret"))
}

/// Deletes a secret without a recovery period.
pub(crate) async fn delete(client: &Client, arn: &str) -> Result<(), ApiError> {
    let deleted = client.delete_secret().secret_id(arn).force_delete_without_recovery(true).send().await;
    deleted.map(drop).map_err(|error| failed(&DisplayErrorContext(&error)))
}

/// Returns a random password like those of RDS: 28 printable characters, including some that need
/// escaping in URLs and SQL.
pub(crate) fn random_password() -> String {
    let alphabet: Vec<char> = ('!'..='~').filter(|character| !"/@\"".contains(*character)).collect();
    let random = [*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat();
    random.iter().take(28).map(|byte| alphabet[usize::from(*byte) % alphabet.len()]).collect()
}

fn failed(cause: &dyn std::fmt::Display) -> ApiError {
    ApiError { status: 500, ..ApiError::new("InternalFailure", format!("Secrets Manager: {cause}")) }
}
