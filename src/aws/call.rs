//! One call: its deadline, and what its failure means.

use std::{
    error::Error as StdError,
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::timeout::TimeoutConfig;
use aws_sdk_ecr::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::FinalizerInterceptorContextRef},
    error::{BoxError, ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use tokio::time::Instant;

use super::connection::timeouts;
use crate::error::Error;

/// When the work on an event must have ended.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// That much time from now.
    #[must_use]
    pub fn after(left: Duration) -> Self {
        Self(Instant::now() + left)
    }

    fn left(self) -> Duration {
        // The SDK takes a limit of nothing for no limit.
        self.0.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }
}

/// One call of an IAM action on a resource. The SDK retries what is worth it until the deadline.
pub(super) struct Call {
    action: &'static str,
    resource: String,
    deadline: Deadline,
    allow: &'static str,
    last_attempt: Arc<Mutex<Option<ServiceError>>>,
}

/// What a service said in an error answer.
#[derive(Clone, Debug)]
struct ServiceError {
    code: String,
    message: String,
}

impl Call {
    pub(super) fn new(action: &'static str, resource: impl Into<String>, deadline: Deadline) -> Self {
        let allow = "allow it in the policy of the function's role";
        Self { action, resource: resource.into(), deadline, allow, last_attempt: Arc::default() }
    }

    /// How to allow it, where there is more to it than the role.
    pub(super) fn allowed_by(self, allow: &'static str) -> Self {
        Self { allow, ..self }
    }

    /// The time limits of the call.
    pub(super) fn timeouts(&self) -> TimeoutConfig {
        timeouts().operation_timeout(self.deadline.left()).build()
    }

    /// Remembers what each attempt failed with: when time runs out, the SDK itself only tells that it did.
    pub(super) fn watch<E>(&self) -> impl Intercept + use<E>
    where
        E: StdError + ProvideErrorMetadata + fmt::Debug + Send + Sync + 'static,
    {
        Watch::<E> { last_attempt: Arc::clone(&self.last_attempt), error: PhantomData }
    }

    /// What a failure of the call means for the event.
    pub(super) fn explain<E, R>(self, error: &SdkError<E, R>) -> Error
    where
        E: StdError + ProvideErrorMetadata + 'static,
        R: fmt::Debug + 'static,
    {
        let answer = match error {
            SdkError::ServiceError(error) => Some(ServiceError::of(error.err())),
            SdkError::TimeoutError(_) => self.last_attempt.lock().unwrap_or_else(PoisonError::into_inner).take(),
            _ => None,
        };
        let Self { action, resource, allow, .. } = self;
        match answer {
            Some(answer) if answer.is_throttle() => Error::Throttled { action, resource, reason: answer.to_string() },
            Some(answer) if answer.is_denial() || answer.is_about_credentials() => Error::AccessDenied {
                action,
                resource,
                reason: answer.to_string(),
                remedy: if answer.is_about_credentials() {
                    "give the function valid credentials of its role"
                } else {
                    allow
                },
            },
            Some(answer) => Error::ServiceUnavailable { action, resource, reason: answer.to_string() },
            None => Error::ServiceUnavailable { action, resource, reason: chain(error) },
        }
    }
}

impl ServiceError {
    fn of(error: &impl ProvideErrorMetadata) -> Self {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self { code: text(error.code()), message: text(error.message()) }
    }

    fn is_throttle(&self) -> bool {
        // The names under which AWS services refuse for the number of calls, as the SDK's own retries know them.
        const THROTTLES: [&str; 10] = [
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "LimitExceededException",
            "BandwidthLimitExceeded",
            "SlowDown",
        ];
        THROTTLES.contains(&self.code.as_str())
    }

    fn is_denial(&self) -> bool {
        const DENIALS: [&str; 5] = [
            "AccessDenied",
            "AccessDeniedException",
            "NotAuthorized",
            "UnauthorizedOperation",
            "KMSAccessDeniedException",
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

#[derive(Debug)]
struct Watch<E> {
    last_attempt: Arc<Mutex<Option<ServiceError>>>,
    error: PhantomData<fn() -> E>,
}

#[dyn_dispatch_hint]
impl<E> Intercept for Watch<E>
where
    E: StdError + ProvideErrorMetadata + fmt::Debug + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.output_or_error().and_then(Result::err);
        let error = answer.and_then(|error| error.as_operation_error()?.downcast_ref::<E>());
        *self.last_attempt.lock().unwrap_or_else(PoisonError::into_inner) = error.map(ServiceError::of);
        Ok(())
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
