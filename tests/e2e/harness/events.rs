//! What subscribers of the topic hear about one task.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Env;
use super::aws::{list, text};

/// Events that tell how a task ended.
const ENDS: [&str; 3] = ["RDS-EVENT-0234", "RDS-EVENT-0235", "RDS-EVENT-0236"];

/// A queue subscribed to events of one task, by filter policy, as a user would.
pub struct Events {
    env: &'static Env,
    queue: String,
}

impl Events {
    /// Subscribes to the end of a task; to be called before it ends.
    pub fn subscribe_to_end(env: &'static Env, task: &str) -> Self {
        Self::with(env, task, json!({"ExportTaskIdentifier": [task], "EventID": ENDS}))
    }

    /// Subscribes to everything about a task; to be called before it starts.
    pub fn subscribe_to_all(env: &'static Env, task: &str) -> Self {
        Self::with(env, task, json!({"ExportTaskIdentifier": [task]}))
    }

    fn with(env: &'static Env, task: &str, filter: Value) -> Self {
        let created = env.aws("sqs", "create_queue", json!({"QueueName": format!("events-{task}")}));
        let queue = text(&created, "QueueUrl").to_owned();
        let asked = json!({"QueueUrl": queue, "AttributeNames": ["QueueArn"]});
        let arn = env.aws("sqs", "get_queue_attributes", asked)["Attributes"]["QueueArn"].as_str().unwrap().to_owned();
        let topic = env.var("EXPORT_TOPIC_ARN");
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": arn,
            "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}]});
        env.aws(
            "sqs",
            "set_queue_attributes",
            json!({"QueueUrl": queue, "Attributes": {"Policy": policy.to_string()}}),
        );
        let filter = json!({"FilterPolicy": filter.to_string()});
        let subscription = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": filter});
        env.aws("sns", "subscribe", subscription);
        Self { env, queue }
    }

    /// The notification of the one event there is: waits for it, then for a moment more in which no other may come.
    pub fn only_notification(&self) -> Value {
        let mut heard = self.hear();
        assert_eq!(heard.len(), 1, "{heard:#?}");
        heard.remove(0)
    }

    /// The id of the one event there is, by which subscribers filter.
    pub fn only_event_id(&self) -> String {
        id(&self.only_notification())
    }

    /// The messages of all events, in no order: waits for one, then until no other comes.
    pub fn messages(&self) -> Vec<String> {
        let message = |envelope: &Value| {
            let event: Value = serde_json::from_str(text(envelope, "Message")).unwrap();
            text(&event, "Event Message").to_owned()
        };
        self.hear().iter().map(message).collect()
    }

    fn hear(&self) -> Vec<Value> {
        drain(self.env, &self.queue)
    }
}

/// What comes to a queue: waits for the first message, then until no other comes.
pub fn drain(env: &Env, queue: &str) -> Vec<Value> {
    let mut heard: Vec<Value> = Vec::new();
    let mut deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let request = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
        let answer = env.aws("sqs", "receive_message", request);
        for message in list(&answer, "Messages") {
            deadline = Instant::now() + Duration::from_secs(2);
            heard.push(serde_json::from_str(text(message, "Body")).unwrap());
            let done = json!({"QueueUrl": queue, "ReceiptHandle": text(message, "ReceiptHandle")});
            env.aws("sqs", "delete_message", done);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    heard
}

fn id(envelope: &Value) -> String {
    envelope["MessageAttributes"]["EventID"]["Value"].as_str().unwrap().to_owned()
}
