//! Messages of the work queue, as Lambda hands them over
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>).

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Delivery {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub struct Message {
    /// Its id.
    pub message_id: String,
    event_source: String,
    body: String,
}

impl Message {
    /// The event that the message is, or holds.
    ///
    /// # Errors
    /// `InvalidEvent` where the message is not JSON.
    pub fn event(&self) -> Result<Value, Error> {
        serde_json::from_str(&self.body)
            .map_err(|error| Error::InvalidEvent(format!("the message `{}` is not JSON: {error}", self.message_id)))
    }
}

/// The messages of an event, if that is what it is.
///
/// # Errors
/// `InvalidEvent` where it has records that are no messages of a queue.
pub fn read_messages(event: &Value) -> Result<Option<Vec<Message>>, Error> {
    if event.get("Records").is_none() {
        return Ok(None);
    }
    let invalid = |reason: String| Error::InvalidEvent(reason);
    let delivery: Delivery = serde_path_to_error::deserialize(event).map_err(|error| invalid(error.to_string()))?;
    match delivery.records.iter().find(|message| message.event_source != "aws:sqs") {
        Some(other) => Err(invalid(format!("its records are of `{}`, not of `aws:sqs`", other.event_source))),
        None => Ok(Some(delivery.records)),
    }
}
