//! Does the function run when it is called?

use ecr_autopolicy::function::Settings;

use super::{
    deployment::Deployment,
    diagnosis::{Check, DELETED, Topic, number},
};
use crate::aws::deployment::{Function, Inspector, Mapping, Metric, Seen};

/// What to do about throttles.
const MORE: &str =
    "too many invocations came at once: raise the account's concurrency, or reserve more for this function";

/// The function, and what Lambda says of it.
pub(super) struct Facts {
    pub(super) function: Seen<Function>,
    pub(super) policy: Seen<String>,
    pub(super) destination: Seen<String>,
    pub(super) mappings: Seen<Vec<Mapping>>,
    concurrency: Seen<i32>,
    /// How often it was invoked, failed, and was refused for the number of invocations.
    counts: Seen<Vec<u64>>,
}

pub(super) async fn look(inspector: &Inspector, deployment: &Deployment) -> Facts {
    let name = &deployment.function;
    let metric = |metric| Metric { namespace: "AWS/Lambda", name: metric, dimension: ("FunctionName", name) };
    let metrics = ["Invocations", "Errors", "Throttles"].map(metric);
    let (function, policy, destination, mappings, concurrency, counts) = tokio::join!(
        inspector.function(name),
        inspector.function_policy(name),
        inspector.failure_destination(name),
        inspector.mappings(name),
        inspector.reserved_concurrency(name),
        inspector.last_day(&metrics),
    );
    Facts { function, policy, destination, mappings, concurrency, counts }
}

impl Facts {
    /// The function, where it is there to be seen.
    pub(super) fn seen(&self) -> Option<&Function> {
        self.function.as_ref().ok()?.as_ref()
    }

    /// What the function makes of its environment variables; nothing where they are not known.
    pub(super) fn settings(&self) -> Option<Result<Settings, String>> {
        let variables = self.seen()?.variables.as_ref().ok()?;
        Some(Settings::read(|name| variables.get(name).cloned()).map_err(|error| error.to_string()))
    }

    pub(super) fn check(&self, deployment: &Deployment) -> Check {
        const TOPIC: Topic = Topic::Function;
        let name = &deployment.function;
        let function = match &self.function {
            Err(unseen) => return Check::unseen(TOPIC, unseen),
            Ok(None) => return Check::failed(TOPIC, format!("the function `{name}` does not exist"), DELETED),
            Ok(Some(function)) => function,
        };
        let reason = function.state_reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let found = format!("the function `{name}` is in the state {}{reason}", function.state);
        match (function.state.as_str(), &function.update_failure) {
            ("Active", None) => Check::ok(TOPIC, found),
            ("Active", Some(failure)) => {
                let found = format!("the last update of the function `{name}` failed: {failure}");
                Check::warning(TOPIC, found, "what was there before is in use; deploy the stack again")
            }
            ("Pending" | "Inactive", _) => Check::warning(
                TOPIC,
                found,
                "the first event wakes it up, and may have to be tried again; look again then",
            ),
            _ => Check::failed(TOPIC, found, "mend what the reason says, and deploy the stack again"),
        }
    }

    pub(super) fn environment(&self, deployment: &Deployment) -> Check {
        const TOPIC: Topic = Topic::Environment;
        let function = match &self.function {
            Err(unseen) => return Check::unseen(TOPIC, unseen),
            Ok(function) => function.as_ref(),
        };
        if let Some(Err(reason)) = function.map(|function| &function.variables) {
            return Check::unknown(TOPIC, format!("Lambda does not tell the environment variables: {reason}"));
        }
        let settings = match self.settings() {
            Some(Ok(settings)) => settings,
            Some(Err(reason)) => {
                return Check::failed(
                    TOPIC,
                    reason,
                    "somebody changed the function's environment variables; set them back",
                );
            }
            None => return Check::unknown(TOPIC, "there is no function whose environment could be looked at"),
        };
        let found = format!("the function reads `{}`", settings.parameter);
        match deployment.output("PolicyParameterName") {
            Some(named) if *named != settings.parameter => {
                let remedy = "edit the one that the function reads, or set `POLICY_PARAMETER` back";
                Check::warning(TOPIC, format!("{found}, and the stack names `{named}`"), remedy)
            }
            _ => Check::ok(TOPIC, found),
        }
    }

