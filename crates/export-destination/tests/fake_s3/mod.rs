//! As much of S3 as the sink calls: PutObject and the four multipart operations, with faults on request.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use export_destination::{Destination, S3Destination};

pub const KEY_ID: &str = "arn:aws:kms:us-east-1:111122223333:key/k";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    pub operation: &'static str,
    pub key: String,
    pub part: Option<u32>,
    pub headers: HeaderMap,
    pub bytes: usize,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |v| v.to_str().unwrap())
    }
}

type Fault = Box<dyn Fn(&Call) -> Option<(u16, &'static str)> + Send + Sync>;

#[derive(Default)]
pub struct Bucket {
    pub calls: Vec<Call>,
    pub objects: HashMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    fault: Option<Fault>,
    parts_now: usize,
    /// The most parts that were under way at once.
    pub parts_at_once: usize,
}

#[derive(Clone)]
pub struct FakeS3 {
    bucket: Arc<Mutex<Bucket>>,
    address: String,
}

impl FakeS3 {
    /// Serves until the test's runtime ends.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3 = Self { bucket: Arc::default(), address: format!("http://{}", listener.local_addr().unwrap()) };
        let app = axum::Router::new().fallback(serve).with_state(s3.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        s3
    }

    /// Answers matching requests with a status and an error code.
    pub fn fail(&self, fault: impl Fn(&Call) -> Option<(u16, &'static str)> + Send + Sync + 'static) {
        self.lock().fault = Some(Box::new(fault));
    }

    pub fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap()
    }

    pub fn operations(&self) -> Vec<&'static str> {
        self.lock().calls.iter().map(|c| c.operation).collect()
    }

    pub fn open_uploads(&self) -> usize {
        self.lock().uploads.len()
    }

    pub fn destination(&self) -> Destination {
        Destination::S3(S3Destination {
            client: client(&self.address),
            bucket: "exports".into(),
            kms_key_id: KEY_ID.into(),
        })
    }
}

pub fn client(address: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(address)
        .force_path_style(true)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

async fn serve(State(s3): State<FakeS3>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let query: HashMap<_, _> = head
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let upload = query.get("uploadId").map(|id| (*id).to_owned());
    let part = query.get("partNumber").map(|n| n.parse().unwrap());
    let operation = match (&head.method, &upload, part) {
        (&Method::PUT, None, None) => "PutObject",
        (&Method::POST, None, None) if query.contains_key("uploads") => "CreateMultipartUpload",
        (&Method::PUT, Some(_), Some(_)) => "UploadPart",
        (&Method::POST, Some(_), None) => "CompleteMultipartUpload",
        (&Method::DELETE, Some(_), None) => "AbortMultipartUpload",
        _ => panic!("not an operation of the sink: {} {}", head.method, head.uri),
    };
    let call = Call {
        operation,
        key: head.uri.path().strip_prefix("/exports/").unwrap().to_owned(),
        part,
        headers: head.headers,
        bytes: body.len(),
    };
    if operation == "UploadPart" {
        {
            let mut bucket = s3.lock();
            bucket.parts_now += 1;
            bucket.parts_at_once = bucket.parts_at_once.max(bucket.parts_now);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        s3.lock().parts_now -= 1;
    }
    s3.lock().answer(call, upload.as_deref(), body)
}

impl Bucket {
    fn answer(&mut self, call: Call, upload: Option<&str>, body: Bytes) -> Response {
        self.calls.push(call.clone());
        if let Some((status, code)) = self.fault.as_ref().and_then(|fault| fault(&call)) {
            return error(status, code);
        }
        let id = upload.unwrap_or_default();
        match call.operation {
            "PutObject" => {
                self.objects.insert(call.key, body);
                [("etag", "\"object\"")].into_response()
            }
            "CreateMultipartUpload" => {
                let id = format!("upload-{}", self.calls.len());
                self.uploads.insert(id.clone(), BTreeMap::new());
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
                    .into_response()
            }
            _ if !self.uploads.contains_key(id) => error(404, "NoSuchUpload"),
            "UploadPart" => {
                let part = call.part.unwrap();
                self.uploads.get_mut(id).unwrap().insert(part, body);
                let checksum = call.header("x-amz-checksum-crc32").to_owned();
                [("etag", format!("\"part-{part}\"")), ("x-amz-checksum-crc32", checksum)].into_response()
            }
            "CompleteMultipartUpload" => {
                let parts = self.uploads.remove(id).unwrap();
                let named = String::from_utf8(body.to_vec()).unwrap();
                let numbers: Vec<u32> = named
                    .split("<PartNumber>")
                    .skip(1)
                    .map(|rest| rest.split('<').next().unwrap().parse().unwrap())
                    .collect();
                assert_eq!(numbers, parts.keys().copied().collect::<Vec<_>>());
                assert_eq!(named.matches("<ChecksumCRC32>").count(), numbers.len());
                let object: Vec<u8> = parts.into_values().flatten().collect();
                self.objects.insert(call.key, object.into());
                "<CompleteMultipartUploadResult/>".into_response()
            }
            _ => {
                self.uploads.remove(id);
                StatusCode::NO_CONTENT.into_response()
            }
        }
    }
}

fn error(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body = format!("<Error><Code>{code}</Code><Message>as the test asked</Message></Error>");
    (status, body).into_response()
}
