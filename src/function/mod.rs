//! What Lambda hands us, and what it gets back.

mod answer;
mod event;
mod journal;
mod metrics;
mod queue;
mod settings;
mod sweep;

use std::{future::pending, time::SystemTime};

use futures_util::{StreamExt, stream};
use serde_json::Value;

pub use answer::{Answer, BatchItemFailure, EventAnswer, MessagesAnswer};
pub use event::{Part, Sweep, Trigger, read_event};
pub use journal::Journal;
pub use metrics::{Count, Metrics};
pub use queue::{Message, read_messages};
pub use settings::Settings;

use event::{read_unpacked, unpacked};
use journal::{Cause, Entry};

use crate::{
    aws::{ConfigurationParameter, Deadline, WorkQueue, timed},
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

    /// Does ahead of the first event what it would wait for: reads the parameter, and opens a connection to ECR in the
    /// function's own Region. Nothing that fails here fails the start.
    pub async fn prepare(&self, region: Option<&str>, deadline: Deadline) {
        let connect = async {
            if let Some(region) = region {
                self.controller.registry().connect(region).await;
            }
        };
        let ready = async { tokio::join!(self.parameter.fetch(deadline), connect) };
        if tokio::time::timeout(deadline.left(), ready).await.is_err() {
            tracing::debug!("AWS took too long to prepare for the first event");
        }
    }

    /// Acts on what the text says; see [`Self::handle`].
    ///
    /// # Errors
    /// `InvalidEvent` where it is not JSON, or nested too deeply; and those of [`Self::handle`].
    pub async fn handle_text(
        &self,
        text: &str,
        function_arn: &str,
        journal: &Journal,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let event = serde_json::from_str(text)
            .map_err(|error| Error::InvalidEvent(format!("it is not JSON: {error}")))
            .inspect_err(|error| journal.about(&Cause::default()).failed(error))?;
        self.handle(event, function_arn, journal, deadline).await
    }

    /// Acts on one event, or on the messages of the work queue, and tells the journal what became of each.
    ///
    /// `function_arn` is the ARN of the invoked function, whose account's registry is the only one it touches.
    ///
    /// # Errors
    /// Where the event is none that the function acts on, or a repository could not be brought in line. Messages that
    /// fail are in the answer.
    pub async fn handle(
        &self,
        event: Value,
        function_arn: &str,
        journal: &Journal,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let messages = read_messages(&event).inspect_err(|error| journal.about(&Cause::default()).failed(error))?;
        let Some(messages) = messages else {
            let event = unpacked(event);
            let cause = Cause::of(&event);
            let trigger =
                read_unpacked(event, function_arn).inspect_err(|error| journal.about(&cause).failed(error))?;
            return self.act(trigger, journal.about(&cause), deadline).await.map(Answer::Event);
        };
        // What comes twice at once would be done twice at once: both would find that there is something to write.
        let mut work: Vec<Work> = Vec::new();
        let mut failed = Vec::new();
        for message in messages {
            let event = message.event().map(unpacked);
            let cause = event.as_ref().map(Cause::of).unwrap_or_default();
            match event.and_then(|event| read_unpacked(event, function_arn)) {
                Ok(trigger) => match work.iter_mut().find(|known| known.trigger == trigger) {
                    Some(known) => known.messages.push(message.message_id),
                    None => work.push(Work { trigger, cause, messages: vec![message.message_id] }),
                },
                Err(error) => {
                    journal.about(&cause).failed(&error);
                    failed.push(message.message_id);
                }
            }
        }
        let done = in_order(stream::iter(work), pending::<()>(), async |work: Work| {
            let done = self.act(work.trigger, journal.about(&work.cause), deadline).await;
            if done.is_ok() { Vec::new() } else { work.messages }
        });
        failed.extend(done.concat().await);
        let failure = |item_identifier| BatchItemFailure { item_identifier };
        Ok(Answer::Messages(MessagesAnswer { batch_item_failures: failed.into_iter().map(failure).collect() }))
    }

    async fn act(&self, trigger: Trigger, entry: Entry<'_>, deadline: Deadline) -> Result<EventAnswer, Error> {
        let ignored = |why: String| {
            entry.ignored(&why);
            Ok(EventAnswer::ignored(why))
        };
        match trigger {
            Trigger::Ignored(why) => ignored(why),
            Trigger::Created(target) => {
                let work = self.controller.bring_in_line(&target, &self.parameter, deadline);
                let (done, calls) = timed(work).await;
                entry.created(&target.repository, &done, &calls);
                done.map(EventAnswer::outcome)
            }
            Trigger::PolicyChanged(target) => {
                let (done, calls) = timed(Box::pin(self.repair(&target, deadline))).await;
                entry.repaired(&target.repository, &done, &calls);
                done.map(EventAnswer::outcome)
            }
            Trigger::ParameterChanged { name, .. } if !is_parameter(&name, self.parameter.name()) => {
                ignored(format!("the parameter that changed is `{name}`, not `{}`", self.parameter.name()))
            }
            Trigger::ParameterChanged { registry, .. } => {
                let sweep = Sweep { registry, since: None, part: Part::All, scheduled: false };
                let swept = self.told_sweep(sweep.clone(), entry, deadline).await?;
                let (queued, calls) = timed(self.look_again(&sweep, deadline)).await;
                entry.called(&calls);
                queued.inspect_err(|error| entry.failed(error)).map(|()| swept)
            }
            Trigger::Sweep(sweep) => self.told_sweep(sweep, entry, deadline).await,
        }
    }

    async fn repair(&self, target: &Target, deadline: Deadline) -> Result<Report, Error> {
        // A repair that went by a remembered configuration could undo what a sweep has just done.
        let registry = target.repository.registry();
        let configuration = self.parameter.configuration_since(registry, SystemTime::now(), deadline).await?;
        let wanted = Wanted { configuration: &configuration, name: self.parameter.name() };
        reported(&target.repository, self.controller.mend(target, wanted, deadline).await)
    }

    /// Each repository's failure has been told already.
    async fn told_sweep(&self, sweep: Sweep, entry: Entry<'_>, deadline: Deadline) -> Result<EventAnswer, Error> {
        let (swept, calls) = timed(Box::pin(self.sweep(sweep, entry, deadline))).await;
        entry.called(&calls);
        swept.inspect_err(|error| match error {
            Error::Several { .. } => {}
            error => entry.failed(error),
        })
    }
}

/// What messages ask for that say the same.
struct Work {
    trigger: Trigger,
    cause: Cause,
    messages: Vec<String>,
}

/// Whether a parameter's name is that of the one that is named, or given by its ARN, in the settings. An ARN leaves
/// out the first `/`.
fn is_parameter(name: &str, setting: &str) -> bool {
    let path = setting.strip_prefix("arn:").and_then(|arn| arn.split_once(":parameter/"));
    name.trim_start_matches('/') == path.map_or(setting, |(_, path)| path).trim_start_matches('/')
}
