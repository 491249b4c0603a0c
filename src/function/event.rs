//! Which repository an event is about.
//!
//! Shapes: CloudTrail record contents
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>)
//! and non-API events of services
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/non-api-aws-service-events.html>), as EventBridge
//! delivers them.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    configuration::Tags,
    controller::Target,
    error::Error,
    repository::{Registry, Repository, is_account_id},
};

const API_CALL: &str = "AWS API Call via CloudTrail";
const SERVICE_EVENT: &str = "AWS Service Event via CloudTrail";

/// What an event asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// A repository is to be brought in line.
    Repository(Target),
    /// Nothing is to be done, for this reason.
    Ignored(String),
}

/// What a CloudTrail record is about. Read first and alone: in a record about something else the fields below may
/// look quite different, or be hidden.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Subject {
    event_source: String,
    event_name: String,
    error_code: Option<String>,
}

/// What a record says of its place, whichever its shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Origin {
    aws_region: Option<String>,
    recipient_account_id: Option<String>,
}

/// The record of a call that created a repository.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Call {
    request_parameters: Option<RequestParameters>,
    response_elements: Option<ResponseElements>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct RequestParameters {
    repository_name: Option<String>,
    tags: Option<Vec<Tag>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Tag {
    key: String,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct ResponseElements {
    repository: Option<CreatedRepository>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct CreatedRepository {
    repository_name: Option<String>,
    registry_id: Option<String>,
}

/// The record of a repository that ECR created itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ServiceEvent {
    service_event_details: ServiceEventDetails,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ServiceEventDetails {
    repository_name: String,
}

/// The repository as its record names it.
struct Named {
    repository: Option<String>,
    registry: Option<String>,
    tags: Option<Tags>,
}

impl From<Call> for Named {
    fn from(call: Call) -> Self {
        let created = call.response_elements.and_then(|elements| elements.repository).unwrap_or_default();
        let (asked, tags) = match call.request_parameters {
            Some(parameters) => (parameters.repository_name, parameters.tags.unwrap_or_default()),
            None => (None, Vec::new()),
        };
        Self {
            repository: created.repository_name.or(asked),
            registry: created.registry_id,
            tags: Some(tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect()),
        }
    }
}

impl From<ServiceEvent> for Named {
    fn from(event: ServiceEvent) -> Self {
        Self { repository: Some(event.service_event_details.repository_name), registry: None, tags: None }
    }
}

/// What the event asks the function with this ARN to do.
///
/// # Errors
/// `InvalidEvent` where it is no event that the function could act on.
pub fn read_event(mut event: Value, function_arn: &str) -> Result<Trigger, Error> {
    let own_account = account_of(function_arn)?;
    let detail_type = event.get("detail-type").and_then(Value::as_str).map(str::to_owned);
    let made_by_ecr = match detail_type.as_deref() {
        Some(API_CALL) => false,
        Some(SERVICE_EVENT) => true,
        Some(other) => return Err(invalid(format!("its `detail-type` is `{other}`"))),
        None => return Err(invalid("it has no `detail-type`")),
    };
    // Nobody's repository shall go without a policy over a field that nobody reads.
    if let Value::Object(fields) = &mut event {
        fields.retain(|field, _| matches!(field.as_str(), "detail-type" | "source" | "account" | "region" | "detail"));
    }
    let event: EventBridgeEvent = parse(&event, "")?;

    let subject: Subject = parse(&event.detail, "detail.")?;
    let from_ecr = match subject.event_source.as_str() {
        "ecr.amazonaws.com" => true,
        "replication.ecr.amazonaws.com" => made_by_ecr,
        _ => false,
    };
    if !from_ecr {
        return ignored(format!("the event source is `{}`, not Amazon ECR's private registry", subject.event_source));
    }
    if subject.event_name != "CreateRepository" {
        return ignored(format!("the event name is `{}`, not `CreateRepository`", subject.event_name));
    }
    if let Some(code) = subject.error_code.filter(|code| !code.is_empty()) {
        return ignored(format!("the call failed with `{code}`, so no repository was created"));
    }

    let origin: Origin = parse(&event.detail, "detail.")?;
    let named = match made_by_ecr {
        true => parse::<ServiceEvent>(&event.detail, "detail.")?.into(),
        false => parse::<Call>(&event.detail, "detail.")?.into(),
    };
    let Named { repository, registry, tags } = named;
    let name = repository.ok_or_else(|| invalid("it names no repository"))?;
    let account = registry.or(origin.recipient_account_id).or(event.account);
    let account = account.ok_or_else(|| invalid("it names no account"))?;
    let region = event.region.or(origin.aws_region).ok_or_else(|| invalid("it names no Region"))?;

    let registry = Registry::new(&account, &region).map_err(|error| invalid(error.to_string()))?;
    if registry.id() != own_account {
        return ignored(format!(
            "the registry is that of account `{account}`, and this function acts on that of `{own_account}` only"
        ));
    }
    let repository = Repository::new(registry, &name).map_err(|error| invalid(error.to_string()))?;
    Ok(Trigger::Repository(Target { repository, tags }))
}

/// Reads part of an event, which stands at `place` in it.
fn parse<T: DeserializeOwned>(value: &Value, place: &str) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().iter().next() {
        Some(_) => invalid(format!("{place}{error}")),
        None => invalid(format!("{}{error}", place.replace('.', ": "))),
    })
}

/// The account within a function's ARN, `arn:aws:lambda:eu-central-1:111122223333:function:name`.
fn account_of(function_arn: &str) -> Result<&str, Error> {
    let account = function_arn.split(':').nth(4).filter(|account| is_account_id(account));
    account.ok_or_else(|| invalid(format!("the invoked function's ARN `{function_arn}` names no account")))
}

fn ignored(why: String) -> Result<Trigger, Error> {
    Ok(Trigger::Ignored(why))
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::InvalidEvent(reason.into())
}
