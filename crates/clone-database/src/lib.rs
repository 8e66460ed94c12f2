//! Makes a clone a database source: reads the login that RDS keeps in Secrets Manager and the
//! certificate authority, and translates failures of the database into errors of the workflow.
//!
//! ```no_run
//! # async fn example(
//! #     secrets: &aws_sdk_secretsmanager::Client,
//! #     clone: &export_task::task::CloneEndpoint,
//! # ) -> Result<(), export_aws::StepError> {
//! let source = clone_database::source(secrets, clone).await?;
//! let mut connection = source.connect(None).await.map_err(clone_database::failed)?;
//! let databases = connection.databases().await.map_err(clone_database::failed)?;
//! # drop(databases);
//! # Ok(())
//! # }
//! ```

use std::path::PathBuf;

use aws_sdk_secretsmanager::Client;
use cluster_source::{Endpoint, Source, SourceError, tls};
use export_aws::{ErrorKind, StepError, config};
use export_task::engine::Engine;
use export_task::task::CloneEndpoint;
use serde::Deserialize;

/// The fields of a secret that RDS manages.
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

/// Returns the clone as a source that logs in as the master user and verifies TLS.
///
/// # Errors
/// `ServiceUnavailable`, `InternalFailure`.
pub async fn source(secrets: &Client, clone: &CloneEndpoint) -> Result<Source, StepError> {
    let (Some(host), Some(port), Some(secret)) = (&clone.host, clone.port, &clone.secret_arn) else {
        return Err(StepError::internal("the clone has no endpoint yet"));
    };
    let unknown = || StepError::internal("the clone has an unknown engine");
    let engine = Engine::from_name(&clone.engine).ok_or_else(unknown)?;
    let login = login(secrets, secret).await?;
    let tls = tls(&certificate_authority()?).map_err(failed)?;
    let endpoint = Endpoint { host: host.clone(), port, user: login.username, password: login.password };
    let databases = clone.database.iter().cloned().collect();
    Ok(Source::new(engine, endpoint, Some(tls)).knowing(databases))
}

/// Translates a failure of the clone into an error of the workflow. The name of that error decides
/// whether the workflow retries.
pub fn failed(error: SourceError) -> StepError {
    use cluster_source::ErrorKind as Source;
    let kind = match error.kind() {
        Source::Unavailable => ErrorKind::SourceUnavailable,
        Source::Throttled => ErrorKind::SourceThrottled,
        Source::AccessDenied => ErrorKind::SourceAccessDenied,
        Source::Unsupported | Source::Skip(_) => ErrorKind::DataUnsupported,
        Source::Internal => ErrorKind::InternalFailure,
    };
    StepError::caused(kind, error.to_string(), error)
}

/// Reads a clone's master login.
async fn login(secrets: &Client, secret_arn: &str) -> Result<Login, StepError> {
    let secret = secrets
        .get_secret_value()
        .secret_id(secret_arn)
        .send()
        .await
        .map_err(|e| StepError::aws("the clone's password can't be read", e))?;
    let text = secret.secret_string().unwrap_or_default();
    // The parse error would quote the secret, so it is dropped.
    serde_json::from_str(text)
        .map_err(|_| StepError::new(ErrorKind::InternalFailure, "the clone's secret is not a database login"))
}

/// Reads the PEM bundle that verifies clones' certificates.
fn certificate_authority() -> Result<Vec<u8>, StepError> {
    let path = config::optional(config::DATABASE_CA_FILE).map_or_else(
        || PathBuf::from(config::optional(config::LAMBDA_TASK_ROOT).unwrap_or_default()).join("rds-ca.pem"),
        PathBuf::from,
    );
    std::fs::read(&path).map_err(|e| {
        let message = format!("the database certificate authority {} can't be read", path.display());
        StepError::caused(ErrorKind::InternalFailure, message, e)
    })
}
