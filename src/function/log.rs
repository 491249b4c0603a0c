//! The log: one line for each outcome, in the words of the answer.

use crate::{
    controller::{Outcome, Report},
    error::Error,
    repository::{Registry, Repository},
};

pub(super) fn done(repository: &Repository, done: &Result<Report, Error>) {
    match done {
        Ok(report) => outcome(report),
        Err(error) => failure(error, Some(repository)),
    }
}

/// The same in a sweep, where nobody wants to read of every repository that stays as it is.
pub(super) fn swept(repository: &Repository, done: &Result<Report, Error>) {
    match done {
        Ok(report) if report.outcome == Outcome::Unchanged => {
            tracing::debug!(
                repository = report.repository,
                outcome = report.outcome.as_str(),
                why = report.why,
                "reconciled"
            );
        }
        other => self::done(repository, other),
    }
}

fn outcome(report: &Report) {
    tracing::info!(
        repository = report.repository,
        outcome = report.outcome.as_str(),
        rules = report.rules.join(","),
        statements = report.statements.join(","),
        why = report.why,
        "reconciled"
    );
}

pub(super) fn ignored(why: &str) {
    tracing::info!(why, "ignored");
}

pub(super) fn spread(registry: &Registry, queued: usize, more: bool) {
    tracing::info!(registry = registry.id(), region = registry.region(), queued, more, "sweep");
}

pub(super) fn failure(error: &Error, repository: Option<&Repository>) {
    let repository = repository.map(Repository::arn);
    tracing::error!(error_type = error.label(), repository, error = %error, "failed");
}
