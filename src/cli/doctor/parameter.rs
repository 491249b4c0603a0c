//! Is there a configuration that the function can use?

use std::time::Duration;

use ecr_autopolicy::{
    aws::{Deadline, ParameterClient},
    configuration::Configuration,
    error::Error,
    finding::Severity,
    policy::sid::SidPrefix,
    repository::Registry,
};

use super::diagnosis::{Check, Topic::Parameter as TOPIC};
use crate::{
    aws::{
        Aws,
        deployment::{Inspector, Unseen},
    },
    printer::count,
};

/// A service that cannot be reached at all is given up after this.
const UNREACHABLE: Duration = Duration::from_secs(10);

/// The check, and the configuration where there is one.
pub(super) async fn check(
    inspector: &Inspector,
    aws: &Aws,
    name: &str,
    prefix: &SidPrefix,
    registry: &Registry,
) -> (Check, Option<Configuration>) {
    let client = ParameterClient::new(&aws.connection, name.to_owned());
    let deadline = Deadline::after(inspector.left()).unreachable_for(UNREACHABLE);
    let stored = match client.read(deadline).await {
        Ok(stored) => stored,
        Err(error) => return (unreadable(name, error), None),
    };
    let (configuration, findings) = Configuration::examine(&stored.value, prefix, registry);
    let of = |severity| findings.0.iter().filter(move |finding| finding.severity == severity);
    let (errors, warnings) = (of(Severity::Error).count(), of(Severity::Warning).count());
    let remedy = match prefix.as_str() {
        SidPrefix::DEFAULT => format!("`ecr-autopolicy check --parameter {name}` tells everything"),
        prefix => format!("`ecr-autopolicy check --parameter {name} --prefix {prefix}` tells everything"),
    };
    // What is wrong is told in words of the value, and those of a SecureString are secret.
    let first = |severity| match of(severity).next().filter(|_| !stored.is_secure()) {
        Some(finding) => format!(", first: {finding}"),
        None => String::new(),
    };
    if errors > 0 {
        let found =
            format!("`{name}` has {}, so that nothing is written{}", count(errors, "error"), first(Severity::Error));
        return (Check::failed(TOPIC, found, remedy), None);
    }
    let check = if configuration.rules.is_empty() {
        let remedy =
            "without rules no repository gets a policy; write some, and put them there with `ecr-autopolicy push`";
        Check::warning(TOPIC, format!("`{name}` has no rules"), remedy)
    } else if warnings > 0 {
        let found = format!("`{name}` is valid, with {}{}", count(warnings, "warning"), first(Severity::Warning));
        Check::warning(TOPIC, found, remedy)
    } else {
        Check::ok(TOPIC, format!("`{name}` is valid and has {}", count(configuration.rules.len(), "rule")))
    };
    (check, Some(configuration))
}

fn unreadable(name: &str, error: Error) -> Check {
    match error {
        Error::AccessDenied { action, reason, .. } => Check::unseen(TOPIC, &Unseen { action, denied: true, reason }),
        Error::Throttled { action, reason, .. } | Error::ServiceUnavailable { action, reason, .. } => {
            Check::unseen(TOPIC, &Unseen { action, denied: false, reason })
        }
        Error::ConfigurationMissing { reason, remedy } => Check::failed(TOPIC, reason, remedy),
        other => Check::failed(TOPIC, format!("`{name}`: {other}"), "correct the parameter"),
    }
}
