//! HTTP events (payload format 2.0 of Function URLs and HTTP APIs) and their answers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use export_aws::StepError;
use serde_json::{Value, json};

use crate::{Deps, actions, api_code, query};

/// Returns whether an event is an HTTP request rather than a direct invocation.
pub fn is_http(event: &Value) -> bool {
    event.get("requestContext").is_some()
}

/// Answers an HTTP event. Every error becomes an error document.
pub async fn answer(deps: &Deps, event: &Value) -> Value {
    let request_id = uuid::Uuid::new_v4().to_string();
    let (status, body) = match respond(deps, event, &request_id).await {
        Ok(xml) => (200, xml),
        Err(error) => {
            let (code, message, status) = api_code(&error);
            if status >= 500 {
                tracing::error!(request_id, error = error.chain(), "request failed");
            }
            (status, query::render_error(code, &message, status, &request_id))
        }
    };
    json!({
        "statusCode": status,
        "headers": {"content-type": "text/xml", "x-amzn-requestid": request_id},
        "body": body,
        "isBase64Encoded": false,
    })
}

async fn respond(deps: &Deps, event: &Value, request_id: &str) -> Result<String, StepError> {
    let request = rds_query::Request::parse(&body(event)).map_err(|e| query::parse_error(&e))?;
    let operation = query::parse(&request)?;
    let outcome = actions::perform(deps, operation).await?;
    Ok(query::render(request.action(), request_id, &outcome))
}

/// Returns the body of an event. Forms arrive base64-encoded. A body that contradicts its flag is
/// treated as empty, which the parser refuses.
fn body(event: &Value) -> Vec<u8> {
    let text = event["body"].as_str().unwrap_or_default();
    if event["isBase64Encoded"].as_bool().unwrap_or_default() {
        return BASE64_STANDARD.decode(text).unwrap_or_default();
    }
    text.as_bytes().to_vec()
}
