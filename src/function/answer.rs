//! What the function answers.

use serde::Serialize;

use crate::controller::Report;

/// The answer to one event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// What became of each repository that the event is about.
    pub outcomes: Vec<Report>,
    /// Why nothing was done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

impl Answer {
    pub(super) fn outcome(report: Report) -> Self {
        Self { outcomes: vec![report], ignored: None }
    }

    pub(super) fn ignored(why: String) -> Self {
        Self { outcomes: Vec::new(), ignored: Some(why) }
    }
}
