//! The export task actions of the RDS endpoint: handed to the export-api function, as its HTTP front does on AWS.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::deploy::STACK;
use crate::ministack::sdk_config;
use crate::rds::ExportTasks;

/// What a function behind HTTP answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    body: String,
}

/// Hands requests to the function deployed at an endpoint.
pub(crate) fn forward(endpoint: &str) -> ExportTasks {
    let client = Client::new(&sdk_config(endpoint));
    Arc::new(move |headers, body| {
        let client = client.clone();
        Box::pin(async move {
            match invoke(&client, &headers, &body).await {
                Ok(answer) => response(answer),
                Err(reason) => plain(StatusCode::BAD_GATEWAY, reason),
            }
        })
    })
}

async fn invoke(client: &Client, headers: &HeaderMap, body: &Bytes) -> Result<Answer, String> {
    let headers: HashMap<&str, &str> =
        headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let event = json!({
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {"http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}},
        "body": String::from_utf8_lossy(body),
        "isBase64Encoded": false,
    });
    let called =
        client.invoke().function_name(format!("{STACK}-export-api")).payload(Blob::new(event.to_string())).send().await;
    let called = called.map_err(|error| format!("export-api was not reached: {error:?}"))?;
    let payload = called.payload.map(Blob::into_inner).unwrap_or_default();
    if called.function_error.is_some() {
        return Err(format!("export-api failed: {}", String::from_utf8_lossy(&payload)));
    }
    serde_json::from_slice(&payload)
        .map_err(|error| format!("export-api did not answer as a function behind HTTP does: {error}"))
}

fn response(answer: Answer) -> Response<Body> {
    let mut builder = Response::builder().status(answer.status_code);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(Body::from(answer.body)).unwrap_or_else(|error| plain(StatusCode::BAD_GATEWAY, error.to_string()))
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
