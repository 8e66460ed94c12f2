//! Measures the time from the start of a function to its first request for an event. Lambda bills
//! this time as initialization.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Result;

/// The number of starts of each function. At the first start the file may not be in memory; the
/// median ignores that.
const STARTS: usize = 21;
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The variables that Lambda and the template set, with values of the right form.
const ENVIRONMENT: [(&str, &str); 15] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_LAMBDA_FUNCTION_NAME", "measured"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "measured"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "measured"),
    ("TASK_TABLE", "tasks"),
    ("WORK_BUCKET", "work"),
    ("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:111122223333:stateMachine:aurora-export"),
    ("TOPIC_ARN", "arn:aws:sns:us-east-1:111122223333:aurora-export-events"),
    ("FINISH_EXPORT_FUNCTION", "aurora-export-finish-export"),
    ("DELETE_CLONE_FUNCTION", "aurora-export-delete-clone"),
    ("CHECK_PRECONDITIONS_FUNCTION", "aurora-export-check-preconditions"),
];

/// Returns the median start time.
pub(super) fn milliseconds(binary: &Path, certificates: &Path) -> Result<f64> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        times.push(once(binary, certificates)?.as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[STARTS / 2])
}

fn once(binary: &Path, certificates: &Path) -> Result<Duration> {
    let api = TcpListener::bind("127.0.0.1:0")?;
    let mut function = Command::new(binary);
    function.env_clear().envs(ENVIRONMENT).env("CLONE_INSTANCE_CLASS", "db.r6g.large");
    function.env("AWS_LAMBDA_RUNTIME_API", api.local_addr()?.to_string());
    function.env("DATABASE_CA_FILE", fs::canonicalize(certificates)?);
    let (sender, first_request) = mpsc::channel();
    thread::spawn(move || {
        // The first line of the HTTP request has its path.
        let mut line = String::new();
        let read = api.accept().and_then(|(stream, _)| BufReader::new(stream).read_line(&mut line));
        let _ = sender.send((read.map(|_| line), Instant::now()));
    });
    let began = Instant::now();
    let mut process = function.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let answer = first_request.recv_timeout(START_TIMEOUT);
    process.kill()?;
    process.wait()?;
    let (line, at) = answer.map_err(|_| format!("{} sent no request", binary.display()))?;
    match line? {
        line if line.starts_with("GET ") && line.contains("/runtime/invocation/next ") => Ok(at - began),
        line => Err(format!("{} sent the request {}", binary.display(), line.trim()).into()),
    }
}
