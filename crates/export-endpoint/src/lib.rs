//! The export API on a loopback port. The AWS CLI and SDKs sign requests for the service `rds`, which nobody but AWS can
//! verify; so this endpoint takes them on loopback only and hands them to the `export-api` function with the credentials of
//! whoever runs it. IAM decides then, by `lambda:InvokeFunction`, and nothing is public.

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

/// What a function behind HTTP answers, as far as `export-api` uses it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    body: String,
}

/// Why a request got no answer of the API.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("The export-api function can't be invoked: {0}")]
    Invoke(String),
    #[error("The export-api function failed: {0}")]
    Function(String),
    #[error("The export-api function gave no HTTP answer: {0}")]
    Shape(#[from] serde_json::Error),
}

impl ExportApi {
    /// The function of that name, called with the client's credentials.
    pub fn new(client: Client, function: String) -> Self {
        Self { client, function }
    }

    /// Hands one request's body over and returns the answer, always a document of the RDS Query protocol.
    pub async fn answer(&self, body: &[u8]) -> Response<Body> {
        let (status, body) = match self.invoke(body).await {
            Ok(answer) => (StatusCode::from_u16(answer.status_code).unwrap_or(StatusCode::BAD_GATEWAY), answer.body),
            Err(error) => {
                tracing::error!(%error, "no answer");
                let body = xml::error(Fault::Receiver, "ServiceUnavailable", &error.to_string(), "endpoint");
                (StatusCode::SERVICE_UNAVAILABLE, body)
            }
        };
        document(status, body)
    }

    async fn invoke(&self, body: &[u8]) -> Result<Answer, Unanswered> {
        let event = json!({
            "version": "2.0",
            "requestContext": {"http": {"method": "POST", "path": "/"}},
            "body": BASE64_STANDARD.encode(body),
            "isBase64Encoded": true,
        });
        let call = self.client.invoke().function_name(&self.function).payload(Blob::new(event.to_string()));
        let called = call.send().await.map_err(|e| Unanswered::Invoke(DisplayErrorContext(&e).to_string()))?;
        let payload = called.payload.map(Blob::into_inner).unwrap_or_default();
        if called.function_error.is_some() {
            return Err(Unanswered::Function(String::from_utf8_lossy(&payload).into_owned()));
        }
        Ok(serde_json::from_slice(&payload)?)
    }
}

/// Whether a request comes from an AWS client rather than from a web page somebody has open: those can send forms to
/// loopback ports, but neither sign them nor hide where they come from.
pub fn is_from_aws_client(headers: &HeaderMap) -> bool {
    let signed =
        headers.get(AUTHORIZATION).and_then(|a| a.to_str().ok()).is_some_and(|a| a.starts_with("AWS4-HMAC-SHA256 "));
    signed && !headers.contains_key(ORIGIN)
}

/// The answer to any other request.
pub fn refusal() -> Response<Body> {
    let message = "Request is missing Authentication Token";
    document(StatusCode::FORBIDDEN, xml::error(Fault::Sender, "MissingAuthenticationToken", message, "endpoint"))
}

/// The answer to a body that no request of the API has.
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

/// Serves the API on `listen` until the process ends; says on standard output where.
///
/// # Errors
/// When the address is not loopback or is taken.
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
        // The function answers for what is too large by AWS's rules; this only keeps memory bounded.
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