    pub(super) fn concurrency(&self, deployment: &Deployment) -> Check {
        const TOPIC: Topic = Topic::Concurrency;
        match &self.concurrency {
            Err(unseen) => Check::unseen(TOPIC, unseen),
            Ok(Some(0)) => {
                let remedy =
                    format!("`aws lambda delete-function-concurrency --function-name {}`", deployment.function);
                Check::failed(TOPIC, "every invocation is throttled: the function's reserved concurrency is 0", remedy)
            }
            Ok(Some(number)) => Check::ok(TOPIC, format!("the function's reserved concurrency is {number}")),
            Ok(None) => Check::ok(TOPIC, "the function shares the account's concurrency"),
        }
    }

    pub(super) fn failure_destination(&self, deployment: &Deployment) -> Check {
        const TOPIC: Topic = Topic::FailureDestination;
        match &self.destination {
            Err(unseen) => Check::unseen(TOPIC, unseen),
            Ok(Some(arn)) => {
                let name = deployment.queue(arn).map_or(arn, |queue| &queue.label);
                Check::ok(TOPIC, format!("events that the function failed on go to `{name}`"))
            }
            Ok(None) => {
                let failures = deployment.queues.iter().find(|queue| queue.failures).map_or("ARN", |queue| &queue.arn);
                let remedy = format!(
                    "`aws lambda put-function-event-invoke-config --function-name {} --destination-config \
                     OnFailure={{Destination={failures}}}`",
                    deployment.function
                );
                Check::warning(TOPIC, "an event that the function fails on is lost", remedy)
            }
        }
    }

    /// One check for each mapping that the stack has.
    pub(super) fn queue_mappings(&self, deployment: &Deployment) -> Vec<Check> {
        const TOPIC: Topic = Topic::QueueMapping;
        let check = |id: &String| {
            let mappings = match &self.mappings {
                Err(unseen) => return Check::unseen(TOPIC, unseen),
                Ok(mappings) => mappings.as_deref().unwrap_or_default(),
            };
            let Some(mapping) = mappings.iter().find(|mapping| mapping.id == *id) else {
                let found = format!("the event source mapping `{id}` does not exist");
                return Check::failed(TOPIC, found, DELETED);
            };
            let queue = deployment.queue(&mapping.source).map_or(&mapping.source, |queue| &queue.label);
            let found = format!("the event source mapping of `{queue}` is in the state {}", mapping.state);
            match mapping.state.as_str() {
                "Enabled" => Check::ok(TOPIC, found),
                "Disabled" | "Disabling" => {
                    let remedy = format!("`aws lambda update-event-source-mapping --uuid {id} --enabled`");
                    Check::failed(TOPIC, found, remedy)
                }
                _ => Check::warning(TOPIC, found, "wait until it is done, and look again"),
            }
        };
        deployment.mappings.iter().map(check).collect()
    }

    pub(super) fn invocations(&self) -> Check {
        const TOPIC: Topic = Topic::Invocations;
        let counts = match &self.counts {
            Err(unseen) => return Check::unseen(TOPIC, unseen),
            Ok(counts) => counts.as_deref().unwrap_or_default(),
        };
        let of = |index: usize| counts.get(index).copied().unwrap_or_default();
        let (invocations, errors, throttles) = (of(0), of(1), of(2));
        let found = format!(
            "in the last 24 hours {}, {}, {}",
            number(invocations, "invocation"),
            number(errors, "error"),
            number(throttles, "throttle")
        );
        if errors == 0 && throttles == 0 {
            return Check::ok(TOPIC, found);
        }
        let log = self.seen().and_then(|function| function.log_group.as_deref());
        let log =
            log.map_or_else(|| "the function's log".to_owned(), |group| format!("`aws logs tail {group} --since 1d`"));
        let remedy = match (errors, throttles) {
            (0, _) => MORE.to_owned(),
            (_, 0) => format!("{log} tells the reasons"),
            _ => format!("{log} tells the reasons of the errors; {MORE}"),
        };
        Check::warning(TOPIC, found, remedy)
    }
}
