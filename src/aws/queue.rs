//! SQS: the function's work queue.

use std::time::Duration;

use aws_sdk_sqs::{Client, error::BuildError, types::SendMessageBatchRequestEntry};

use tokio::time::sleep;

use super::{
    call::{Call, Deadline},
    connection::Connection,
    pacer::Pacer,
};
use crate::error::Error;

/// Before what the queue did not take is sent again.
const PAUSE: Duration = Duration::from_millis(200);

/// The most that `SendMessageBatch` takes.
const BATCH: usize = 10;

/// Where sweeps are spread over many invocations.
#[derive(Debug)]
pub struct WorkQueue {
    client: Client,
    pacer: Pacer,
    url: String,
}

impl WorkQueue {
    /// The queue of that URL.
    #[must_use]
    pub fn new(connection: &Connection, url: String) -> Self {
        Self { client: Client::new(&connection.config), pacer: Pacer::new(), url }
    }

    /// Puts messages on the queue, which hands them out after the delay; up to 15 minutes.
    ///
    /// # Errors
    /// Where a message could not be sent. Others may have been.
    pub async fn send(&self, messages: &[String], delay: Duration, deadline: Deadline) -> Result<(), Error> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        for batch in messages.chunks(BATCH) {
            let call = Call::new("sqs:SendMessage", &self.url, deadline);
            let unavailable = |reason: String| Error::ServiceUnavailable {
                action: "sqs:SendMessage",
                resource: self.url.clone(),
                reason,
            };
            let entries = batch.iter().enumerate().map(|(number, message)| entry(number, message, seconds));
            let entries: Result<Vec<_>, _> = entries.collect();
            let mut entries = entries.map_err(|error| unavailable(error.to_string()))?;
            while !entries.is_empty() {
                let request = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.clone()));
                let answer = call.send(&self.pacer, async || request.clone().send().await).await;
                let failed = answer.map_err(|error| call.explain(&error))?.failed;
                if let Some(first) = failed.first().filter(|first| first.sender_fault || deadline.left() <= PAUSE) {
                    let message = first.message.as_deref().unwrap_or_default();
                    return Err(unavailable(format!("{}: {message}", first.code)));
                }
                if !failed.is_empty() {
                    sleep(PAUSE).await;
                }
                entries.retain(|entry| failed.iter().any(|failed| failed.id == entry.id));
            }
        }
        Ok(())
    }
}

fn entry(number: usize, message: &str, delay: i32) -> Result<SendMessageBatchRequestEntry, BuildError> {
    SendMessageBatchRequestEntry::builder().id(number.to_string()).message_body(message).delay_seconds(delay).build()
}
