//! What EventBridge delivers.

use serde_json::{Value, json};

use crate::services::{ACCOUNT, PARAMETER, REGION, Tags};

/// Who made a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody.
    Ada,
    /// The function itself.
    Function,
}

/// Somebody created a repository.
pub(crate) fn created(id: &str, name: &str, tags: &Tags) -> Value {
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let mut event = call(id, Caller::Ada, "CreateRepository");
    event["detail"]["requestParameters"] = json!({ "repositoryName": name, "tags": tags });
    event["detail"]["responseElements"] = json!({ "repository": {
        "repositoryArn": format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"),
        "registryId": ACCOUNT,
        "repositoryName": name,
        "repositoryUri": format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}"),
        "createdAt": "Nov 20, 2026 9:14:27 AM",
    }});
    event
}

/// ECR created a repository itself.
pub(crate) fn created_by_ecr(id: &str, name: &str) -> Value {
    let mut event = envelope(id, "AWS Service Event via CloudTrail");
    event["detail"] = json!({
        "eventVersion": "1.11",
        "userIdentity": { "accountId": ACCOUNT, "invokedBy": "ecr.amazonaws.com" },
        "eventTime": "2026-11-20T09:20:03Z",
        "eventSource": "ecr.amazonaws.com",
        "eventName": "CreateRepository",
        "awsRegion": REGION,
        "requestParameters": null,
        "responseElements": null,
        "eventID": id,
        "eventType": "AwsServiceEvent",
        "recipientAccountId": ACCOUNT,
        "serviceEventDetails": { "repositoryName": name },
    });
    event
}

/// Somebody wrote a policy, or deleted one.
pub(crate) fn policy_changed(id: &str, caller: Caller, name: &str, policy: Option<&Value>) -> Value {
    let text = policy.map(ToString::to_string);
    let mut event = call(id, caller, if text.is_some() { "SetRepositoryPolicy" } else { "DeleteRepositoryPolicy" });
    event["detail"]["requestParameters"] = json!({ "repositoryName": name, "registryId": ACCOUNT, "policyText": text });
    event["detail"]["responseElements"] = json!({ "repositoryName": name, "registryId": ACCOUNT, "policyText": text });
    event
}

/// The configuration has a new value.
pub(crate) fn parameter_changed(id: &str) -> Value {
    let mut event = envelope(id, "Parameter Store Change");
    event["source"] = "aws.ssm".into();
    event["detail"] = json!({ "operation": "Update", "name": PARAMETER, "type": "String" });
    event
}

/// The schedule's turn.
pub(crate) fn scheduled(id: &str) -> Value {
    let mut event = envelope(id, "Scheduled Event");
    event["source"] = "aws.events".into();
    event["detail"] = json!({});
    event
}

fn envelope(id: &str, kind: &str) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": kind,
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": "2026-11-20T09:14:27Z",
        "region": REGION,
        "resources": [],
    })
}

fn call(id: &str, caller: Caller, name: &str) -> Value {
    let session = match caller {
        Caller::Ada => "Developer/ada",
        Caller::Function => "ecr-autopolicy-role/ecr-autopolicy",
    };
    let mut event = envelope(id, "AWS API Call via CloudTrail");
    event["detail"] = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{session}"),
            "accountId": ACCOUNT,
        },
        "eventTime": "2026-11-20T09:14:27Z",
        "eventSource": "ecr.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "eventID": id,
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    });
    event
}
