//! The events that EventBridge delivers, as CloudTrail and others word them, and Lambda's own: messages of a queue and
//! events that it gave up on.

use serde_json::{Value, json};

use crate::aws::{ACCOUNT, REGION};

/// Somebody called `CreateRepository`.
pub fn created(name: &str) -> Value {
    created_in("aws", REGION, name)
}

/// Somebody called `CreateRepository` in this partition and Region.
pub fn created_in(partition: &str, region: &str, name: &str) -> Value {
    let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let request = json!({
        "repositoryName": name,
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": { "scanOnPush": false }
    });
    let response = json!({ "repository": {
        "repositoryArn": format!("arn:{partition}:ecr:{region}:{ACCOUNT}:repository/{name}"),
        "registryId": ACCOUNT,
        "repositoryName": name,
        "repositoryUri": format!("{ACCOUNT}.dkr.ecr.{region}.{domain}/{name}"),
        "createdAt": "Nov 20, 2026 9:14:27 AM",
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": { "scanOnPush": false },
        "encryptionConfiguration": { "encryptionType": "AES256" }
    }});
    call_in(partition, region, "CreateRepository", name, &request, &response)
}

/// Somebody called `SetRepositoryPolicy`.
pub fn policy_set(name: &str) -> Value {
    policy_set_in("aws", REGION, name)
}

/// Somebody called `SetRepositoryPolicy` in this partition and Region. The policy is not read from the event: it may
/// be another by now.
pub fn policy_set_in(partition: &str, region: &str, name: &str) -> Value {
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let request = json!({ "registryId": ACCOUNT, "repositoryName": name, "policyText": policy, "force": false });
    let response = json!({ "registryId": ACCOUNT, "repositoryName": name, "policyText": policy });
    call_in(partition, region, "SetRepositoryPolicy", name, &request, &response)
}

/// Somebody called `DeleteRepositoryPolicy`.
pub fn policy_deleted(name: &str) -> Value {
    let request = json!({ "registryId": ACCOUNT, "repositoryName": name });
    let response = json!({
        "registryId": ACCOUNT, "repositoryName": name,
        "policyText": r#"{"Version":"2012-10-17","Statement":[]}"#
    });
    call_in("aws", REGION, "DeleteRepositoryPolicy", name, &request, &response)
}

/// Somebody called an API of ECR.
fn call_in(partition: &str, region: &str, event: &str, name: &str, request: &Value, response: &Value) -> Value {
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
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROAEXAMPLE",
                        "arn": format!("arn:{partition}:iam::{ACCOUNT}:role/Developer"),
                        "accountId": ACCOUNT,
                        "userName": "Developer"
                    },
                    "attributes": { "creationDate": "2026-11-20T08:59:01Z", "mfaAuthenticated": "true" }
                }
            },
            "eventTime": "2026-11-20T09:14:27Z",
            "eventSource": "ecr.amazonaws.com",
            "eventName": event,
            "awsRegion": region,
            "sourceIPAddress": "203.0.113.12",
            "userAgent": "aws-cli/2.31.0",
            "requestParameters": request,
            "responseElements": response,
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
pub fn created_by_ecr(name: &str) -> Value {
    created_by_ecr_in(REGION, name)
}

/// ECR made the repository itself, in this Region.
pub fn created_by_ecr_in(region: &str, name: &str) -> Value {
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

/// Something happened to a parameter.
pub fn parameter_changed(operation: &str, name: &str) -> Value {
    json!({
        "version": "0",
        "id": "9547ef2d-3b7e-4057-b6cb-5fdf09ee7c8f",
        "detail-type": "Parameter Store Change",
        "source": "aws.ssm",
        "account": ACCOUNT,
        "time": "2026-11-20T09:30:12Z",
        "region": REGION,
        "resources": [format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{}", name.trim_start_matches('/'))],
        "detail": { "operation": operation, "name": name, "type": "String", "description": "Which get which policy" }
    })
}

/// It is time, as a rule's schedule says so.
pub fn scheduled() -> Value {
    scheduled_in("aws", REGION)
}

/// It is time in this partition and Region.
pub fn scheduled_in(partition: &str, region: &str) -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2026-11-20T03:00:00Z",
        "region": region,
        "resources": [format!("arn:{partition}:events:{region}:{ACCOUNT}:rule/ecr-autopolicy-ScheduleRule")],
        "detail": {}
    })
}

/// It is time, as EventBridge Scheduler says so where it is given no words of its own.
pub fn scheduled_by_scheduler() -> Value {
    json!({
        "version": "0",
        "id": "d32c5cdb-34a2-4ad1-9e7c-1c2c3f7f1a06",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": "2026-11-20T03:00:00Z",
        "region": REGION,
        "resources": [format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/every-night")],
        "detail": "{}"
    })
}

/// Messages of a queue, as Lambda hands them over. The first has the id that `message_id(0)` gives.
pub fn delivery<Body: AsRef<str>>(bodies: &[Body]) -> Value {
    let record = |(number, body): (usize, &Body)| {
        json!({
            "messageId": message_id(number),
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": body.as_ref(),
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1763630067123",
                "SenderId": "AROAEXAMPLE:ecr-autopolicy",
                "ApproximateFirstReceiveTimestamp": "1763630067133"
            },
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:ecr-autopolicy-work"),
            "awsRegion": REGION
        })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

/// The id of a message in a delivery.
pub fn message_id(number: usize) -> String {
    format!("059f36b4-87a3-44ab-83d2-{number:012}")
}

/// Lambda's record of an event that it gave up on, as its on-failure destination gets it.
pub fn given_up(event: &Value) -> Value {
    json!({
        "version": "1.0",
        "timestamp": "2026-11-20T09:17:45.561Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecr-autopolicy:$LATEST"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3
        },
        "requestPayload": event,
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "responsePayload": { "errorType": "AccessDenied", "errorMessage": "`ecr:SetRepositoryPolicy` is denied" }
    })
}

/// The function's own message on its queue: these repositories are to be brought in line.
pub fn part<Name: AsRef<str>>(names: &[Name]) -> Value {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    json!({ "sweep": { "registry": ACCOUNT, "region": REGION, "repositories": names } })
}

/// Changes an event where `pointer` points, and adds what is missing there.
#[track_caller]
pub fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
    parent.insert(key.to_owned(), value);
    event
}

/// Takes something out of an event.
#[track_caller]
pub fn without(mut event: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
    assert!(parent.shift_remove(key).is_some(), "there is no `{pointer}` to take out");
    event
}

/// Gives the request these tags.
pub fn tagged(event: Value, tags: &[(&str, &str)]) -> Value {
    let tags = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    with(event, "/detail/requestParameters/tags", Value::Array(tags))
}
