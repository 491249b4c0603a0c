//! What Lambda hands us, and what it gets back.

mod answer;
mod event;
mod settings;

use serde_json::Value;

pub use answer::Answer;
pub use event::{Trigger, read_event};
pub use settings::Settings;

use crate::{aws::Deadline, controller::Controller, error::Error};

/// The Lambda function.
#[derive(Debug)]
pub struct Function {
    controller: Controller,
}

impl Function {
    /// A function over a controller.
    #[must_use]
    pub fn new(controller: Controller) -> Self {
        Self { controller }
    }

    /// Acts on one event, and logs what became of it in one line.
    ///
    /// `function_arn` is the ARN of the invoked function, whose account's registry is the only one it touches.
    ///
    /// # Errors
    /// Where the event is none that the function acts on, or a repository could not be brought in line.
    pub async fn handle(&self, event: Value, function_arn: &str, deadline: Deadline) -> Result<Answer, Error> {
        let answer = self.act(event, function_arn, deadline).await;
        match &answer {
            Ok(Answer { ignored: Some(why), .. }) => tracing::info!(why, "ignored"),
            Ok(answer) => answer.outcomes.iter().for_each(|report| {
                tracing::info!(
                    repository = report.repository,
                    outcome = ?report.outcome,
                    rules = ?report.rules,
                    statements = ?report.statements,
                    why = report.why,
                    "reconciled"
                );
            }),
            Err(error) => tracing::error!(error_type = error.label(), error = %error, "failed"),
        }
        answer
    }

    async fn act(&self, event: Value, function_arn: &str, deadline: Deadline) -> Result<Answer, Error> {
        match read_event(event, function_arn)? {
            Trigger::Ignored(why) => Ok(Answer::ignored(why)),
            Trigger::Repository(target) => {
                let report = self.controller.bring_in_line(&target, deadline).await?;
                Ok(Answer::outcome(report))
            }
        }
    }
}
