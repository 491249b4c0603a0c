//! SQS: a queue.

use std::collections::HashMap;

use aws_sdk_sqs::{Client, types::QueueAttributeName};

use super::{Inspector, Seen};

/// A queue.
pub(crate) struct Queue {
    /// How many messages it holds, about.
    pub(crate) messages: u64,
    /// The policy that says who may send to it.
    pub(crate) policy: Option<String>,
}

impl Inspector {
    /// The queue with that URL.
    pub(crate) async fn queue(&self, url: &str) -> Seen<Queue> {
        const WAITING: [QueueAttributeName; 3] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let wanted = WAITING.into_iter().chain([QueueAttributeName::Policy]).collect();
        let request = Client::new(&self.config).get_queue_attributes().queue_url(url);
        let answer = self.look("sqs:GetQueueAttributes", request.set_attribute_names(Some(wanted)).send()).await?;
        Ok(answer.map(|answer| {
            let attributes: HashMap<_, _> = answer.attributes.unwrap_or_default();
            let number = |name| attributes.get(name).and_then(|number: &String| number.parse::<u64>().ok());
            Queue {
                messages: WAITING.iter().filter_map(number).sum(),
                policy: attributes.get(&QueueAttributeName::Policy).cloned(),
            }
        }))
    }
}
