//! What the tests of the functions share: SDK clients that send their requests to a script instead
//! of the network, and a task.
//!
//! The script sees requests as they would be sent, and answers as AWS would. So a test covers the
//! decisions of the code and also what it writes into its requests.
//!
//! The test utilities of the SDK itself are not used: their features differ from those of the
//! deployed functions, so every SDK crate would be compiled a second time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use export_task::request::StartExportTask;
use export_task::task::ExportTask;
use serde_json::{Map, Value, json};

/// A request of an SDK client.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation, such as `GetItem`. REST services have method and path instead, such as
    /// `GET /bucket/key`.
    pub operation: String,
    /// The body.
    pub body: String,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Json,
    Query,
    S3,
}

impl Call {
    /// Returns the body as JSON, or `null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Success, with this body.
    Body(String),
    /// An error of the service: the HTTP status and the code.
    Error(u16, &'static str),
    /// An error of a service with JSON documents, with this body.
    ErrorBody(Value),
    /// Success with an error of the called Lambda function.
    FunctionError(String),
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self::Body(body.to_string())
    }
}

type Script = Box<dyn FnMut(&Call) -> Answer + Send>;

/// A script and the calls that it has answered.
#[derive(Clone)]
pub struct Replay {
    script: Arc<Mutex<Script>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Replay {
    /// Returns a replay of `script`.
    pub fn new(script: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        Self { script: Arc::new(Mutex::new(Box::new(script))), calls: Arc::default() }
    }

    /// Returns a configuration whose clients send their requests to the script. They do not retry.
    pub fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("test", "test", None, None, "aws-replay");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .endpoint_url("http://replay.invalid")
            .http_client(self.clone())
            .build()
    }

    /// Returns the calls of an operation so far.
    pub fn calls(&self, operation: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|call| call.operation == operation).cloned().collect()
    }

    /// Returns the operations of all calls so far.
    pub fn operations(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|call| call.operation.clone()).collect()
    }

    fn answer(&self, call: Call) -> Answer {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script(&call)
    }
}

impl HttpClient for Replay {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = read(&request);
        let protocol = call.protocol;
        HttpConnectorFuture::ready(respond(protocol, self.answer(call)))
    }
}

fn read(request: &HttpRequest) -> Call {
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let path = request.uri().split_once("replay.invalid").map_or("", |(_, path)| path);
    let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let action = body.strip_prefix("Action=").and_then(|form| form.split('&').next());
    let operation = match target.or(action) {
        Some(operation) => operation.to_owned(),
        None => format!("{} {}", request.method(), path.split('?').next().unwrap_or(path)),
    };
    let protocol = if target.is_some() || path.starts_with("/2015-03-31/functions/") {
        Protocol::Json
    } else if action.is_some() {
        Protocol::Query
    } else {
        Protocol::S3
    };
    Call { operation, body, protocol }
}

fn respond(protocol: Protocol, answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let (status, body, header) = match answer {
        Answer::Body(body) => (200, body, None),
        Answer::FunctionError(body) => (200, body, Some(("x-amz-function-error", "Unhandled"))),
        Answer::ErrorBody(body) => (400, body.to_string(), None),
        Answer::Error(status, code) => {
            let xml = format!("<Error><Code>{code}</Code><Message>replayed</Message></Error>");
            match protocol {
                Protocol::Json => {
                    let body = json!({"__type": code, "message": "replayed"}).to_string();
                    (status, body, Some(("x-amzn-errortype", code)))
                }
                Protocol::Query => (status, format!("<ErrorResponse>{xml}</ErrorResponse>"), None),
                Protocol::S3 => (status, xml, None),
            }
        }
    };
    let status = status.try_into().map_err(|e| ConnectorError::other(Box::new(e), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// Returns the request of the task `t`.
pub fn request() -> Value {
    json!({
        "ExportTaskIdentifier": "t",
        "SourceArn": "arn:aws:rds:us-east-1:111122223333:cluster:source",
        "S3BucketName": "bucket",
        "IamRoleArn": "arn:aws:iam::111122223333:role/export",
        "KmsKeyId": "key",
    })
}

/// Returns the task `t`, admitted for the execution `arn:execution` in 1970.
#[expect(clippy::expect_used, reason = "the request above is valid")]
pub fn task() -> ExportTask {
    let request = StartExportTask::from_json(request()).and_then(StartExportTask::validate);
    ExportTask::new(request.expect("a valid request"), "arn:execution".into(), 0)
}

/// Answers a call as a task table that holds `task`, which is open. Writes succeed and change
/// nothing.
///
/// # Panics
/// If the call is not for a task table. So every call that a script does not expect fails its test.
pub fn task_table(call: &Call, task: &ExportTask) -> Answer {
    let id = &task.request.export_task_identifier;
    match call.operation.as_str() {
        "GetItem" if call.json()["Key"]["Id"]["S"] == id.as_str() => {
            json!({"Item": item(&serde_json::to_value(task).unwrap_or_default())}).into()
        }
        "GetItem" | "UpdateItem" | "TransactWriteItems" => json!({}).into(),
        "Query" => json!({"Items": [{"Kind": {"S": "OPEN"}, "Id": {"S": id}}], "Count": 1}).into(),
        _ => panic!("unexpected call: {call:?}"),
    }
}

/// Returns a document as the attributes of a DynamoDB item.
fn item(document: &Value) -> Value {
    fn attribute(value: &Value) -> Value {
        match value {
            Value::Null => json!({"NULL": true}),
            Value::Bool(b) => json!({"BOOL": b}),
            Value::Number(n) => json!({"N": n.to_string()}),
            Value::String(s) => json!({"S": s}),
            Value::Array(list) => json!({"L": list.iter().map(attribute).collect::<Vec<_>>()}),
            Value::Object(map) => json!({"M": attributes(map)}),
        }
    }
    fn attributes(map: &Map<String, Value>) -> Map<String, Value> {
        map.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
    }
    document.as_object().map(attributes).unwrap_or_default().into()
}
