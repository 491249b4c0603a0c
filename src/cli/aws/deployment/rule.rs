//! EventBridge: a rule of the default event bus.

use aws_sdk_eventbridge::Client;

use super::{Inspector, Seen};

/// A rule.
pub(crate) struct Rule {
    pub(crate) arn: String,
    /// As `ENABLED`.
    pub(crate) state: String,
    /// The events that it picks, as JSON.
    pub(crate) pattern: Option<String>,
    /// When it makes an event itself.
    pub(crate) schedule: Option<String>,
}

impl Inspector {
    /// The rule of that name.
    pub(crate) async fn rule(&self, name: &str) -> Seen<Rule> {
        let call = Client::new(&self.config).describe_rule().name(name).send();
        let answer = self.look("events:DescribeRule", call).await?;
        Ok(answer.map(|rule| Rule {
            arn: rule.arn.unwrap_or_default(),
            state: rule.state.map(|state| state.to_string()).unwrap_or_default(),
            pattern: rule.event_pattern,
            schedule: rule.schedule_expression,
        }))
    }

    /// The ARNs of a rule's targets.
    pub(crate) async fn targets(&self, rule: &str) -> Seen<Vec<String>> {
        let call = Client::new(&self.config).list_targets_by_rule().rule(rule).send();
        let answer = self.look("events:ListTargetsByRule", call).await?;
        Ok(answer.map(|answer| answer.targets.unwrap_or_default().into_iter().map(|target| target.arn).collect()))
    }
}
