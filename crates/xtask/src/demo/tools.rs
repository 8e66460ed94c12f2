//! The AWS CLI and Python, with the environment of the stack.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use local_stack::deploy::remove_aws_variables;
use local_stack::{Layout, Stack};
use serde_json::Value;
use tokio::process::Command;

use super::Result;
use super::screen::Screen;

/// What the demo runs programs with.
pub struct Tools {
    layout: Layout,
    env: BTreeMap<String, String>,
    screen: Screen,
}

impl Tools {
    pub fn new(layout: &Layout, stack: &Stack, screen: Screen) -> Self {
        Self { layout: layout.clone(), env: stack.env(layout), screen }
    }

    /// Shows a command as a person would type it, `"$NAME"` and all, runs it, and returns what it answered.
    pub async fn show(&self, words: &[&str]) -> Result<Value> {
        self.screen.command(words);
        self.run(words).await
    }

    /// Runs a command without a word. What it answered is null unless it is JSON.
    pub async fn run(&self, words: &[&str]) -> Result<Value> {
        let (program, arguments) = words.split_first().ok_or("no command")?;
        let mut command = self.command(&self.layout.venv().join("bin").join(program));
        let done = command.args(arguments.iter().map(|word| self.expand(word))).output().await?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(format!("`{}` failed: {}", words.join(" "), said.trim()).into());
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or_default())
    }

    /// One of the demo's Python programs.
    pub fn python(&self, name: &str) -> Command {
        let mut command = self.command(&self.layout.venv().join("bin/python"));
        command.arg(self.layout.checkout.join("crates/xtask/src/demo").join(name));
        command
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        remove_aws_variables(command.as_std_mut());
        command.envs(&self.env);
        // Its own group: Ctrl-C is for the demo, which ends it.
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Replaces `"$NAME"`s in a word, as a shell would.
    fn expand(&self, word: &str) -> String {
        let mut word = word.replace('"', "");
        for (name, value) in &self.env {
            word = word.replace(&format!("${name}"), value);
        }
        word
    }
}
