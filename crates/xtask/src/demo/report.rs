//! What the exported files say.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use export_task::engine::Engine;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Result;
use super::screen::Screen;
use super::tools::Tools;

/// Shows what Python finds in the files of a task. Fails when it isn't what must be.
pub async fn show(
    tools: &Tools,
    screen: Screen,
    engine: Engine,
    what: &str,
    files: &Path,
    counts: &BTreeMap<String, i64>,
) -> Result<()> {
    let mut python = tools.python("report.py");
    python.arg(what).arg(files).stdin(Stdio::piped());
    let mut python = python.spawn()?;
    if let Some(mut input) = python.stdin.take() {
        let asked = json!({"engine": engine, "counts": counts, "colours": screen.colours()});
        input.write_all(asked.to_string().as_bytes()).await?;
    }
    match python.wait().await? {
        status if status.success() => Ok(()),
        _ => Err("the exported files are not what they must be".into()),
    }
}

/// The event as the queue got it: RDS's own JSON in the envelope of SNS.
pub fn event(screen: Screen, received: &Value) -> Result<()> {
    let body = received["Messages"][0]["Body"].as_str().ok_or("no event arrived in the queue")?;
    let envelope: Value = serde_json::from_str(body)?;
    let message: Value = serde_json::from_str(envelope["Message"].as_str().unwrap_or_default())?;
    for (name, value) in message.as_object().into_iter().flatten() {
        // Links and ARNs are long; their ends say what they are about.
        let text = value.as_str().unwrap_or_default();
        let cut = text.chars().count().saturating_sub(64);
        let text: String = text.chars().skip(cut).collect();
        screen.line(&format!("  {name:<24} {}{text}", if cut > 0 { "…" } else { "" }));
    }
    Ok(())
}

/// What the task left out, and why.
pub fn warnings(screen: Screen, task: &Value) -> Result<()> {
    let Some(document) = task["WarningMessage"].as_str() else { return Ok(()) };
    let document: Value = serde_json::from_str(document)?;
    let skipped = document["skippedTables"].as_array().map(Vec::as_slice).unwrap_or_default();
    screen.line(&format!("\n  {} tables were left out, and the task says so:", skipped.len()));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for table in skipped {
        screen.line(&format!("  ! {:<28} {}", text(&table["target"]), text(&table["reason"])));
        let mut line = String::new();
        for word in text(&table["message"]).split(' ') {
            if line.chars().count() + word.chars().count() > 90 {
                screen.line(&format!("     {line}"));
                line.clear();
            }
            line.push(' ');
            line.push_str(word);
        }
        screen.line(&format!("     {line}"));
    }
    Ok(())
}
