//! SDK configuration: one HTTP client on one TLS provider (ring) for every service client.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::config;

/// Returns the configuration of the environment: Region, credentials, endpoints.
pub async fn config() -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

/// Returns an S3 client. With a custom endpoint it addresses buckets by path, because the host name
/// `bucket.localhost` does not resolve.
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(s3_config(config).build())
}

/// Returns the S3 configuration behind [`s3`], for clients with other credentials.
pub(crate) fn s3_config(aws: &SdkConfig) -> aws_sdk_s3::config::Builder {
    let custom_endpoint = config::optional(config::AWS_ENDPOINT_URL).is_some() || aws.endpoint_url().is_some();
    aws_sdk_s3::config::Builder::from(aws).force_path_style(custom_endpoint)
}
