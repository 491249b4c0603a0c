//! What `plan`, `apply` and `clear` print as JSON.

use ecr_autopolicy::{controller::Planned, policy::document::Statement};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    diff::sides,
    tally::{Problem, Tally},
};

/// What is to be done, or was done, with every repository.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Swept {
    /// The repositories with something to tell: those that stay as they are, and those that are gone, are only counted.
    repositories: Vec<Entry>,
    /// How many came out how.
    summary: Tally,
}

/// What is after the list in `Swept`.
#[derive(Serialize)]
pub(crate) struct Rest<'a> {
    pub(crate) summary: &'a Tally,
}

/// One repository.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Entry {
    /// The repository's ARN.
    repository: String,
    /// `applied`, `removed`, `skipped` or `failed`.
    outcome: &'static str,
    /// The names of the rules that match.
    rules: Vec<String>,
    /// The ids of the managed statements that its policy should hold.
    statements: Vec<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    /// The policy document before the change; `null` where there is none.
    before: Option<Value>,
    /// The policy document after the change; `null` where there is none.
    after: Option<Value>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

impl Entry {
    pub(crate) fn of(planned: &Planned) -> Self {
        let (before, after) = sides(planned).unwrap_or_default();
        let sids = planned.desired.statements.iter().filter_map(Statement::sid).map(str::to_owned);
        Self {
            repository: planned.repository.arn(),
            outcome: planned.outcome().as_str(),
            rules: planned.desired.rules.clone(),
            statements: sids.collect(),
            why: Some(planned.why()),
            before,
            after,
            error: None,
        }
    }

    pub(crate) fn failed(repository: String, problem: Problem) -> Self {
        Self {
            repository,
            outcome: "failed",
            rules: Vec::new(),
            statements: Vec::new(),
            why: None,
            before: None,
            after: None,
            error: Some(problem),
        }
    }
}
