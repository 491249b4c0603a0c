//! CloudTrail's records of what happened to a repository.
//!
//! Shapes: CloudTrail record contents
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>)
//! and non-API events of services
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/non-api-aws-service-events.html>), as EventBridge
//! delivers them.

use serde::Deserialize;
use serde_json::Value;

use super::{Envelope, Own, Trigger, ignored, invalid, parse, registry_of};
use crate::{configuration::Tags, controller::Target, error::Error, repository::Repository};

/// Who made a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// Somebody called an API.
    Caller,
    /// ECR did something by itself.
    Ecr,
}

/// What a CloudTrail record is about. Read first and alone: in a record about something else the fields below may
/// look quite different, or be hidden. Nobody's repository shall go without a policy over a field that nobody reads.
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

/// The record of a call that wrote or deleted a repository's policy.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct PolicyCall {
    request_parameters: Option<PolicyParameters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct PolicyParameters {
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

impl From<PolicyCall> for Named {
    fn from(call: PolicyCall) -> Self {
        let parameters = call.request_parameters.unwrap_or_default();
        Self { repository: parameters.repository_name, registry: parameters.registry_id, tags: None }
    }
}

impl From<ServiceEvent> for Named {
    fn from(event: ServiceEvent) -> Self {
        Self { repository: Some(event.service_event_details.repository_name), registry: None, tags: None }
    }
}

/// What the record asks the function to do.
pub(super) fn read(event: &Value, maker: Maker, own: &Own<'_>) -> Result<Trigger, Error> {
    let envelope: Envelope = parse(event, "")?;
    let detail = event.get("detail").ok_or_else(|| invalid("it has no `detail`"))?;

    let subject: Subject = parse(detail, "detail.")?;
    let from_ecr = match subject.event_source.as_str() {
        "ecr.amazonaws.com" => true,
        "replication.ecr.amazonaws.com" => maker == Maker::Ecr,
        _ => false,
    };
    if !from_ecr {
        return ignored(format!("the event source is `{}`, not Amazon ECR's private registry", subject.event_source));
    }
    let created = match (subject.event_name.as_str(), maker) {
        ("CreateRepository", _) => true,
        ("SetRepositoryPolicy" | "DeleteRepositoryPolicy", Maker::Caller) => false,
        (other, _) => {
            return ignored(format!(
                "the event name is `{other}`, not `CreateRepository`, `SetRepositoryPolicy` or `DeleteRepositoryPolicy`"
            ));
        }
    };
    if let Some(code) = subject.error_code.filter(|code| !code.is_empty()) {
        let nothing = if created { "no repository was created" } else { "no policy was changed" };
        return ignored(format!("the call failed with `{code}`, so {nothing}"));
    }
    if !created && own.made(detail.pointer("/userIdentity/arn").and_then(Value::as_str)) {
        return ignored("the call was this function's own".to_owned());
    }

    let origin: Origin = parse(detail, "detail.")?;
    let named = match maker {
        Maker::Ecr => parse::<ServiceEvent>(detail, "detail.")?.into(),
        Maker::Caller if created => parse::<Call>(detail, "detail.")?.into(),
        Maker::Caller => parse::<PolicyCall>(detail, "detail.")?.into(),
    };
    let Named { repository, registry, tags } = named;
    let name = repository.ok_or_else(|| invalid("it names no repository"))?;
    let account = registry.or(origin.recipient_account_id).or(envelope.account);
    let region = envelope.region.or(origin.aws_region);
    let registry = match registry_of(account.as_deref(), region.as_deref(), own)? {
        Ok(registry) => registry,
        Err(anothers) => return ignored(anothers),
    };
    let repository = Repository::new(registry, &name).map_err(|error| invalid(error.to_string()))?;
    let target = Target { repository, tags };
    Ok(if created { Trigger::Created(target) } else { Trigger::PolicyChanged(target) })
}
