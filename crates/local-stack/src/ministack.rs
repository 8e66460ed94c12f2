//! The local cloud: every AWS service the stack uses but RDS.

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

/// The account everything local belongs to.
pub const ACCOUNT: &str = "111122223333";
/// The region everything local is in.
pub const REGION: &str = "us-west-2";
/// Its key id and its secret: the local cloud's root.
pub const CREDENTIALS: (&str, &str) = ("test", "test");

/// What waits of the workflow are multiplied by: 15 s become 0.3 s.
const WAIT_SCALE: &str = "0.02";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port nobody listens on.
///
/// # Errors
///
/// When the system has none.
pub fn free_port() -> Result<u16> {
    let refused = |source| Error::System { what: "a free port", source };
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(refused)?.local_addr().map_err(refused)?.port())
}

/// Starts the local cloud and waits until it answers. Must be called within a runtime.
///
/// # Errors
///
/// When it cannot be started, or does not answer.
pub fn start(layout: &Layout, port: u16, rds: SocketAddr) -> Result<Child> {
    let scratch = layout.state_dir.join("tmp");
    let log = layout.log("ministack");
    fs::create_dir_all(&scratch).map_err(Error::file(&scratch))?;
    let output = File::create(&log).map_err(Error::file(&log))?;
    let errors = output.try_clone().map_err(Error::file(&log))?;

    let mut command = std::process::Command::new(layout.venv().join("bin/ministack"));
    // The functions inherit all of its environment, so it gets one that is made for them.
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
    // A group of its own: Ctrl-C in the terminal is for whoever runs there.
    command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Run { program: "ministack".to_owned(), source })?;

    let up = process::wait_until(PATIENCE, || healthy(port) || !matches!(child.try_wait(), Ok(None)));
    if up && healthy(port) {
        return Ok(child);
    }
    Err(Error::NotReady { what: "ministack", seconds: PATIENCE.as_secs(), log })
}

/// Where it is reached.
#[must_use]
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// For clients of the local cloud in this process.
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

/// Whether it answers.
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
