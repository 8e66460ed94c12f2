//! Runs the AWS CLI and Python with the environment of the stack.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use local_stack::deploy::remove_aws_variables;
use local_stack::{Layout, Stack};
use serde_json::Value;
use tokio::process::Command;

use super::Result;
use super::screen::Screen;

/// The environment of the programs that the demo runs.
pub(super) struct Tools {
    layout: Layout,
    env: BTreeMap<String, String>,
    screen: Screen,
}

impl Tools {
    pub(super) fn new(layout: &Layout, stack: &Stack, screen: Screen) -> Self {
        Self { layout: layout.clone(), env: stack.env(layout), screen }
    }

    /// Prints a command as a user would type it, with `"$NAME"` for variables, and runs it. Returns
    /// its output.
    pub(super) async fn show(&self, words: &[&str]) -> Result<Value> {
        self.screen.command(words);
        self.run(words).await
    }

    /// Runs a command without printing it. Returns its output, or null if the output is not JSON.
    pub(super) async fn run(&self, words: &[&str]) -> Result<Value> {
        let (program, arguments) = words.split_first().ok_or("no command")?;
        let mut command = self.command(&self.layout.venv().join("bin").join(program));
        let done = command.args(arguments.iter().map(|word| self.expand(word))).output().await?;
        if !done.status.success() {
            let error = String::from_utf8_lossy(&done.stderr);
            return Err(format!("`{}` failed: {}", words.join(" "), error.trim()).into());
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or_default())
    }

    /// Returns a command for one of the demo's Python programs.
    pub(super) fn python(&self, name: &str) -> Command {
        let mut command = self.command(&self.layout.venv().join("bin/python"));
        command.arg(self.layout.checkout.join("crates/xtask/src/demo").join(name));
        command
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        remove_aws_variables(command.as_std_mut());
        command.envs(&self.env);
        // A separate process group keeps a Ctrl-C in the terminal away from the program. The demo
        // ends it.
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Replaces `"$NAME"` in a word by the value of the variable, as a shell does.
    fn expand(&self, word: &str) -> String {
        let mut word = word.replace('"', "");
        for (name, value) in &self.env {
            word = word.replace(&format!("${name}"), value);
        }
        word
    }
}
