//! What subscribers of the topic hear about one task.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Env;
use super::aws::{list, text};

/// A queue subscribed to the events of one task, by filter policy, as a user would.
pub struct Events {
    env: &'static Env,
    queue: String,
}

impl Events {
    /// Subscribes; to be called before the task ends.
    pub fn of(env: &'static Env, task: &str) -> Self {
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
        let filter = json!({"ExportTaskIdentifier": [task]}).to_string();
        let subscription =
            json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": {"FilterPolicy": filter}});
        env.aws("sns", "subscribe", subscription);
        Self { env, queue }
    }

    /// The notification of the one event there is: waits for it, then for a moment more in which no other may come.
    pub fn only(&self) -> Value {
        let mut heard: Vec<Value> = Vec::new();
        let mut deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let request = json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10});
            let answer = self.env.aws("sqs", "receive_message", request);
            for message in list(&answer, "Messages") {
                if heard.is_empty() {
                    deadline = Instant::now() + Duration::from_secs(2);
                }
                heard.push(serde_json::from_str(text(message, "Body")).unwrap());
                let done = json!({"QueueUrl": self.queue, "ReceiptHandle": text(message, "ReceiptHandle")});
                self.env.aws("sqs", "delete_message", done);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(heard.len(), 1, "{heard:#?}");
        heard.remove(0)
    }

    /// The id of the one event there is, by which subscribers filter.
    pub fn only_id(&self) -> String {
        self.only()["MessageAttributes"]["EventID"]["Value"].as_str().unwrap().to_owned()
    }
}
