//! The local cloud, ministack. It provides every AWS service that the stack uses except RDS.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};
use tokio::process::{Child, Command};

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::process;

/// The account of all local resources.
pub const ACCOUNT: &str = "111122223333";
/// The Region of all local resources.
pub const REGION: &str = "us-west-2";
/// The access key ID and the secret access key of the local cloud's root user.
pub const CREDENTIALS: (&str, &str) = ("test", "test");

/// The factor for waits of the workflow: 15 s become 0.3 s.
const WAIT_SCALE: &str = "0.02";
/// The maximum time until ministack answers.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Returns a port that nobody listens on.
///
/// # Errors
///
/// Returns an error if the system has no free port.
pub fn free_port() -> Result<u16> {
    let refused = |source| Error::System { resource: "a free port", source };
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?.local_addr().map_err(refused)?.port())
}

/// Starts the local cloud and waits until it answers. Must be called within a Tokio runtime.
///
/// # Errors
///
/// Returns an error if the local cloud cannot be started or does not answer.
pub fn start(layout: &Layout, port: u16, rds: SocketAddr) -> Result<Child> {
    let scratch = layout.state_dir.join("tmp");
    let log = layout.log("ministack");
    fs::create_dir_all(&scratch).map_err(Error::file(&scratch))?;
    let output = File::create(&log).map_err(Error::file(&log))?;
    let errors = output.try_clone().map_err(Error::file(&log))?;

    let mut command = std::process::Command::new(layout.venv().join("bin/ministack"));
    // The functions inherit this environment, so it has only the variables that they need.
    command.env_clear().envs([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("BIND_HOST", "127.0.0.1"),
        ("MINISTACK_ACCOUNT_ID", ACCOUNT),
        ("MINISTACK_REGION", REGION),
        ("AUTH", "true"),
        ("IOT_MTLS_ENABLED", "0"),
        ("SFTP_ENABLED", "0"),
        ("SFN_WAIT_SCALE", WAIT_SCALE),
    ]);
    command.env("GATEWAY_PORT", port.to_string());
    command.env("AWS_ENDPOINT_URL", endpoint(port));
    command.env("AWS_ENDPOINT_URL_RDS", format!("http://{rds}"));
    command.env("HOME", &scratch).env("TMPDIR", &scratch);
    process::mark(&mut command, layout);
    // A separate process group keeps a Ctrl-C in the terminal away from ministack.
    command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Run { program: "ministack".to_owned(), source })?;

    let up = process::wait_until(START_TIMEOUT, || healthy(port) || !matches!(child.try_wait(), Ok(None)));
    if up && healthy(port) {
        return Ok(child);
    }
    Err(Error::NotReady { service: "ministack", seconds: START_TIMEOUT.as_secs(), log })
}

/// Returns the endpoint URL of the local cloud.
#[must_use]
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Returns the SDK configuration for clients of the local cloud.
pub fn sdk_config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new(CREDENTIALS.0, CREDENTIALS.1, None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// Returns whether the local cloud answers.
pub(crate) fn healthy(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(&status == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
