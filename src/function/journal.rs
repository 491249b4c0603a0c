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
                self.called(calls);
                self.journal.counts().count(Count::Unchanged, 1);
                let (event_id, request_id) = self.ids();
                let (Report { repository, why, .. }, outcome) = (report, report.outcome.as_str());
                tracing::debug!(repository, outcome, why, event_id, request_id, "reconciled");
            }
            _ => self.done(repository, done, calls, None),
        }
    }

    /// A sweep was put on the work queue, or as much of it as there was time for.
    pub(super) fn spread(&self, registry: &Registry, queued: usize, more: bool) {
        self.journal.counts().count(Count::Queued, u64::try_from(queued).unwrap_or(u64::MAX));
        let (event_id, request_id) = self.ids();
        let (registry, region) = (registry.id(), registry.region());
        tracing::info!(registry, region, queued, more, event_id, request_id, "sweep");
    }

    /// A sweep's list had to be begun anew.
    pub(super) fn begun_anew(&self, registry: &Registry, error: &Error) {
        let (event_id, request_id) = self.ids();
        let (registry, region) = (registry.id(), registry.region());
        tracing::warn!(registry, region, %error, event_id, request_id, "the list begins anew");
    }

    /// One of many could not be brought in line, and is tried again alone: that decides whether it failed.
    pub(super) fn put_off(&self, repository: &Repository, error: &Error, calls: &Calls) {
        self.called(calls);
        let (event_id, request_id) = self.ids();
        let (error_type, repository) = (error.label(), repository.arn());
        tracing::warn!(error_type, repository, %error, event_id, request_id, "tried again later");
    }

    /// Calls were made that are no single repository's.
    pub(super) fn called(&self, calls: &Calls) {
        self.journal.counts().count(Count::Throttled, calls.refused());
    }

    /// An event was none of our business.
    pub(super) fn ignored(&self, why: &str) {
        self.journal.counts().count(Count::Ignored, 1);
        let (event_id, request_id) = self.ids();
        tracing::info!(why, event_id, request_id, "ignored");
    }

    /// An event failed as a whole.
    pub(super) fn failed(&self, error: &Error) {
        self.journal.counts().failed(error.label());
        let (event_id, request_id) = self.ids();
        tracing::error!(error_type = error.label(), error = %error, event_id, request_id, "failed");
    }

    fn ids(&self) -> (Option<&str>, &str) {
        (self.cause.id.as_deref(), &self.journal.request_id)
    }

    fn done(
        &self,
        repository: &Repository,
        done: &Result<Report, Error>,
        calls: &Calls,
        seconds_since_creation: Option<f64>,
    ) {
        self.called(calls);
        let (event_id, request_id) = self.ids();
        let took = |action| calls.took(action).map(milliseconds);
        let (get_parameter_ms, list_tags_ms) = (took("ssm:GetParameter"), took("ecr:ListTagsForResource"));
        let (get_policy_ms, set_policy_ms) = (took("ecr:GetRepositoryPolicy"), took("ecr:SetRepositoryPolicy"));
        let (delete_policy_ms, throttled) = (took("ecr:DeleteRepositoryPolicy"), calls.refused());
        macro_rules! tell {
            ($level:ident, $message:literal, $($fields:tt)+) => {
                tracing::$level!(
                    $($fields)+,
                    event_id,
                    request_id,
                    seconds_since_creation,
                    get_parameter_ms,
                    get_policy_ms,
                    list_tags_ms,
                    set_policy_ms,
                    delete_policy_ms,
                    throttled,
                    $message
                )
            };
        }
        match done {
            Ok(report) => {
                self.journal.counts().count(Count::from(report.outcome), 1);
                let Report { repository, outcome, rules, statements, changed, why, .. } = report;
                let (outcome, rules) = (outcome.as_str(), rules.join(","));
                let (statements, changed) = (statements.join(","), changed.join(","));
                tell!(info, "reconciled", repository, outcome, rules, statements, changed, why);
            }
            Err(error) => {
                self.journal.counts().failed(error.label());
                let (error_type, repository) = (error.label(), repository.arn());
                tell!(error, "failed", error_type, repository, %error);
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
