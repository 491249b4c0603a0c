//! One call: tried again until its deadline, and what its failure means.

use std::{error::Error as StdError, fmt, time::Duration};

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_ecr::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{pacer::Pacer, timing};
use crate::error::Error;

/// A call that answers at all answers in milliseconds; a longer silence is a lost connection.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses before a call is tried again are random, up to these.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How rustls begins. Of its errors the connection pool hands on the words alone.
const CERTIFICATE_REFUSED: &str = "invalid peer certificate";

/// When the work must have ended.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    unreachable: Duration,
}

impl Deadline {
    /// That much time from now.
    #[must_use]
    pub fn after(left: Duration) -> Self {
        Self { end: Instant::now() + left, unreachable: left }
    }

    /// The time that is left.
    #[must_use]
    pub fn left(self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The same, or that much time from now, whichever comes first.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { end: self.end.min(Instant::now() + time), ..self }
    }

    /// The same, but a service that fails, or cannot be reached, for this long is given up earlier. One that only
    /// refuses for the number of calls is not.
    #[must_use]
    pub fn unreachable_for(self, unreachable: Duration) -> Self {
        Self { unreachable, ..self }
    }
}

/// One call of an IAM action on a resource.
pub(super) struct Call {
    action: &'static str,
    resource: String,
    deadline: Deadline,
    allow: &'static str,
}

/// What a service said in an error answer.
#[derive(Clone, Debug)]
struct ServiceError {
    code: String,
    message: String,
}

/// Whether it may help to try again.
enum Again {
    /// The service refuses for the number of calls.
    Throttled,
    /// The service failed, or could not be reached.
    Unreachable,
    /// It would not help.
    Never,
}

/// Others were before this call for as long as there was time.
#[derive(Debug, thiserror::Error)]
#[error("the time was up before the turn of this call came")]
struct NoTurn;

impl Call {
    pub(super) fn new(action: &'static str, resource: impl Into<String>, deadline: Deadline) -> Self {
        let allow = "allow it in the policy of the role that makes the call";
        Self { action, resource: resource.into(), deadline, allow }
    }

    /// How to allow it, where there is more to it than the role.
    pub(super) fn allowed_by(self, allow: &'static str) -> Self {
        Self { allow, ..self }
    }

    /// Makes the call, and makes it again while that may help and there is time.
    ///
    /// The SDK's own retries are off: they end after a count and have a quota that lives as long as the process, where
    /// here only the deadline ends them.
    pub(super) async fn send<T, E: ProvideErrorMetadata>(
        &self,
        pacer: &Pacer,
        attempt: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, SdkError<E, HttpResponse>> {
        let start = Instant::now();
        let answer = self.send_until_deadline(pacer, attempt).await;
        timing::took(self.action, start.elapsed());
        answer
    }

    async fn send_until_deadline<T, E: ProvideErrorMetadata>(
        &self,
        pacer: &Pacer,
        attempt: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, SdkError<E, HttpResponse>> {
        let end = self.deadline.end;
        let mut pause = FIRST_PAUSE;
        let mut unreachable_since = None;
        let mut last = None;
        loop {
            let turn = timeout_at(end, pacer.turn()).await.ok();
            let Some(sent) = turn.filter(|_| !self.deadline.left().is_zero()) else {
                return Err(last.unwrap_or_else(|| SdkError::timeout_error(NoTurn)));
            };
            let left = self.deadline.left();
            let answer = match timeout(ATTEMPT_TIMEOUT.min(left), Box::pin(attempt())).await {
                Ok(answer) => answer,
                // What was said before tells more than that there was no time left.
                Err(elapsed) if left < ATTEMPT_TIMEOUT => {
                    return Err(last.unwrap_or_else(|| SdkError::timeout_error(elapsed)));
                }
                Err(elapsed) => Err(SdkError::timeout_error(elapsed)),
            };
            let error = match answer {
                Ok(answer) => {
                    pacer.accepted();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let now = Instant::now();
            match Again::after(&error) {
                Again::Never => {
                    pacer.accepted();
                    return Err(error);
                }
                Again::Throttled => {
                    pacer.refused(sent);
                    timing::refused();
                    unreachable_since = None;
                }
                Again::Unreachable => {
                    let since = *unreachable_since.get_or_insert(now);
                    if now.duration_since(since) > self.deadline.unreachable {
                        return Err(error);
                    }
                }
            }
            let random = pause.mul_f64(fastrand::f64());
            if now + random >= end {
                return Err(error);
            }
            sleep(random).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            last = Some(error);
        }
    }

    /// What a failure of the call means for the event.
    pub(super) fn explain<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let throttled = matches!(Again::after(error), Again::Throttled);
        let Self { action, resource, allow, .. } = self;
        let (action, resource, allow) = (*action, resource.clone(), *allow);
        let SdkError::ServiceError(refusal) = error else {
            let mut reason = chain(error);
            if reason.contains(CERTIFICATE_REFUSED) {
                reason += "; if whoever answers there is to be trusted, name its certificates by `AWS_CA_BUNDLE`";
            }
            let no_turn = error.source().is_some_and(|source| source.is::<NoTurn>());
            return match no_turn {
                true => Error::Throttled { action, resource, reason },
                false => Error::ServiceUnavailable { action, resource, reason },
            };
        };
        let answer = ServiceError::of(refusal.err());
        let reason = answer.to_string();
        if throttled {
            Error::Throttled { action, resource, reason }
        } else if answer.is_about_credentials() {
            let remedy = "give valid credentials of a role that may make the call";
            Error::AccessDenied { action, resource, reason, remedy }
        } else if answer.is_denial() {
            Error::AccessDenied { action, resource, reason, remedy: allow }
        } else {
            Error::ServiceUnavailable { action, resource, reason }
        }
    }
}

impl Again {
    fn after<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Self::Unreachable,
            SdkError::DispatchFailure(failure)
                if failure.is_io() || failure.is_timeout() || failure.as_other().is_some() =>
            {
                Self::Unreachable
            }
            SdkError::ServiceError(refusal) => {
                let code = refusal.err().code().unwrap_or_default();
                if THROTTLING_ERRORS.contains(&code) || refusal.raw().status().as_u16() == 429 {
                    Self::Throttled
                } else if TRANSIENT_ERRORS.contains(&code) || refusal.raw().status().is_server_error() {
                    Self::Unreachable
                } else {
                    Self::Never
                }
            }
            _ => Self::Never,
        }
    }
}

impl ServiceError {
    fn of(error: &impl ProvideErrorMetadata) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self { code: text(error.code()), message: text(error.message()) }
    }

    fn is_denial(&self) -> bool {
        const DENIALS: [&str; 7] = [
            "AccessDenied",
            "AccessDeniedException",
            "NotAuthorized",
            "UnauthorizedOperation",
            "KMSAccessDeniedException",
            // SQS tells it in these words.
            "KMS.AccessDeniedException",
            "KmsAccessDenied",
        ];
        DENIALS.contains(&self.code.as_str())
    }

    fn is_about_credentials(&self) -> bool {
        const CREDENTIALS: [&str; 6] = [
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "ExpiredTokenException",
        ];
        CREDENTIALS.contains(&self.code.as_str())
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => f.write_str("the service failed without a word"),
            (code, "") => f.write_str(code),
            ("", message) => f.write_str(message),
            (code, message) => write!(f, "{code}: {message}"),
        }
    }
}

/// An error and its causes in one line; the SDK's own text names only the outermost.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut causes =
        std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect::<Vec<_>>();
    // Some causes repeat what their own cause says.
    causes.dedup();
    causes.join(": ")
}
