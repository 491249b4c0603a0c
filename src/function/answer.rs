//! What the function answers.

use serde::Serialize;

use crate::controller::Report;

/// The answer to an invocation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Answer {
    /// To one event.
    Event(EventAnswer),
    /// To messages of the work queue.
    Messages(MessagesAnswer),
}

/// What became of one event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventAnswer {
    /// What became of each repository that the event is about. Of a sweep, those that stay as they are are only counted.
    pub outcomes: Vec<Report>,
    /// Why nothing was done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// How many repositories were put on the work queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<usize>,
    /// How many repositories of a sweep stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<usize>,
}

/// Which messages the queue shall hand out again
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>, partial batch responses).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MessagesAnswer {
    /// Those that failed.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A message that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Its id.
    pub item_identifier: String,
}

impl EventAnswer {
    pub(super) fn outcome(report: Report) -> Self {
        Self { outcomes: vec![report], ..Self::default() }
    }

    pub(super) fn ignored(why: String) -> Self {
        Self { ignored: Some(why), ..Self::default() }
    }
}
