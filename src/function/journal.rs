//! What becomes of an invocation: a line in the log for each outcome, in the words of the answer, and the metrics.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::metrics::{Count, Metrics};
use crate::{
    aws::Calls,
    controller::{Outcome, Report},
    error::Error,
    repository::{Registry, Repository},
};

/// Of one invocation.
#[derive(Debug)]
pub struct Journal {
    request_id: String,
    metrics: Mutex<Metrics>,
}

/// The event that made us act.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cause {
    /// CloudTrail's id of it, or EventBridge's.
    id: Option<String>,
    /// When it happened.
    time: Option<SystemTime>,
}

/// What came of one event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    journal: &'a Journal,
    cause: &'a Cause,
}

impl Cause {
    pub(super) fn of(event: &Value) -> Self {
        let text = |places: [&str; 2]| places.iter().find_map(|place| event.pointer(place)?.as_str());
        let time = text(["/detail/eventTime", "/time"]);
        Self {
            id: text(["/detail/eventID", "/id"]).map(str::to_owned),
            time: time.and_then(|time| humantime::parse_rfc3339(time).ok()),
        }
    }

    fn seconds_ago(&self) -> Option<f64> {
        let elapsed = self.time?.elapsed().unwrap_or_default();
        Some(in_thousandths(elapsed.as_secs_f64()))
    }
}

impl Journal {
    /// For the invocation with this id.
    #[must_use]
    pub fn new(request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), metrics: Mutex::default() }
    }

    /// What there is to tell by now.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.counts().clone()
    }

    /// Where it is told what came of an event.
    pub(super) fn about<'a>(&'a self, cause: &'a Cause) -> Entry<'a> {
        Entry { journal: self, cause }
    }

    fn counts(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry<'_> {
    /// A new repository was brought in line, or was not.
    pub(super) fn created(&self, repository: &Repository, done: &Result<Report, Error>, calls: &Calls) {
        let age = self.cause.seconds_ago();
        self.journal.counts().count(Count::Creations, 1);
        if let (Ok(Report { outcome: Outcome::Applied, .. }), Some(age)) = (done, age) {
            self.journal.counts().policy_came_after(age);
        }
        self.done(repository, done, calls, age);
    }

    /// So was one whose policy somebody else had changed.
    pub(super) fn repaired(&self, repository: &Repository, done: &Result<Report, Error>, calls: &Calls) {
        self.done(repository, done, calls, None);
    }

    /// So was one of many.
    pub(super) fn swept(&self, scheduled: bool, repository: &Repository, done: &Result<Report, Error>, calls: &Calls) {
        self.journal.counts().count(Count::Swept, u64::from(done.is_ok()));
        if scheduled && done.as_ref().is_ok_and(|report| matches!(report.outcome, Outcome::Applied | Outcome::Removed))
        {
            self.journal.counts().count(Count::Corrected, 1);
        }
        match done {
            // Nobody wants to read of every repository that stays as it is.
            Ok(report) if report.outcome == Outcome::Unchanged => {
                self.journal.counts().count(Count::Unchanged, 1);
                self.journal.counts().count(Count::Throttled, calls.refused());
                let Report { repository, why, .. } = report;
                tracing::debug!(
                    repository,
                    outcome = report.outcome.as_str(),
                    why,
                    event_id = self.cause.id,
                    "reconciled"
                );
            }
            _ => self.done(repository, done, calls, None),
        }
    }

    /// A sweep was put on the work queue, or as much of it as there was time for.
    pub(super) fn spread(&self, registry: &Registry, queued: usize, more: bool) {
        self.journal.counts().count(Count::Queued, u64::try_from(queued).unwrap_or(u64::MAX));
        let (event_id, request_id) = (self.cause.id.as_deref(), &self.journal.request_id);
        tracing::info!(
            registry = registry.id(),
            region = registry.region(),
            queued,
            more,
            event_id,
            request_id,
            "sweep"
        );
    }

    /// An event was none of our business.
    pub(super) fn ignored(&self, why: &str) {
        self.journal.counts().count(Count::Ignored, 1);
        tracing::info!(why, event_id = self.cause.id, request_id = self.journal.request_id, "ignored");
    }

    /// An event failed as a whole.
    pub(super) fn failed(&self, error: &Error) {
        self.journal.counts().failed(error.label());
        let (event_id, request_id) = (self.cause.id.as_deref(), &self.journal.request_id);
        tracing::error!(error_type = error.label(), error = %error, event_id, request_id, "failed");
    }

    fn done(
        &self,
        repository: &Repository,
        done: &Result<Report, Error>,
        calls: &Calls,
        seconds_since_creation: Option<f64>,
    ) {
        self.journal.counts().count(Count::Throttled, calls.refused());
        let (event_id, request_id) = (self.cause.id.as_deref(), &self.journal.request_id);
        let took = |action| calls.took(action).map(milliseconds);
        let (get_parameter_ms, list_tags_ms) = (took("ssm:GetParameter"), took("ecr:ListTagsForResource"));
        let (get_policy_ms, set_policy_ms) = (took("ecr:GetRepositoryPolicy"), took("ecr:SetRepositoryPolicy"));
        let (delete_policy_ms, throttled) = (took("ecr:DeleteRepositoryPolicy"), calls.refused());
        match done {
            Ok(report) => {
                self.journal.counts().count(Count::from(report.outcome), 1);
                tracing::info!(
                    repository = report.repository,
                    outcome = report.outcome.as_str(),
                    rules = report.rules.join(","),
                    statements = report.statements.join(","),
                    changed = report.changed.join(","),
                    why = report.why,
                    event_id,
                    request_id,
                    seconds_since_creation,
                    get_parameter_ms,
                    get_policy_ms,
                    list_tags_ms,
                    set_policy_ms,
                    delete_policy_ms,
                    throttled,
                    "reconciled"
                );
            }
            Err(error) => {
                self.journal.counts().failed(error.label());
                tracing::error!(
                    error_type = error.label(),
                    repository = repository.arn(),
                    error = %error,
                    event_id,
                    request_id,
                    seconds_since_creation,
                    get_parameter_ms,
                    get_policy_ms,
                    list_tags_ms,
                    set_policy_ms,
                    delete_policy_ms,
                    throttled,
                    "failed"
                );
            }
        }
    }
}

impl From<Outcome> for Count {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Applied,
            Outcome::Removed => Self::Removed,
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Skipped => Self::Skipped,
            Outcome::Gone => Self::Gone,
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    in_thousandths(time.as_secs_f64() * 1000.0)
}

fn in_thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
