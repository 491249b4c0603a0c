//! What Lambda hands us, and what it gets back.

mod answer;
mod event;
mod log;
mod queue;
mod settings;
mod sweep;

use std::future::pending;

use futures_util::{StreamExt, stream};
use serde_json::Value;

pub use answer::{Answer, BatchItemFailure, EventAnswer, MessagesAnswer};
pub use event::{Part, Sweep, Trigger, read_event};
pub use settings::Settings;

use crate::{
    aws::{ConfigurationParameter, Deadline, WorkQueue},
    controller::{Controller, Report, Target, Wanted},
    error::Error,
    sweep::in_order,
};

/// The Lambda function.
#[derive(Debug)]
pub struct Function {
    controller: Controller,
    parameter: ConfigurationParameter,
    queue: Option<WorkQueue>,
}

impl Function {
    /// A function that brings repositories in line with the configuration in the parameter. Sweeps are spread over the
    /// queue; without one, each is done in place.
    #[must_use]
    pub fn new(controller: Controller, parameter: ConfigurationParameter, queue: Option<WorkQueue>) -> Self {
        Self { controller, parameter, queue }
    }

    /// Acts on one event, or on the messages of the work queue, and logs what became of each.
    ///
    /// `function_arn` is the ARN of the invoked function, whose account's registry is the only one it touches.
    ///
    /// # Errors
    /// Where the event is none that the function acts on, or a repository could not be brought in line. Messages that
    /// fail are in the answer.
    pub async fn handle(&self, event: Value, function_arn: &str, deadline: Deadline) -> Result<Answer, Error> {
        let messages = queue::messages(&event).inspect_err(|error| log::failure(error, None))?;
        let Some(messages) = messages else {
            return self.act(event, function_arn, deadline).await.map(Answer::Event);
        };
        let failures = in_order(stream::iter(messages), pending::<()>(), async |message: queue::Message| {
            let done = match message.event() {
                Ok(event) => self.act(event, function_arn, deadline).await.is_ok(),
                Err(error) => {
                    log::failure(&error, None);
                    false
                }
            };
            (!done).then_some(BatchItemFailure { item_identifier: message.message_id })
        });
        let batch_item_failures = failures.filter_map(std::future::ready).collect().await;
        Ok(Answer::Messages(MessagesAnswer { batch_item_failures }))
    }

    async fn repair(&self, target: &Target, deadline: Deadline) -> Result<Report, Error> {
        let configuration = self.parameter.configuration(target.repository.registry(), deadline).await?;
        let wanted = Wanted { configuration: &configuration, name: self.parameter.name() };
        self.controller.settle(target, wanted, deadline).await
    }

    async fn act(&self, event: Value, function_arn: &str, deadline: Deadline) -> Result<EventAnswer, Error> {
        let trigger = read_event(event, function_arn).inspect_err(|error| log::failure(error, None))?;
        match trigger {
            Trigger::Ignored(why) => {
                log::ignored(&why);
                Ok(EventAnswer::ignored(why))
            }
            Trigger::Created(target) => {
                let done = self.controller.bring_in_line(&target, &self.parameter, deadline).await;
                log::done(&target.repository, &done);
                done.map(EventAnswer::outcome)
            }
            Trigger::PolicyChanged(target) => {
                let done = Box::pin(self.repair(&target, deadline)).await;
                log::done(&target.repository, &done);
                done.map(EventAnswer::outcome)
            }
            Trigger::ParameterChanged { name, .. } if !is_parameter(&name, self.parameter.name()) => {
                let why = format!("the parameter that changed is `{name}`, not `{}`", self.parameter.name());
                log::ignored(&why);
                Ok(EventAnswer::ignored(why))
            }
            Trigger::ParameterChanged { registry, .. } => {
                let sweep = Sweep { registry, since: None, part: Part::All };
                Box::pin(self.sweep(sweep, deadline)).await.inspect_err(|error| log::failure(error, None))
            }
            Trigger::Sweep(sweep) => {
                Box::pin(self.sweep(sweep, deadline)).await.inspect_err(|error| log::failure(error, None))
            }
        }
    }
}

/// Whether a parameter's name is that of the one that is named, or given by its ARN, in the settings. An ARN leaves
/// out the first `/`.
fn is_parameter(name: &str, setting: &str) -> bool {
    let path = setting.strip_prefix("arn:").and_then(|arn| arn.split_once(":parameter/"));
    name.trim_start_matches('/') == path.map_or(setting, |(_, path)| path).trim_start_matches('/')
}
