//! Shows the progress of a task.

use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::Result;
use super::screen::Screen;
use super::tools::Tools;

/// Shows the progress of a task until it is complete. Returns the task.
pub(super) async fn until_complete(tools: &Tools, screen: Screen, task: &str) -> Result<Value> {
    let began = Instant::now();
    let mut python = tools.python("watch.py").arg(task).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (Some(output), Some(mut errors)) = (python.stdout.take(), python.stderr.take()) else {
        return Err("watch.py has no output".into());
    };
    let mut lines = BufReader::new(output).lines();
    let bar = screen.percent();
    let (mut displayed, mut last) = (None, Value::Null);
    while let Some(line) = lines.next_line().await? {
        last = serde_json::from_str(&line)?;
        let status = last["Status"].as_str().unwrap_or_default().to_owned();
        let percent = last["PercentProgress"].as_u64().unwrap_or_default();
        if displayed.as_ref() == Some(&(status.clone(), percent)) {
            continue;
        }
        match &bar {
            Some(bar) => {
                bar.set_message(status.clone());
                bar.set_position(percent);
            }
            None => screen.line(&format!("  {:5.1} s  {status:<12} {percent:>3} %", began.elapsed().as_secs_f64())),
        }
        displayed = Some((status, percent));
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if !python.wait().await?.success() {
        let mut error = String::new();
        errors.read_to_string(&mut error).await?;
        return Err(format!("describe-export-tasks failed: {}", error.trim()).into());
    }
    match last["Status"].as_str() {
        Some("COMPLETE") => {
            screen.line(&format!("  COMPLETE after {:.1} s", began.elapsed().as_secs_f64()));
            Ok(last)
        }
        status => {
            let cause = last["FailureCause"].as_str().unwrap_or("there is no cause");
            Err(format!("the export task is {}: {cause}", status.unwrap_or("missing")).into())
        }
    }
}
