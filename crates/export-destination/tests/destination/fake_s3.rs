//! A small S3 server with the operations that a destination calls. Tests can make requests fail.
//! The tests of the crate `parquet-sink` use it too.

#![allow(dead_code, reason = "two test binaries share this file, and each uses a part of it")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use export_destination::{Destination, S3Destination};

/// The header that carries an object's owner.
const OWNER: &str = "x-amz-meta-aurora-export-owner";

/// Entries in one page of a listing. S3 returns up to 1,000. A small number makes tests cross
/// pages.
const PAGE: usize = 2;

pub(crate) const KEY_ID: &str = "arn:aws:kms:us-east-1:111122223333:key/k";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub operation: &'static str,
    pub key: String,
    pub part: Option<u32>,
    pub headers: HeaderMap,
    pub bytes: usize,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |v| v.to_str().unwrap())
    }
}

type Fault = Box<dyn Fn(&Call) -> Option<(u16, &'static str)> + Send + Sync>;

/// A multipart upload that is neither completed nor aborted.
struct Upload {
    key: String,
    parts: BTreeMap<u32, Bytes>,
}

#[derive(Default)]
pub(crate) struct Bucket {
    pub calls: Vec<Call>,
    pub objects: BTreeMap<String, Bytes>,
    /// The value of the header that names an object's owner, by key.
    owners: HashMap<String, HeaderValue>,
    uploads: BTreeMap<String, Upload>,
    fault: Option<Fault>,
    parts_now: usize,
    /// Largest number of parts that were uploaded at once.
    pub parts_at_once: usize,
}

#[derive(Clone)]
pub(crate) struct FakeS3 {
    bucket: Arc<Mutex<Bucket>>,
    address: String,
}

impl FakeS3 {
    /// Starts a server that runs until the runtime of the test ends.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3 = Self { bucket: Arc::default(), address: format!("http://{}", listener.local_addr().unwrap()) };
        let app = axum::Router::new().fallback(serve).with_state(s3.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        s3
    }

    /// Makes requests fail for which `fault` returns a status and an error code.
    pub(crate) fn fail(&self, fault: impl Fn(&Call) -> Option<(u16, &'static str)> + Send + Sync + 'static) {
        self.lock().fault = Some(Box::new(fault));
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap()
    }

    pub(crate) fn operations(&self) -> Vec<&'static str> {
        self.lock().calls.iter().map(|c| c.operation).collect()
    }

    pub(crate) fn open_uploads(&self) -> usize {
        self.lock().uploads.len()
    }

    pub(crate) fn destination(&self) -> Destination {
        Destination::S3(S3Destination {
            client: client(&self.address),
            bucket: "exports".into(),
            kms_key_id: KEY_ID.into(),
        })
    }
}

pub(crate) fn client(address: &str) -> Client {
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
    let query = head.uri.query().unwrap_or_default().split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // The tests use no other character that clients escape.
        (name.to_owned(), value.replace("%2F", "/"))
    });
    let query: HashMap<String, String> = query.collect();
    let has = |name| query.contains_key(name);
    let operation = match (head.method.as_str(), head.uri.path().strip_prefix("/exports/").unwrap_or_default()) {
        ("GET", "") if has("uploads") => "ListMultipartUploads",
        ("GET", "") if has("list-type") => "ListObjectsV2",
        ("GET", _) => "GetObject",
        ("HEAD", _) => "HeadObject",
        ("PUT", _) if has("partNumber") => "UploadPart",
        ("PUT", _) => "PutObject",
        ("POST", _) if has("uploads") => "CreateMultipartUpload",
        ("POST", _) => "CompleteMultipartUpload",
        ("DELETE", _) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", _) => "DeleteObject",
        _ => panic!("not an operation of a destination: {} {}", head.method, head.uri),
    };
    let call = Call {
        operation,
        key: head.uri.path().strip_prefix("/exports/").unwrap_or_default().to_owned(),
        part: query.get("partNumber").map(|number| number.parse().unwrap()),
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
    s3.lock().answer(call, &query, body)
}

