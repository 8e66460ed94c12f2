//! How long a function takes from nothing to its first request for an event, which is what Lambda bills as initialisation.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::Result;

/// How often each is started. The first time, its file may not be in memory; the median doesn't tell.
const TIMES: usize = 21;
const PATIENCE: Duration = Duration::from_secs(10);

/// What the template sets, in the shape of what it sets it to.
const ENVIRONMENT: [(&str, &str); 14] = [
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
    ("CHECK_PRECONDITIONS_FUNCTION", "aurora-export-check-preconditions"),
];

/// The median over several starts.
pub fn milliseconds(binary: &Path, certificates: &Path) -> Result<f64> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        times.push(once(binary, certificates)?.as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[TIMES / 2])
}

fn once(binary: &Path, certificates: &Path) -> Result<Duration> {
    let api = TcpListener::bind("127.0.0.1:0")?;
    let mut function = Command::new(binary);
    function.env_clear().envs(ENVIRONMENT).env("CLONE_INSTANCE_CLASS", "db.r6g.large");
    function.env("AWS_LAMBDA_RUNTIME_API", api.local_addr()?.to_string());
    function.env("DATABASE_CA_FILE", fs::canonicalize(certificates)?);
    let (asked, first) = mpsc::channel();
    thread::spawn(move || {
        // Its first line says what is asked for.
        let mut line = String::new();
        let read = api.accept().and_then(|(stream, _)| BufReader::new(stream).read_line(&mut line));
        let _ = asked.send((read.map(|_| line), Instant::now()));
    });
    let began = Instant::now();
    let mut process = function.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let answer = first.recv_timeout(PATIENCE);
    process.kill()?;
    process.wait()?;
    let (line, at) = answer.map_err(|_| format!("{} asks for nothing", binary.display()))?;
    match line? {
        line if line.starts_with("GET ") && line.contains("/runtime/invocation/next ") => Ok(at - began),
        line => Err(format!("{} asks for {}", binary.display(), line.trim()).into()),
    }
}
