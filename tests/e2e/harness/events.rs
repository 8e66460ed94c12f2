//! Subscriptions to the events of one task.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Env;
use super::aws::{list, text};

/// The events that report the end of a task: failed, canceled, completed.
const END_EVENTS: [&str; 3] = ["RDS-EVENT-0234", "RDS-EVENT-0235", "RDS-EVENT-0236"];

/// A queue that is subscribed to the topic. A filter policy selects the events of one task, as
/// users would do it.
pub(crate) struct Events {
    env: &'static Env,
    queue: String,
}

impl Events {
    /// Subscribes to the end of a task. Call it before the task ends.
    pub(crate) fn subscribe_to_end(env: &'static Env, task: &str) -> Self {
        Self::with(env, task, json!({"ExportTaskIdentifier": [task], "EventID": END_EVENTS}))
    }

    /// Subscribes to every event of a task. Call it before the task starts.
    pub(crate) fn subscribe_to_all(env: &'static Env, task: &str) -> Self {
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

    /// Waits for a notification, and asserts that no second one follows within two seconds.
    pub(crate) fn only_notification(&self) -> Value {
        let mut received = self.receive();
        assert_eq!(received.len(), 1, "{received:#?}");
        received.remove(0)
    }

    /// Returns the event ID of [`only_notification`](Self::only_notification), from the attribute
    /// that subscribers filter by.
    pub(crate) fn only_event_id(&self) -> String {
        self.only_notification()["MessageAttributes"]["EventID"]["Value"].as_str().unwrap().to_owned()
    }

    /// Returns the messages of all events, in no particular order. Waits for the first, then until
    /// two seconds pass without another.
    pub(crate) fn messages(&self) -> Vec<String> {
        let message = |envelope: &Value| {
            let event: Value = serde_json::from_str(text(envelope, "Message")).unwrap();
            text(&event, "Event Message").to_owned()
        };
        self.receive().iter().map(message).collect()
    }

    fn receive(&self) -> Vec<Value> {
        drain(self.env, &self.queue)
    }
}

/// Receives the messages of a queue. Waits for the first, then until two seconds pass without
/// another.
pub(crate) fn drain(env: &Env, queue: &str) -> Vec<Value> {
    let mut received: Vec<Value> = Vec::new();
    let mut deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let request = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
        let answer = env.aws("sqs", "receive_message", request);
        for message in list(&answer, "Messages") {
            deadline = Instant::now() + Duration::from_secs(2);
            received.push(serde_json::from_str(text(message, "Body")).unwrap());
            let done = json!({"QueueUrl": queue, "ReceiptHandle": text(message, "ReceiptHandle")});
            env.aws("sqs", "delete_message", done);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    received
}