impl Bucket {
    fn answer(&mut self, call: Call, query: &HashMap<String, String>, body: Bytes) -> Response {
        self.calls.push(call.clone());
        if let Some((status, code)) = self.fault.as_ref().and_then(|fault| fault(&call)) {
            return error(status, code);
        }
        let value = |name: &str| query.get(name).map_or("", String::as_str);
        let id = value("uploadId");
        match call.operation {
            "PutObject" if call.headers.contains_key("if-none-match") && self.objects.contains_key(&call.key) => {
                error(412, "PreconditionFailed")
            }
            "PutObject" => {
                self.owners.remove(&call.key);
                if let Some(owner) = call.headers.get(OWNER) {
                    self.owners.insert(call.key.clone(), owner.clone());
                }
                self.objects.insert(call.key, body);
                [("etag", "\"object\"")].into_response()
            }
            "GetObject" | "HeadObject" => {
                let Some(object) = self.objects.get(&call.key) else { return error(404, "NoSuchKey") };
                let mut response = object.clone().into_response();
                if let Some(owner) = self.owners.get(&call.key) {
                    response.headers_mut().insert(OWNER, owner.clone());
                }
                response
            }
            "DeleteObject" => {
                self.objects.remove(&call.key);
                StatusCode::NO_CONTENT.into_response()
            }
            "ListObjectsV2" => self.list_objects(value("prefix"), value("continuation-token")).into_response(),
            "ListMultipartUploads" => self.list_uploads(value("prefix"), value("upload-id-marker")).into_response(),
            "CreateMultipartUpload" => {
                let id = format!("upload-{}", self.calls.len());
                self.uploads.insert(id.clone(), Upload { key: call.key, parts: BTreeMap::new() });
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")
                    .into_response()
            }
            _ if !self.uploads.contains_key(id) => error(404, "NoSuchUpload"),
            "UploadPart" => {
                let part = call.part.unwrap();
                self.uploads.get_mut(id).unwrap().parts.insert(part, body);
                let checksum = call.header("x-amz-checksum-crc32").to_owned();
                [("etag", format!("\"part-{part}\"")), ("x-amz-checksum-crc32", checksum)].into_response()
            }
            "CompleteMultipartUpload" => {
                let parts = self.uploads.remove(id).unwrap().parts;
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

    fn list_objects(&self, prefix: &str, after: &str) -> String {
        let keys = self.objects.keys().filter(|key| key.starts_with(prefix) && key.as_str() > after);
        let keys: Vec<_> = keys.take(PAGE + 1).collect();
        let page = &keys[..keys.len().min(PAGE)];
        let next = page.last().filter(|_| keys.len() > PAGE);
        let next = next.map(|key| format!("<NextContinuationToken>{key}</NextContinuationToken>"));
        let contents = page.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>"));
        document("ListBucketResult", next, contents.collect())
    }

    fn list_uploads(&self, prefix: &str, after: &str) -> String {
        let uploads = self.uploads.iter().filter(|(id, upload)| upload.key.starts_with(prefix) && id.as_str() > after);
        let uploads: Vec<_> = uploads.take(PAGE + 1).map(|(id, upload)| (id, &upload.key)).collect();
        let page = &uploads[..uploads.len().min(PAGE)];
        let next = page.last().filter(|_| uploads.len() > PAGE);
        let next = next.map(|(id, key)| {
            format!("<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>")
        });
        let entries =
            page.iter().map(|(id, key)| format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId></Upload>"));
        document("ListMultipartUploadsResult", next, entries.collect())
    }
}

fn document(root: &str, next: Option<String>, entries: String) -> String {
    let (truncated, next) = (next.is_some(), next.unwrap_or_default());
    format!("<{root}><IsTruncated>{truncated}</IsTruncated>{next}{entries}</{root}>")
}

fn error(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body = format!("<Error><Code>{code}</Code><Message>injected by the test</Message></Error>");
    (status, body).into_response()
}
