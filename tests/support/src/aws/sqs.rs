//! SQS: one queue, which remembers what was put on it.

use serde_json::{Value, json};

use super::{Reply, State, WORK_QUEUE};

/// The most that one call puts on a queue: messages, and the characters of all of them.
const BATCH: usize = 10;
const SIZE: usize = 1_048_576;
/// The longest delay, in seconds.
const DELAY: u64 = 900;

/// A message as it was put on the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it says.
    pub body: String,
    /// For how many seconds it is held back; none where that is left to the queue.
    pub delay: Option<u64>,
}

impl Message {
    /// What it says, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl State {
    /// The queue's ARN.
    pub(super) fn queue_arn(&self) -> String {
        let name = WORK_QUEUE.rsplit('/').next().unwrap_or("");
        format!("arn:{}:sqs:{}:{}:{name}", self.partition, self.region, self.account)
    }

    /// Takes the first `taken` messages of a batch, and all where that is not said. The digests of the answer are left
    /// out: the SDK for Rust compares none.
    pub(super) fn send_messages(&mut self, region: &str, body: &Value, taken: Option<usize>) -> Reply {
        let refused = |code: &'static str, message: &str| Reply::Error(400, code, message.to_owned());
        if body["QueueUrl"] != json!(WORK_QUEUE) || region != self.region || self.messages.is_none() {
            return refused(
                "AWS.SimpleQueueService.NonExistentQueue",
                "The specified queue does not exist for this wsdl version.",
            );
        }
        let entries = body["Entries"].as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("").to_owned();
        let mut ids: Vec<String> = entries.iter().map(|entry| text(entry, "Id")).collect();
        let size: usize = entries.iter().map(|entry| text(entry, "MessageBody").len()).sum();
        ids.sort();
        ids.dedup();
        if entries.is_empty() {
            return refused(
                "AWS.SimpleQueueService.EmptyBatchRequest",
                "There should be at least one SendMessageBatchRequestEntry in the request.",
            );
        }
        if entries.len() > BATCH {
            return refused(
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                "Maximum number of entries per request are 10.",
            );
        }
        if ids.len() < entries.len() {
            return refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id repeated.");
        }
        if size > SIZE {
            return refused(
                "AWS.SimpleQueueService.BatchRequestTooLong",
                "Batch requests cannot be longer than 1048576 bytes.",
            );
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (number, entry) in entries.iter().enumerate() {
            let id = text(entry, "Id");
            let delay = entry.get("DelaySeconds").and_then(Value::as_u64);
            let refusal = match (text(entry, "MessageBody").is_empty(), delay) {
                _ if taken.is_some_and(|taken| number >= taken) => Some(("InternalError", false, "Try again.")),
                (true, _) => Some(("MissingParameter", true, "The request must contain the parameter MessageBody.")),
                (_, Some(delay)) if delay > DELAY => Some(("InvalidParameterValue", true, "DelaySeconds is too long.")),
                _ => None,
            };
            match refusal {
                Some((code, sender, message)) => {
                    failed.push(json!({ "Id": id, "Code": code, "SenderFault": sender, "Message": message }));
                }
                None => {
                    let messages = self.messages.get_or_insert_default();
                    messages.push(Message { body: text(entry, "MessageBody"), delay });
                    let message_id = format!("5fea7756-0ea4-451a-a703-{:012}", messages.len());
                    successful.push(json!({ "Id": id, "MessageId": message_id }));
                }
            }
        }
        let mut answer = json!({ "Successful": successful });
        if !failed.is_empty() {
            answer["Failed"] = failed.into();
        }
        Reply::Fine(answer)
    }
}
