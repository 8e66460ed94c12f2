//! Raw HTTP requests, for tests that no AWS client could express.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Env;

/// A running `aurora-export endpoint` for a stack. Dropping this stops it.
pub(crate) struct Endpoint {
    process: Child,
    address: String,
}

impl Endpoint {
    pub(crate) fn start(env: &Env) -> Self {
        let mut process = env.aurora_export().arg("endpoint").stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut printed).unwrap();
        let address = printed.trim().strip_prefix("export AWS_ENDPOINT_URL_RDS=http://").unwrap().to_owned();
        Self { process, address }
    }

    /// Sends a body unchanged. Returns the HTTP status and the document of the response.
    pub(crate) async fn post(&self, body: &[u8]) -> (u16, String) {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may close the connection before it has read a body that it refuses.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.get(9..12).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"));
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Posts a document to the control interface of the local RDS control plane, which changes how it
/// behaves.
pub(crate) fn control(env: &Env, path: &str, document: &serde_json::Value) {
    use std::io::{Read, Write};
    let address = env.var("AWS_ENDPOINT_URL_RDS").strip_prefix("http://").unwrap();
    let body = document.to_string();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /_control/{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

/// Returns the text of an XML element that occurs once.
pub(crate) fn element<'a>(document: &'a str, name: &str) -> &'a str {
    let inside = document.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    inside.unwrap_or_else(|| panic!("no {name} in {document}")).0
}

/// Returns a form body with these parameters, percent-encoded as clients encode them.
pub(crate) fn form<N: AsRef<str>, V: AsRef<str>>(parameters: &[(N, V)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect()
    };
    let pairs = parameters.iter().map(|(name, value)| format!("{}={}", encode(name.as_ref()), encode(value.as_ref())));
    pairs.collect::<Vec<_>>().join("&")
}
