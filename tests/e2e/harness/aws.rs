//! AWS calls through boto3. One Python process runs them; each request and each response is one
//! line of JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use local_stack::Layout;
use serde_json::{Value, json};

use super::{Env, lock};

/// The Python process. It ends when its standard input closes, so it never outlives this process.
pub(crate) struct Bridge {
    _process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// An error response of AWS.
#[derive(Debug)]
pub(crate) struct AwsError {
    pub code: String,
    pub message: String,
    /// The class of the exception that boto3 raised.
    pub class: String,
    pub status: i64,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Bridge {
    pub(crate) fn start(layout: &Layout, variables: &BTreeMap<String, String>) -> Self {
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
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{request} has the response {line:?}: {error}"))
    }
}

impl Env {
    /// Calls an operation, named as in boto3. Returns all pages of a list, unless the request names
    /// a page.
    pub(crate) fn try_aws(&self, service: &str, operation: &str, parameters: Value) -> Result<Value, AwsError> {
        let request = json!({"service": service, "operation": operation, "parameters": parameters});
        let mut answer = lock(&self.bridge).call(&request);
        if let Some(ok) = answer.get_mut("ok") {
            return Ok(ok.take());
        }
        let text = |name: &str| answer["error"][name].as_str().unwrap_or_default().to_owned();
        let status = answer["error"]["status"].as_i64().unwrap_or_default();
        Err(AwsError { code: text("code"), message: text("message"), class: text("class"), status })
    }

    /// Calls [`try_aws`](Self::try_aws) and panics if the call fails.
    pub(crate) fn aws(&self, service: &str, operation: &str, parameters: Value) -> Value {
        let description = format!("{service} {operation} {parameters}");
        self.try_aws(service, operation, parameters).unwrap_or_else(|error| panic!("{description}: {error}"))
    }

    /// Creates a role that the account may assume and that allows `actions` on every resource.
    /// Returns its ARN.
    pub(crate) fn role(&self, name: &str, actions: &[&str]) -> String {
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

/// Returns the items of a list in a response, or nothing if there is no such list.
pub(crate) fn list<'a>(response: &'a Value, name: &str) -> &'a [Value] {
    response[name].as_array().map_or(&[], Vec::as_slice)
}

/// Returns a text member of a response.
pub(crate) fn text<'a>(response: &'a Value, name: &str) -> &'a str {
    response[name].as_str().unwrap_or_else(|| panic!("{response} has no text {name}"))
}
