//! Serves the export API on a loopback port. The AWS CLI and SDKs sign requests for the service
//! `rds`, and only AWS can verify these signatures. So this endpoint listens on loopback addresses
//! only and passes each request to the `export-api` function with the credentials of the user who
//! runs it. IAM then decides by `lambda:InvokeFunction`, and nothing is public.
//!
//! ```no_run
//! # async fn example(client: aws_sdk_lambda::Client) -> std::io::Result<()> {
//! use export_endpoint::{ExportApi, serve};
//!
//! let api = ExportApi::new(client, "aurora-export-export-api".to_owned());
//! serve(([127, 0, 0, 1], 0).into(), api).await
//! # }
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::primitives::Blob;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rds_query::xml::{self, Fault};
use serde::Deserialize;
use serde_json::json;

/// The `export-api` function of a stack.
#[derive(Clone, Debug)]
pub struct ExportApi {
    client: Client,
    function: String,
}

/// The response of a function behind HTTP, as far as `export-api` uses it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionResponse {
    status_code: u16,
    body: String,
}

/// The API gave no answer to a request.
#[derive(Debug, thiserror::Error)]
enum InvokeError {
    #[error("The export-api function can't be invoked: {0}")]
    Invoke(String),
    #[error("The export-api function failed: {0}")]
    Function(String),
    #[error("The export-api function returned no HTTP response: {0}")]
    Response(#[from] serde_json::Error),
}

impl ExportApi {
    /// Returns the function named `function`, which is called with the credentials of `client`.
    pub fn new(client: Client, function: String) -> Self {
        Self { client, function }
    }

    /// Passes the body of a request to the function. Returns its answer, which is always a document
    /// of the RDS Query protocol.
    pub async fn answer(&self, body: &[u8]) -> Response<Body> {
        let (status, body) = match self.invoke(body).await {
            Ok(answer) => (StatusCode::from_u16(answer.status_code).unwrap_or(StatusCode::BAD_GATEWAY), answer.body),
            Err(error) => {
                tracing::error!(%error, "the export API gave no answer");
                let body = xml::error(Fault::Receiver, "ServiceUnavailable", &error.to_string(), "endpoint");
                (StatusCode::SERVICE_UNAVAILABLE, body)
            }
        };
        document(status, body)
    }

    async fn invoke(&self, body: &[u8]) -> Result<FunctionResponse, InvokeError> {
        let event = json!({
            "version": "2.0",
            "requestContext": {"http": {"method": "POST", "path": "/"}},
            "body": BASE64_STANDARD.encode(body),
            "isBase64Encoded": true,
        });
        let call = self.client.invoke().function_name(&self.function).payload(Blob::new(event.to_string()));
        let called = call.send().await.map_err(|e| InvokeError::Invoke(DisplayErrorContext(&e).to_string()))?;
        let payload = called.payload.map(Blob::into_inner).unwrap_or_default();
        if called.function_error.is_some() {
            return Err(InvokeError::Function(String::from_utf8_lossy(&payload).into_owned()));
        }
        Ok(serde_json::from_slice(&payload)?)
    }
}

/// Returns whether a request comes from an AWS client and not from an open web page. A web page can
/// send forms to loopback ports, but it can neither sign them nor hide its origin.
pub fn is_from_aws_client(headers: &HeaderMap) -> bool {
    let signed =
        headers.get(AUTHORIZATION).and_then(|a| a.to_str().ok()).is_some_and(|a| a.starts_with("AWS4-HMAC-SHA256 "));
    signed && !headers.contains_key(ORIGIN)
}

/// Returns the answer to a request that does not come from an AWS client.
pub fn refusal() -> Response<Body> {
    let message = "Request is missing Authentication Token";
    document(StatusCode::FORBIDDEN, xml::error(Fault::Sender, "MissingAuthenticationToken", message, "endpoint"))
}

/// Returns the answer to a body that is larger than any request of the API.
fn too_large() -> Response<Body> {
    let document = xml::error(Fault::Sender, "RequestEntityTooLarge", "The request body is too large.", "endpoint");
    self::document(StatusCode::PAYLOAD_TOO_LARGE, document)
}

fn document(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(xml::CONTENT_TYPE));
    response
}

/// Serves the API on `listen` until the process ends. Prints the address on standard output.
///
/// # Errors
/// When the address is not a loopback address or is in use.
pub async fn serve(listen: SocketAddr, api: ExportApi) -> std::io::Result<()> {
    if !listen.ip().is_loopback() {
        let message = "the endpoint checks no signatures, so it listens on loopback addresses only";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
    }
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("export AWS_ENDPOINT_URL_RDS=http://{}", listener.local_addr()?);
    let answer = |State(api): State<Arc<ExportApi>>, headers: HeaderMap, body: Result<Bytes, BytesRejection>| async move {
        match body {
            _ if !is_from_aws_client(&headers) => refusal(),
            Ok(body) => api.answer(&body).await,
            Err(_) => too_large(),
        }
    };
    let router = Router::new()
        .fallback(answer)
        // The function itself refuses what is too large by AWS's rules. This limit only bounds
        // memory.
        .layer(DefaultBodyLimit::max(rds_query::MAX_BODY + 1))
        .with_state(Arc::new(api));
    axum::serve(listener, router).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_pages_are_refused() {
        let mut headers = HeaderMap::new();
        assert!(!is_from_aws_client(&headers));
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=test/20261121/us-west-2/rds/aws4_request"),
        );
        assert!(is_from_aws_client(&headers));
        headers.insert(ORIGIN, HeaderValue::from_static("https://example.com"));
        assert!(!is_from_aws_client(&headers));
    }
}
