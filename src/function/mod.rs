//! What Lambda hands us, and what it gets back.

mod answer;
mod event;
mod log;
mod queue;
mod settings;
mod sweep;

use std::{future::pending, time::SystemTime};

use futures_util::{StreamExt, stream};
use serde_json::Value;

pub use answer::{Answer, BatchItemFailure, EventAnswer, MessagesAnswer};
pub use event::{Part, Sweep, Trigger, read_event};
pub use queue::{Message, read_messages};
pub use settings::Settings;

use crate::{
    aws::{ConfigurationParameter, Deadline, WorkQueue},
    controller::{Controller, Report, Target, Wanted, reported},
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
        let messages = read_messages(&event).inspect_err(|error| log::failure(error, None))?;
        let Some(messages) = messages else {
            let trigger = read_event(event, function_arn).inspect_err(|error| log::failure(error, None))?;
            return self.act(trigger, deadline).await.map(Answer::Event);
        };
        // What comes twice at once would be done twice at once: both would find that there is something to write.
        let mut work: Vec<(Trigger, Vec<String>)> = Vec::new();
        let mut failed = Vec::new();
        for message in messages {
            match message.event().and_then(|event| read_event(event, function_arn)) {
                Ok(trigger) => match work.iter_mut().find(|(known, _)| *known == trigger) {
                    Some((_, ids)) => ids.push(message.message_id),
                    None => work.push((trigger, vec![message.message_id])),
                },
                Err(error) => {
                    log::failure(&error, None);
                    failed.push(message.message_id);
                }
            }
        }
        let done = in_order(stream::iter(work), pending::<()>(), async |(trigger, ids): (Trigger, Vec<String>)| {
            if self.act(trigger, deadline).await.is_ok() { Vec::new() } else { ids }
        });
        failed.extend(done.concat().await);
        let failure = |item_identifier| BatchItemFailure { item_identifier };
        Ok(Answer::Messages(MessagesAnswer { batch_item_failures: failed.into_iter().map(failure).collect() }))
    }

    /// Each repository's failure has its own line in the log already.
    async fn logged_sweep(&self, sweep: Sweep, deadline: Deadline) -> Result<EventAnswer, Error> {
        Box::pin(self.sweep(sweep, deadline)).await.inspect_err(|error| match error {
            Error::Several { .. } => {}
            error => log::failure(error, None),
        })
    }

    async fn repair(&self, target: &Target, deadline: Deadline) -> Result<Report, Error> {
        // A repair that went by a remembered configuration could undo what a sweep has just done.
        let registry = target.repository.registry();
        let configuration = self.parameter.configuration_since(registry, SystemTime::now(), deadline).await?;
        let wanted = Wanted { configuration: &configuration, name: self.parameter.name() };
        reported(&target.repository, self.controller.settle(target, wanted, deadline).await)
    }

    async fn act(&self, trigger: Trigger, deadline: Deadline) -> Result<EventAnswer, Error> {
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
                let swept = self.logged_sweep(sweep.clone(), deadline).await?;
                self.look_again(&sweep, deadline).await.inspect_err(|error| log::failure(error, None))?;
                Ok(swept)
            }
            Trigger::Sweep(sweep) => self.logged_sweep(sweep, deadline).await,
        }
    }
}

/// Whether a parameter's name is that of the one that is named, or given by its ARN, in the settings. An ARN leaves
/// out the first `/`.
fn is_parameter(name: &str, setting: &str) -> bool {
    let path = setting.strip_prefix("arn:").and_then(|arn| arn.split_once(":parameter/"));
    name.trim_start_matches('/') == path.map_or(setting, |(_, path)| path).trim_start_matches('/')
}
