//! What waits in the stack's queues, and who may send to them?

use super::{
    deployment::{Deployment, NamedQueue},
    diagnosis::{Check, DELETED, Topic::FailureQueue as TOPIC, number},
};
use crate::aws::deployment::{Inspector, Queue, Seen};

/// The stack's queues, and what SQS says of each.
pub(super) struct Queues<'a>(Vec<(&'a NamedQueue, Seen<Queue>)>);

pub(super) async fn look<'a>(inspector: &Inspector, deployment: &'a Deployment) -> Queues<'a> {
    let mut queues = Vec::new();
    for queue in &deployment.queues {
        queues.push((queue, inspector.queue(&queue.url).await));
    }
    Queues(queues)
}

impl Queues<'_> {
    /// The policy of the queue with that ARN.
    pub(super) fn policy(&self, arn: &str) -> Seen<String> {
        match self.0.iter().find(|(queue, _)| queue.arn == arn) {
            Some((_, Err(unseen))) => Err(unseen.clone()),
            Some((_, Ok(queue))) => Ok(queue.as_ref().and_then(|queue| queue.policy.clone())),
            None => Ok(None),
        }
    }

    pub(super) fn failures(&self) -> Option<Check> {
        let (NamedQueue { label, url, arn, .. }, queue) = self.0.iter().find(|(queue, _)| queue.failures)?;
        Some(match queue {
            Err(unseen) => Check::unseen(TOPIC, unseen),
            Ok(None) => Check::failed(TOPIC, format!("the queue `{url}` does not exist"), DELETED),
            Ok(Some(Queue { messages: 0, .. })) => Check::ok(TOPIC, format!("`{label}` is empty")),
            Ok(Some(Queue { messages, .. })) => {
                let messages = number(*messages, "message");
                let again = match self.0.iter().find(|(queue, _)| !queue.failures) {
                    Some((NamedQueue { arn: work, .. }, _)) => format!(
                        "`aws sqs start-message-move-task --source-arn {arn} --destination-arn {work}` has them tried again"
                    ),
                    None => "invoke the function with the event that each of them holds".to_owned(),
                };
                let remedy = format!("each is an event that nothing came of; once the cause is mended, {again}");
                Check::warning(TOPIC, format!("`{label}` holds {messages}"), remedy)
            }
        })
    }
}
