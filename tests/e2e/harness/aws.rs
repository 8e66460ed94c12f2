//! Any AWS call, through boto3: one Python process, one line a call.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use local_stack::Layout;
use serde_json::{Value, json};

use super::{Env, lock};

/// The process. Ends when its input does, so with this process at the latest.
pub struct Bridge {
    _process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// An error AWS answered with.
#[derive(Debug)]
pub struct AwsError {
    pub code: String,
    pub message: String,
    /// The exception boto3 raised.
    pub class: String,
    pub status: i64,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Bridge {
    pub fn start(layout: &Layout, variables: &BTreeMap<String, String>) -> Self {
        let script = layout.checkout.join("tests/python/aws.py");
        let mut command = Command::new(layout.venv().join("bin/python"));
        command.arg(script).env_clear().envs(variables).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Self { _process: process, input, output }
    }

    fn call(&mut self, request: &Value) -> Value {
        writeln!(self.input, "{request}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{request} was answered with {line:?}: {error}"))
    }
}

impl Env {
    /// A call of `operation`, spelled as boto3 does; lists are complete.
    pub fn try_aws(&self, service: &str, operation: &str, parameters: Value) -> Result<Value, AwsError> {
        let request = json!({"service": service, "operation": operation, "parameters": parameters});
        let mut answer = lock(&self.bridge).call(&request);
        if let Some(ok) = answer.get_mut("ok") {
            return Ok(ok.take());
        }
        let text = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
        let status = answer["error"]["status"].as_i64().unwrap_or_default();
        Err(AwsError { code: text("code"), message: text("message"), class: text("class"), status })
    }

    /// As [`try_aws`](Self::try_aws), for calls that must succeed.
    pub fn aws(&self, service: &str, operation: &str, parameters: Value) -> Value {
        let said = parameters.to_string();
        self.try_aws(service, operation, parameters)
            .unwrap_or_else(|error| panic!("{service} {operation} {said}: {error}"))
    }

    /// A role that the account may assume and that may do this in every bucket. Returns its ARN.
    pub fn role(&self, name: &str, actions: &[&str]) -> String {
        let document = |statement: Value| json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let trust = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}});
        let role =
            self.aws("iam", "create_role", json!({"RoleName": name, "AssumeRolePolicyDocument": document(trust)}));
        if !actions.is_empty() {
            let policy = document(json!({"Effect": "Allow", "Action": actions, "Resource": "*"}));
            self.aws(
                "iam",
                "put_role_policy",
                json!({"RoleName": name, "PolicyName": "export", "PolicyDocument": policy}),
            );
        }
        text(&role["Role"], "Arn").to_owned()
    }
}

/// The members of a list in an answer.
pub fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

/// A member that is text.
pub fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("{answer} has no {name}"))
}
