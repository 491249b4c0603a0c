//! Why a repository could not be brought in line: one label each for the log and the answer, and a
//! message that ends in its remedy.

use thiserror::Error;

use crate::{configuration::Findings, finding::quoted, reconcile::Impossible};

/// Why an event failed. Lambda retries it, and what fails for good ends in the failure queue.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The event is no such event as the function acts on.
    #[error("not an event that this function acts on: {0}")]
    InvalidEvent(String),
    /// There is no configuration to act on.
    #[error("no configuration: {reason}; {remedy}")]
    ConfigurationMissing {
        /// What is missing.
        reason: String,
        /// How to get it.
        remedy: String,
    },
    /// The configuration, or a setting of the function, cannot be used.
    #[error("the value of `{name}` cannot be used, and nothing was written: {reason}")]
    ConfigurationInvalid {
        /// The parameter or the environment variable that holds it.
        name: String,
        /// What is wrong with it, and what to write instead.
        reason: String,
    },
    /// The policy would be longer than ECR takes.
    #[error("`{repository}`: {reason}")]
    PolicyTooLarge {
        /// The repository's ARN.
        repository: String,
        /// How long, and what would be shorter.
        reason: Impossible,
    },
    /// The policy cannot be written, or ECR refused it.
    #[error("`{repository}`: {reason}; {remedy}")]
    PolicyRejected {
        /// The repository's ARN.
        repository: String,
        /// ECR's reason, or ours.
        reason: String,
        /// What to change.
        remedy: String,
    },
    /// The function's role may not do what it has to.
    #[error("`{action}` on `{resource}` is denied: {reason}; {remedy}")]
    AccessDenied {
        /// The IAM action.
        action: &'static str,
        /// What it was tried on.
        resource: String,
        /// The service's words.
        reason: String,
        /// How to allow it.
        remedy: &'static str,
    },
    /// The service still refused for the number of calls when the retries or the invocation's time ended.
    #[error("`{action}` on `{resource}` was throttled until the time was up: {reason}; it is safe to try again")]
    Throttled {
        /// The IAM action.
        action: &'static str,
        /// What it was tried on.
        resource: String,
        /// The service's words.
        reason: String,
    },
    /// Several repositories could not be brought in line.
    #[error("{} could not be brought in line: {}; the first because {first}", repositories(*number), named(names, *number))]
    Several {
        /// How many.
        number: usize,
        /// The ARNs of some of them.
        names: Vec<String>,
        /// What went wrong with the first.
        first: Box<Error>,
    },
    /// The service could not be reached, or failed.
    #[error("`{action}` on `{resource}` failed: {reason}; it is safe to try again")]
    ServiceUnavailable {
        /// The IAM action.
        action: &'static str,
        /// What it was tried on.
        resource: String,
        /// What went wrong.
        reason: String,
    },
}

impl Error {
    /// A configuration with mistakes.
    #[must_use]
    pub fn configuration_invalid(name: &str, findings: &Findings) -> Self {
        Self::ConfigurationInvalid { name: name.to_owned(), reason: format!("\n{findings}") }
    }

    /// The error's type in the answer and the log.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::InvalidEvent(_) => "InvalidEvent",
            Self::ConfigurationMissing { .. } => "ConfigurationMissing",
            Self::ConfigurationInvalid { .. } => "ConfigurationInvalid",
            Self::PolicyTooLarge { .. } => "PolicyTooLarge",
            Self::PolicyRejected { .. } => "PolicyRejected",
            Self::AccessDenied { .. } => "AccessDenied",
            Self::Throttled { .. } => "Throttled",
            Self::Several { first, .. } => first.label(),
            Self::ServiceUnavailable { .. } => "ServiceUnavailable",
        }
    }
}

fn repositories(number: usize) -> String {
    format!("{number} {}", if number == 1 { "repository" } else { "repositories" })
}

fn named(names: &[String], number: usize) -> String {
    let listed = quoted(names);
    if number > names.len() { format!("{listed} and {} more", number - names.len()) } else { listed }
}
