//! Do the stack's rules pick events, and may EventBridge hand them on?

use std::fmt;

use ecr_autopolicy::policy::{
    document::{Document, Statement},
    wildcard,
};
use serde_json::Value;

use super::{
    deployment::{Deployment, NamedQueue, NamedRule},
    diagnosis::{Check, DELETED, Topic, number},
    function::Facts,
    queues::Queues,
};
use crate::aws::deployment::{Inspector, Metric, Rule, Seen};

const EVENTBRIDGE: &str = "events.amazonaws.com";

/// A rule, and what EventBridge says of it.
pub(super) struct Watched<'a> {
    rule: &'a NamedRule,
    seen: Seen<Rule>,
    targets: Seen<Vec<String>>,
}

pub(super) async fn look<'a>(inspector: &Inspector, deployment: &'a Deployment) -> Vec<Watched<'a>> {
    let mut rules = Vec::new();
    for rule in &deployment.rules {
        let (seen, targets) = tokio::join!(inspector.rule(&rule.name), inspector.targets(&rule.name));
        rules.push(Watched { rule, seen, targets });
    }
    rules
}

impl Watched<'_> {
    /// Whether its events make the function list the registry's repositories.
    pub(super) fn sweeps(&self) -> bool {
        let Ok(Some(rule)) = &self.seen else { return false };
        rule.schedule.is_some()
            || rule.pattern.as_ref().is_some_and(|pattern| pattern.contains("Parameter Store Change"))
    }

    pub(super) fn check(&self, deployment: &Deployment, function: &Facts, queues: &Queues<'_>) -> Check {
        let NamedRule { label, name } = self.rule;
        let rule = match &self.seen {
            Err(unseen) => return Check::unseen(Topic::Rule, unseen),
            Ok(None) => return Check::failed(Topic::Rule, format!("the rule `{name}` does not exist"), DELETED),
            Ok(Some(rule)) => rule,
        };
        if !rule.state.starts_with("ENABLED") {
            let remedy = format!("`aws events enable-rule --name {name}`");
            return Check::failed(Topic::Rule, format!("`{label}` is disabled"), remedy);
        }
        let targets = match &self.targets {
            Err(unseen) => return Check::unseen(Topic::Rule, unseen),
            Ok(targets) => targets.as_deref().unwrap_or_default(),
        };
        let Some(target) = targets.iter().find_map(|arn| Target::of(arn, deployment)) else {
            let remedy = "somebody changed its targets; put back the template's with `aws events put-targets`, or delete the \
                          stack and deploy it again";
            return Check::failed(Topic::Rule, format!("`{label}` does not hand its events to the function"), remedy);
        };
        let (action, policy) = match target {
            Target::Function => ("lambda:InvokeFunction", function.policy.clone()),
            Target::Queue(queue) => ("sqs:SendMessage", queues.policy(&queue.arn)),
        };
        match policy {
            Err(unseen) => Check::unseen(Topic::Rule, &unseen),
            Ok(Some(policy)) if admits(&policy, action, &rule.arn) => {
                Check::ok(Topic::Rule, format!("`{label}` is enabled, and hands its events to {target}"))
            }
            Ok(_) => {
                let remedy = match target {
                    Target::Function => format!(
                        "`aws lambda add-permission --function-name {} --statement-id {label} --action {action} --principal \
                         {EVENTBRIDGE} --source-arn {}`",
                        deployment.function, rule.arn
                    ),
                    Target::Queue(_) => {
                        format!("allow `{action}` to `{EVENTBRIDGE}` for `{}` in the queue's policy", rule.arn)
                    }
                };
                Check::failed(
                    Topic::Rule,
                    format!("EventBridge may not hand the events of `{label}` to {target}"),
                    remedy,
                )
            }
        }
    }
}

/// What a rule hands its events to.
enum Target<'a> {
    Function,
    Queue(&'a NamedQueue),
}

impl<'a> Target<'a> {
    /// The part of the stack that has the ARN, and can do something with an event.
    fn of(arn: &str, deployment: &'a Deployment) -> Option<Self> {
        if arn.ends_with(&format!(":function:{}", deployment.function)) {
            return Some(Self::Function);
        }
        deployment.queue(arn).filter(|queue| !queue.failures).map(Self::Queue)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function => f.write_str("the function"),
            Self::Queue(queue) => write!(f, "the queue `{}`", queue.label),
        }
    }
}

/// What became of the events that the rules picked.
pub(super) async fn delivery(inspector: &Inspector, deployment: &Deployment) -> Check {
    let metric = |name, rule| Metric { namespace: "AWS/Events", name, dimension: ("RuleName", rule) };
    let names = deployment.rules.iter().map(|rule| rule.name.as_str());
    let metrics = names.flat_map(|rule| ["TriggeredRules", "FailedInvocations"].map(|name| metric(name, rule)));
    let counts = match inspector.last_day(&metrics.collect::<Vec<_>>()).await {
        Err(unseen) => return Check::unseen(Topic::Delivery, &unseen),
        Ok(counts) => counts.unwrap_or_default(),
    };
    let sum = |offset| counts.iter().skip(offset).step_by(2).sum::<u64>();
    let (picked, failed) = (sum(0), sum(1));
    let found = format!(
        "in the last 24 hours the rules picked {}, and {failed} could not be delivered",
        number(picked, "event")
    );
    if failed == 0 {
        return Check::ok(Topic::Delivery, found);
    }
    Check::warning(
        Topic::Delivery,
        found,
        "look for them in the failure queue, where the attribute `ERROR_CODE` tells the reason",
    )
}

/// Whether a resource's policy lets EventBridge do this for the rule. A condition on something else than the rule is
/// taken for fulfilled.
fn admits(policy: &str, action: &str, rule: &str) -> bool {
    let admits = |statement: &Statement| {
        let element = |name: &str| statement.elements().get(name);
        let fits = |pattern: &str| wildcard::matches(&pattern.to_lowercase(), &action.to_lowercase());
        let service = |principal: &Value| match principal {
            Value::Object(kinds) => kinds.get("Service").is_some_and(|value| texts(value).contains(&EVENTBRIDGE)),
            anyone => anyone == "*",
        };
        element("Effect").is_some_and(|effect| effect == "Allow")
            && element("Principal").is_some_and(service)
            && element("Action").is_some_and(|actions| texts(actions).into_iter().any(fits))
            && sources(element("Condition"))
                .all(|patterns| texts(patterns).into_iter().any(|pattern| wildcard::matches(pattern, rule)))
    };
    Document::parse(policy).is_ok_and(|document| document.statements.iter().any(admits))
}

/// What the tests of a condition want `aws:SourceArn` to be.
fn sources(condition: Option<&Value>) -> impl Iterator<Item = &Value> {
    let tests = condition.and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values);
    let keys = tests.filter_map(Value::as_object).flatten();
    keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn")).map(|(_, value)| value)
}

/// A text or a list of texts.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}
