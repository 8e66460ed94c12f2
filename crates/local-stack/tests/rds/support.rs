//! Starts a control plane with a stand-in for Secrets Manager, and connects to its servers.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use local_stack::rds::{self, Config, Server};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The secrets by name.
pub(crate) type Secrets = Arc<Mutex<BTreeMap<String, String>>>;

/// A running control plane.
pub(crate) struct Stack {
    /// A client of the control plane that does not retry.
    pub rds: aws_sdk_rds::Client,
    /// The secrets that the control plane stores in Secrets Manager.
    pub secrets: Secrets,
    /// The directory with the data of the servers.
    pub data_dir: PathBuf,
    server: Server,
}

impl Stack {
    /// Starts a control plane on a free port.
    pub(crate) async fn start() -> Self {
        let data_dir = PathBuf::from(format!("/var/tmp/rds-test-{}", uuid::Uuid::new_v4().simple()));
        let secrets = Secrets::default();
        let store = secrets_manager(Arc::clone(&secrets)).await;
        let http = Builder::new().build_http();
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-west-2"))
            .credentials_provider(aws_sdk_rds::config::SharedCredentialsProvider::new(Credentials::for_tests()))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .http_client(http)
            .build();
        let client = config.to_builder().endpoint_url(store).build();
        let server = rds::serve(Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: data_dir.clone(),
            ca_dir: data_dir.join("ca"),
            account: "111122223333".to_owned(),
            region: "us-west-2".to_owned(),
            postgres_bin: None,
            delay: Duration::from_millis(100),
            secrets: Some(aws_sdk_secretsmanager::Client::new(&client)),
            export_tasks: Some(Arc::new(|_, body| Box::pin(async move { export_tasks(&body) }))),
        })
        .await
        .unwrap();
        let client = config.to_builder().endpoint_url(format!("http://{}", server.addr())).build();
        Self { rds: aws_sdk_rds::Client::new(&client), secrets, data_dir, server }
    }

    /// Returns the certificate authority of the servers.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.server.ca_file().to_owned()
    }

    /// Posts JSON to a path outside the RDS protocol.
    pub(crate) async fn post(&self, path: &str, body: &str) {
        let addr = self.server.addr();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = tokio::task::spawn_blocking(move || -> io::Result<String> {
            let mut stream = TcpStream::connect(addr)?;
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        let answer = answer.await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    /// Shuts down and asserts that nothing is left.
    pub(crate) async fn stop(self) {
        self.server.shutdown().await.unwrap();
        assert!(processes_in(&self.data_dir).is_empty());
        std::fs::remove_dir_all(self.data_dir.join("ca")).unwrap();
        std::fs::remove_dir(&self.data_dir).unwrap();
    }
}

/// Responds to `DescribeExportTasks` with the requested task.
fn export_tasks(body: &[u8]) -> Response {
    let request = rds_query::Request::parse(body).unwrap();
    let answer = rds_query::xml::response(request.action(), "r", |result| {
        result.child("ExportTasks", |tasks| {
            tasks.child("ExportTask", |task| {
                task.maybe("ExportTaskIdentifier", request.get("ExportTaskIdentifier"));
            });
        });
    });
    answer.into_response()
}

/// Starts a stand-in for Secrets Manager with the operations that are called. Returns its URL.
async fn secrets_manager(secrets: Secrets) -> String {
    let call = move |headers: HeaderMap, body: Bytes| async move {
        let input: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let mut secrets = secrets.lock().unwrap();
        if headers["x-amz-target"].to_str().unwrap().ends_with(".CreateSecret") {
            let name = input["Name"].as_str().unwrap();
            secrets.insert(name.to_owned(), input["SecretString"].as_str().unwrap().to_owned());
            serde_json::json!({ "ARN": name, "Name": name }).to_string()
        } else {
            secrets.remove(input["SecretId"].as_str().unwrap()).unwrap();
            "{}".to_owned()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(call))).await });
    url
}

/// Connects with TLS and verifies the certificate of the server.
pub(crate) async fn connect(
    stack: &Stack,
    port: u16,
    database: &str,
    user: &str,
    password: &str,
) -> Result<Client, tokio_postgres::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(stack.server.ca_file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = MakeRustlsConnect::new(tls.with_root_certificates(roots).with_no_client_auth());
    let (client, connection) = login(port, database, user, password).ssl_mode(SslMode::Require).connect(tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Connects without TLS.
pub(crate) async fn connect_without_tls(
    port: u16,
    database: &str,
    user: &str,
    password: &str,
) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = login(port, database, user, password).ssl_mode(SslMode::Disable).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn login(port: u16, database: &str, user: &str, password: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).dbname(database).user(user).password(password);
    config
}

/// Returns the servers that run in a data directory.
pub(crate) fn processes_in(data_dir: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut found = Vec::new();
    for process in processes {
        let cwd = std::fs::read_link(process.path().join("cwd"));
        let command = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        if cwd.is_ok_and(|cwd| cwd.starts_with(data_dir)) && (command.contains("-D") || command.contains("my.cnf")) {
            found.push(command);
        }
    }
    found
}
