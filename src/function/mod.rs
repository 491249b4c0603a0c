//! What Lambda hands us, and what it gets back.

mod answer;
mod event;
mod settings;

use serde_json::Value;

pub use answer::Answer;
pub use event::{Trigger, read_event};
pub use settings::Settings;

use crate::{
    aws::{ConfigurationParameter, Deadline},
    controller::{Controller, Report},
    error::Error,
    repository::Repository,
};

/// The Lambda function.
#[derive(Debug)]
pub struct Function {
    controller: Controller,
    parameter: ConfigurationParameter,
}

impl Function {
    /// A function that brings repositories in line with the configuration in the parameter.
    #[must_use]
    pub fn new(controller: Controller, parameter: ConfigurationParameter) -> Self {
        Self { controller, parameter }
    }

    /// Acts on one event, and logs what became of it in one line.
    ///
    /// `function_arn` is the ARN of the invoked function, whose account's registry is the only one it touches.
    ///
    /// # Errors
    /// Where the event is none that the function acts on, or a repository could not be brought in line.
    pub async fn handle(&self, event: Value, function_arn: &str, deadline: Deadline) -> Result<Answer, Error> {
        match read_event(event, function_arn) {
            Ok(Trigger::Ignored(why)) => {
                tracing::info!(why, "ignored");
                Ok(Answer::ignored(why))
            }
            Ok(Trigger::Repository(target)) => {
                let done = self.controller.bring_in_line(&target, &self.parameter, deadline).await;
                match &done {
                    Ok(report) => log_outcome(report),
                    Err(error) => log_failure(error, Some(&target.repository)),
                }
                done.map(Answer::outcome)
            }
            Err(error) => {
                log_failure(&error, None);
                Err(error)
            }
        }
    }
}

fn log_outcome(report: &Report) {
    tracing::info!(
        repository = report.repository,
        outcome = report.outcome.as_str(),
        rules = report.rules.join(","),
        statements = report.statements.join(","),
        why = report.why,
        "reconciled"
    );
}

fn log_failure(error: &Error, repository: Option<&Repository>) {
    let repository = repository.map(Repository::arn);
    tracing::error!(error_type = error.label(), repository, error = %error, "failed");
}
