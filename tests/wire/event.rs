//! The events that EventBridge delivers, as CloudTrail words them.

use serde_json::{Value, json};

use crate::aws::{ACCOUNT, REGION};

/// Somebody called `CreateRepository`.
pub(crate) fn created(name: &str) -> Value {
    created_in("aws", REGION, name)
}

/// Somebody called `CreateRepository` in this partition and Region.
pub(crate) fn created_in(partition: &str, region: &str, name: &str) -> Value {
    let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    json!({
        "version": "0",
        "id": "a3a2e2b6-7c1b-4f7e-8f0b-3d6f2d8f8a11",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": "2026-11-20T09:14:27Z",
        "region": region,
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:ada",
                "arn": format!("arn:{partition}:sts::{ACCOUNT}:assumed-role/Developer/ada"),
                "accountId": ACCOUNT,
                "accessKeyId": "ASIAEXAMPLE",
                "sessionContext": { "attributes": {
                    "creationDate": "2026-11-20T08:59:01Z", "mfaAuthenticated": "true"
                }}
            },
            "eventTime": "2026-11-20T09:14:27Z",
            "eventSource": "ecr.amazonaws.com",
            "eventName": "CreateRepository",
            "awsRegion": region,
            "sourceIPAddress": "203.0.113.12",
            "userAgent": "aws-cli/2.31.0",
            "requestParameters": {
                "repositoryName": name,
                "imageTagMutability": "MUTABLE",
                "imageScanningConfiguration": { "scanOnPush": false }
            },
            "responseElements": { "repository": {
                "repositoryArn": format!("arn:{partition}:ecr:{region}:{ACCOUNT}:repository/{name}"),
                "registryId": ACCOUNT,
                "repositoryName": name,
                "repositoryUri": format!("{ACCOUNT}.dkr.ecr.{region}.{domain}/{name}"),
                "createdAt": "Nov 20, 2026 9:14:27 AM",
                "imageTagMutability": "MUTABLE",
                "imageScanningConfiguration": { "scanOnPush": false },
                "encryptionConfiguration": { "encryptionType": "AES256" }
            }},
            "requestID": "0e5d8a9e-5a51-4d5f-8a5b-6d0a4b5d9d10",
            "eventID": "9f2c7a0e-2f77-4f0d-9d53-0f8f7a1c3c21",
            "readOnly": false,
            "resources": [{
                "accountId": ACCOUNT,
                "ARN": format!("arn:{partition}:ecr:{region}:{ACCOUNT}:repository/{name}")
            }],
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management"
        }
    })
}

/// ECR made the repository itself.
pub(crate) fn created_by_ecr(name: &str) -> Value {
    created_by_ecr_in(REGION, name)
}

/// ECR made the repository itself, in this Region.
pub(crate) fn created_by_ecr_in(region: &str, name: &str) -> Value {
    json!({
        "version": "0",
        "id": "5f4d1f55-0bb6-45ac-9a07-4b3c7d1f52d2",
        "detail-type": "AWS Service Event via CloudTrail",
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": "2026-11-20T09:20:03Z",
        "region": region,
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "userIdentity": { "accountId": ACCOUNT, "invokedBy": "ecr.amazonaws.com" },
            "eventTime": "2026-11-20T09:20:03Z",
            "eventSource": "ecr.amazonaws.com",
            "eventName": "CreateRepository",
            "awsRegion": region,
            "sourceIPAddress": "ecr.amazonaws.com",
            "userAgent": "ecr.amazonaws.com",
            "requestParameters": null,
            "responseElements": null,
            "eventID": "b7c2b7ff-6a6e-4e9b-9d5d-1b7f1f1f0c33",
            "readOnly": false,
            "resources": [{
                "accountId": ACCOUNT,
                "type": "AWS::ECR::Repository"
            }],
            "eventType": "AwsServiceEvent",
            "managementEvent": true,
            "recipientAccountId": ACCOUNT,
            "serviceEventDetails": { "repositoryName": name },
            "eventCategory": "Management"
        }
    })
}

/// Changes an event where `pointer` points, and adds what is missing there.
#[track_caller]
pub(crate) fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
    parent.insert(key.to_owned(), value);
    event
}

/// Takes something out of an event.
#[track_caller]
pub(crate) fn without(mut event: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
    assert!(parent.shift_remove(key).is_some(), "there is no `{pointer}` to take out");
    event
}

/// Gives the request these tags.
pub(crate) fn tagged(event: Value, tags: &[(&str, &str)]) -> Value {
    let tags = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    with(event, "/detail/requestParameters/tags", Value::Array(tags))
}
