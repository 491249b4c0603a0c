//! What AWS says of a deployment. Looks, and changes nothing.

mod function;
mod metric;
mod queue;
mod role;
mod rule;
mod stack;
mod trail;

use std::{error::Error, iter::successors, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_cloudformation::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
pub(crate) use function::{Function, Mapping};
pub(crate) use metric::Metric;
pub(crate) use queue::Queue;
pub(crate) use role::By;
pub(crate) use rule::Rule;
pub(crate) use stack::{Resource, Stack};
use tokio::time::{Instant, timeout_at};
pub(crate) use trail::{Recorded, Trail};

use super::Aws;

/// A silent service is asked once more after this.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks AWS, for a limited time.
pub(crate) struct Inspector {
    config: SdkConfig,
    end: Instant,
}

/// What was asked for, `None` where there is no such thing.
pub(crate) type Seen<T> = Result<Option<T>, Unseen>;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) struct Unseen {
    /// The IAM action of the call.
    pub(crate) action: &'static str,
    /// Whether the caller is not permitted to make it.
    pub(crate) denied: bool,
    pub(crate) reason: String,
}

impl Inspector {
    /// An inspector that gives up what has no answer after `time`.
    pub(crate) fn new(aws: &Aws, time: Duration) -> Self {
        let timeouts =
            TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT);
        let config = aws.connection.sdk_config().to_builder();
        let config = config.retry_config(RetryConfig::standard()).timeout_config(timeouts.build());
        Self { config: config.build(), end: Instant::now() + time }
    }

    /// How much time there still is.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    async fn look<T, E: ProvideErrorMetadata + Error + 'static>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Seen<T> {
        let Ok(answer) = timeout_at(self.end, call).await else {
            return Err(Unseen {
                action,
                denied: false,
                reason: "the time was up before there was an answer".to_owned(),
            });
        };
        answer.map(Some).or_else(|error| match &error {
            SdkError::ServiceError(refusal) => refused(action, refusal.err(), refusal.raw().status().as_u16()),
            _ => Err(Unseen { action, denied: false, reason: causes(&error) }),
        })
    }
}

/// What the error that a service answers means.
fn refused<T>(action: &'static str, error: &(impl ProvideErrorMetadata + Error + 'static), status: u16) -> Seen<T> {
    const MISSING: [&str; 4] =
        ["ResourceNotFoundException", "NoSuchEntity", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
    const DENIED: [&str; 3] = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"];
    let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
    // CloudFormation has no code of its own for a stack that is not there.
    if MISSING.contains(&code) || (code == "ValidationError" && message.ends_with("does not exist")) {
        return Ok(None);
    }
    let reason = match (code, message) {
        // An answer that is none, or none that the SDK understands.
        ("", "") => format!("status {status}, {}", causes(error)),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    Err(Unseen { action, denied: DENIED.contains(&code), reason })
}

/// An error's causes in one line; its own text names only its kind.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut causes = successors(error.source(), |&cause| cause.source()).map(ToString::to_string).collect::<Vec<_>>();
    causes.dedup();
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
