//! What an event asks for.

mod trail;
mod work;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    controller::Target,
    error::Error,
    repository::{Registry, is_account_id},
};

pub use work::{Part, Sweep};

/// What an event asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// A new repository is to be brought in line.
    Created(Target),
    /// A repository is, whose policy somebody else has just written or deleted.
    PolicyChanged(Target),
    /// Every repository of a registry is, or part of them.
    Sweep(Sweep),
    /// Every repository of a registry is, if this parameter is the one that holds the configuration.
    ParameterChanged {
        /// The parameter's name.
        name: String,
        /// The registry of the parameter's account and Region.
        registry: Registry,
    },
    /// Nothing is to be done, for this reason.
    Ignored(String),
}

impl Trigger {
    /// The registry that is acted on.
    #[must_use]
    pub fn registry(&self) -> Option<&Registry> {
        match self {
            Self::Created(target) | Self::PolicyChanged(target) => Some(target.repository.registry()),
            Self::Sweep(sweep) => Some(&sweep.registry),
            Self::ParameterChanged { registry, .. } => Some(registry),
            Self::Ignored(_) => None,
        }
    }
}

/// The function that was invoked.
#[derive(Clone, Copy, Debug)]
struct Own<'a> {
    account: &'a str,
    name: &'a str,
}

impl<'a> Own<'a> {
    /// By its ARN, `arn:aws:lambda:eu-central-1:111122223333:function:name`.
    fn of(function_arn: &'a str) -> Result<Self, Error> {
        let mut parts = function_arn.split(':').skip(4);
        let account = parts.next().filter(|account| is_account_id(account));
        let account =
            account.ok_or_else(|| invalid(format!("the invoked function's ARN `{function_arn}` names no account")))?;
        Ok(Self { account, name: parts.nth(1).unwrap_or_default() })
    }

    /// Whether this identity is the function's: Lambda names a role's session after the function.
    fn made(&self, identity: Option<&str>) -> bool {
        let session = identity.filter(|identity| identity.contains(":assumed-role/")).and_then(|identity| {
            let (role, session) = identity.rsplit_once('/')?;
            role.contains(&format!("::{}:", self.account)).then_some(session)
        });
        !self.name.is_empty() && session == Some(self.name)
    }
}

/// Where an event comes from, by EventBridge.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Envelope {
    account: Option<String>,
    region: Option<String>,
}

/// Parameter Store's news
/// (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html>).
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct ParameterStoreChange {
    detail: ParameterChange,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct ParameterChange {
    operation: String,
    name: String,
}

/// What the event asks the function with this ARN to do. An event that Lambda gave up on may stand in Lambda's record
/// of that.
///
/// # Errors
/// `InvalidEvent` where it is no event that the function could act on.
pub fn read_event(event: Value, function_arn: &str) -> Result<Trigger, Error> {
    read_unpacked(unpacked(event), function_arn)
}

/// The same of an event that was unpacked already.
pub(super) fn read_unpacked(event: Value, function_arn: &str) -> Result<Trigger, Error> {
    let own = Own::of(function_arn)?;
    if event.get("sweep").is_some() {
        return work::read(&event, &own);
    }
    match event.get("detail-type").and_then(Value::as_str) {
        Some("AWS API Call via CloudTrail") => trail::read(&event, trail::Maker::Caller, &own),
        Some("AWS Service Event via CloudTrail") => trail::read(&event, trail::Maker::Ecr, &own),
        Some("Parameter Store Change") => parameter_change(&event, &own),
        // Of a rule's schedule or of EventBridge Scheduler, whose `detail` is a text.
        Some("Scheduled Event") => Ok(match registry(&event, &own)? {
            Ok(registry) => Trigger::Sweep(Sweep { registry, since: None, part: Part::All, scheduled: true }),
            Err(anothers) => Trigger::Ignored(anothers),
        }),
        Some(other) => Err(invalid(format!("its `detail-type` is `{other}`"))),
        None => Err(invalid("it has no `detail-type`")),
    }
}

/// The event itself, where it stands in the record of Lambda's on-failure destination
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).
pub(super) fn unpacked(mut event: Value) -> Value {
    let of_lambda = event.get("requestContext").is_some();
    match event.get_mut("requestPayload").filter(|_| of_lambda) {
        Some(payload) => payload.take(),
        None => event,
    }
}

fn parameter_change(event: &Value, own: &Own<'_>) -> Result<Trigger, Error> {
    let change: ParameterStoreChange = parse(event, "")?;
    let ParameterChange { operation, name } = change.detail;
    if !matches!(operation.as_str(), "Create" | "Update") {
        return ignored(format!("the parameter's change is `{operation}`, which leaves no new value"));
    }
    Ok(match registry(event, own)? {
        Ok(registry) => Trigger::ParameterChanged { name, registry },
        Err(anothers) => Trigger::Ignored(anothers),
    })
}

/// The registry of the event's account and Region, or why that is none of ours.
fn registry(event: &Value, own: &Own<'_>) -> Result<Result<Registry, String>, Error> {
    let Envelope { account, region } = parse(event, "")?;
    registry_of(account.as_deref(), region.as_deref(), own)
}

fn registry_of(account: Option<&str>, region: Option<&str>, own: &Own<'_>) -> Result<Result<Registry, String>, Error> {
    let account = account.ok_or_else(|| invalid("it names no account"))?;
    let region = region.ok_or_else(|| invalid("it names no Region"))?;
    let registry = Registry::new(account, region).map_err(|error| invalid(error.to_string()))?;
    Ok(match registry.id() == own.account {
        true => Ok(registry),
        false => Err(format!(
            "the registry is that of account `{account}`, and this function acts on that of `{}` only",
            own.account
        )),
    })
}

/// Reads part of an event, which stands at `place` in it.
fn parse<T: DeserializeOwned>(value: &Value, place: &str) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().iter().next() {
        Some(_) => invalid(format!("{place}{error}")),
        None => invalid(format!("{}{error}", place.replace('.', ": "))),
    })
}

fn ignored(why: String) -> Result<Trigger, Error> {
    Ok(Trigger::Ignored(why))
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::InvalidEvent(reason.into())
}
