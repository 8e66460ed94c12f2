//! Shows and checks the exported files.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use export_task::engine::Engine;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::Result;
use super::screen::Screen;
use super::tools::Tools;

/// Runs a section of `report.py` on the files of a task. Fails if the files are not as expected.
pub(super) async fn show(
    tools: &Tools,
    screen: Screen,
    engine: Engine,
    section: &str,
    files: &Path,
    counts: &BTreeMap<String, i64>,
) -> Result<()> {
    let mut python = tools.python("report.py");
    python.arg(section).arg(files).stdin(Stdio::piped());
    let mut python = python.spawn()?;
    if let Some(mut input) = python.stdin.take() {
        let parameters = json!({"engine": engine, "counts": counts, "colours": screen.colours()});
        input.write_all(parameters.to_string().as_bytes()).await?;
    }
    match python.wait().await? {
        status if status.success() => Ok(()),
        _ => Err("the exported files are not as expected".into()),
    }
}

/// Shows the event that the queue received. It is the JSON of RDS in the envelope of SNS.
pub(super) fn event(screen: Screen, received: &Value) -> Result<()> {
    let body = received["Messages"][0]["Body"].as_str().ok_or("no event arrived in the queue")?;
    let envelope: Value = serde_json::from_str(body)?;
    let message: Value = serde_json::from_str(envelope["Message"].as_str().unwrap_or_default())?;
    for (name, value) in message.as_object().into_iter().flatten() {
        // Links and ARNs are long. Only their ends are shown, because these identify the resource.
        let text = value.as_str().unwrap_or_default();
        let cut = text.chars().count().saturating_sub(64);
        let text: String = text.chars().skip(cut).collect();
        screen.line(&format!("  {name:<24} {}{text}", if cut > 0 { "…" } else { "" }));
    }
    Ok(())
}

/// Shows the tables that the task left out, and the reasons.
pub(super) fn warnings(screen: Screen, task: &Value) -> Result<()> {
    let Some(document) = task["WarningMessage"].as_str() else { return Ok(()) };
    let document: Value = serde_json::from_str(document)?;
    let skipped = document["skippedTables"].as_array().map(Vec::as_slice).unwrap_or_default();
    screen.line(&format!("\n  The task reports {} tables that it left out:", skipped.len()));
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
