//! SDK configuration: one HTTP client on one TLS provider (ring) for every service client.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Configuration from the environment: region, credentials, endpoints.
pub async fn config() -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

/// An S3 client. With an endpoint of one's own, buckets are addressed by path: `bucket.localhost` resolves nowhere.
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(s3_config(config).build())
}

/// The S3 configuration behind [`s3`], for clients with other credentials.
pub(crate) fn s3_config(config: &SdkConfig) -> aws_sdk_s3::config::Builder {
    let own_endpoint = std::env::var_os("AWS_ENDPOINT_URL").is_some() || config.endpoint_url().is_some();
    aws_sdk_s3::config::Builder::from(config).force_path_style(own_endpoint)
}
