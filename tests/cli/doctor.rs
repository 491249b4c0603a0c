//! `doctor` against a loopback AWS in which all is well, or one thing is not.

mod answers;
mod server;

use std::collections::BTreeMap;

use Broken::{Refuses, Says};
use server::{Broken, Server};

use crate::{
    json,
    stage::{command, examples},
};

/// Runs the command against an AWS in which these things are broken, and tells all that came of it.
fn doctor(arguments: &str, broken: &[Broken]) -> String {
    let server = Server::start(broken);
    let aws = [
        ("AWS_ENDPOINT_URL", server.endpoint.as_str()),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let environment: BTreeMap<_, _> = aws.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let output = command(arguments, &examples(), &environment).output().unwrap();
    server.require_all_used();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    if arguments.contains("--output json") {
        json::check_output(arguments, &stdout);
    }
    let stream =
        |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("--- {name} ---\n{text}") };
    format!("exit {}\n{}{}", output.status.code().unwrap(), stream("stdout", &stdout), stream("stderr", &stderr))
}

/// What `doctor` says of one broken thing, apart from what is well.
fn diagnosis(broken: &[Broken]) -> String {
    let told = doctor("doctor", broken);
    let lines = told.lines().filter(|line| !line.starts_with("ok ") && !line.starts_with("---"));
    // The hint at the end is always the same.
    let lines = lines.take_while(|line| !line.is_empty());
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn all_is_well() {
    snapshot!(doctor("doctor", &[]));
}

#[test]
fn all_is_well_as_json() {
    snapshot!(doctor("doctor --output json", &[]));
}

#[test]
fn nothing_is_permitted() {
    let denied = Refuses("", "AccessDenied", "User: guest is not authorized to perform: {}");
    snapshot!(doctor("doctor", &[denied]));
}

#[test]
fn only_the_stack_may_be_looked_at() {
    let denied = ["Trail", "Rule", "Function", "GetPolicy", "Mappings", "GetParameter", "Queue", "Metric", "Simulate"];
    let denied = denied.map(|operation| Refuses(operation, "AccessDeniedException", "not authorized to perform: {}"));
    snapshot!(doctor("doctor", &denied));
}

#[test]
fn there_is_no_such_stack() {
    let missing = |operation| Refuses(operation, "ValidationError", "Stack with id other does not exist");
    let broken = [missing("DescribeStacks"), missing("DescribeStackResources")];
    snapshot!(doctor("doctor --stack other", &broken));
}

#[test]
fn the_credentials_are_worth_nothing() {
    let message = "The security token included in the request is invalid.";
    snapshot!(doctor("doctor", &[Refuses("DescribeStack", "InvalidClientTokenId", message)]));
}

#[test]
fn what_is_wrong_as_json() {
    let broken =
        [Refuses("DescribeTrails", "AccessDeniedException", "{}"), Refuses("GetParameter", "ParameterNotFound", "")];
    snapshot!(doctor("doctor --output json", &broken));
}

/// Every reason that there is, one at a time, in one text to read.
#[test]
fn each_reason_is_found_and_told() {
    let mut told = String::new();
    for (title, broken) in reasons() {
        told += &format!("# {title}\n{}\n", diagnosis(&broken));
    }
    snapshot!(told);
}

fn reasons() -> Vec<(&'static str, Vec<Broken>)> {
    let stack = |status| vec![Says("DescribeStacks", "UPDATE_COMPLETE", status)];
    let rule = |from, to| vec![Says("DescribeRule", from, to)];
    let trail = |from, to| vec![Says("GetEventSelectors", from, to)];
    let selectors = |fields| {
        let basic = answers::EVENT_SELECTORS;
        vec![Says("GetEventSelectors", basic, fields)]
    };
    let function = |from, to| vec![Says("GetFunctionConfiguration", from, to)];
    let parameter = |value| vec![Says("GetParameter", answers::CONFIGURATION, value)];
    let count = |metric, number| vec![Says("GetMetricData", metric, number)];
    let gone = |operation| vec![Refuses(operation, "ResourceNotFoundException", "gone")];
    let decision = |from, to| vec![Says("SimulatePrincipalPolicy", from, to)];
    vec![
        ("the stack is being updated", stack("UPDATE_IN_PROGRESS")),
        ("its last update failed", stack("UPDATE_ROLLBACK_COMPLETE")),
        ("it was never deployed", stack("ROLLBACK_COMPLETE")),
        ("it is another stack", vec![Says("DescribeStackResources", "AWS::Lambda::Function", "AWS::S3::Bucket")]),
        ("there is no trail", vec![Says("DescribeTrails", answers::TRAIL, "")]),
        ("the trail is switched off", vec![Says("GetTrailStatus", "true", "false")]),
        (
            "the trail records only data",
            trail(r#""IncludeManagementEvents":true"#, r#""IncludeManagementEvents":false"#),
        ),
        ("the trail records only reading", trail("All", "ReadOnly")),
        ("the trail leaves ECR out", trail(r#"["kms.amazonaws.com"]"#, r#"["kms.amazonaws.com","ecr.amazonaws.com"]"#)),
        ("advanced selectors record everything", selectors(answers::ADVANCED_ALL)),
        ("advanced selectors leave ECR out", selectors(answers::ADVANCED_WITHOUT_ECR)),
        ("advanced selectors record only reading", selectors(answers::ADVANCED_READS)),
        ("advanced selectors record only some callers", selectors(answers::ADVANCED_SOME)),
        ("the trail may not be looked at", vec![Refuses("GetTrailStatus", "AccessDeniedException", "{}")]),
        (
            "the rule is disabled",
            rule(r#"RepositoryCreatedRule-1A2B","State":"ENABLED"#, r#"RepositoryCreatedRule-1A2B","State":"DISABLED"#),
        ),
        ("the rule is gone", gone("DescribeRule RepositoryCreatedRule")),
        (
            "the rule has no target",
            vec![Says("ListTargetsByRule", answers::FUNCTION_ARN, "arn:aws:sns:eu-west-1:123456789012:x")],
        ),
        ("the rule has the wrong queue", vec![Says("ListTargetsByRule", "WorkQueue-1A2B", "FailureQueue-1A2B")]),
        ("EventBridge may not invoke the function", gone("GetPolicy")),
        ("EventBridge may invoke it for another rule", vec![Says("GetPolicy", "RepositoryCreatedRule-1A2B", "Other")]),
        ("another service may invoke it", vec![Says("GetPolicy", "events.amazonaws.com", "s3.amazonaws.com")]),
        (
            "EventBridge may not send to the queue",
            vec![Says("GetQueueAttributes", "sqs:SendMessage", "sqs:ReceiveMessage")],
        ),
        (
            "events could not be delivered",
            count(
                "AWS/Events FailedInvocations ecr-autopolicy-PolicyChangedRule-1A2B = 0",
                "AWS/Events FailedInvocations x = 2",
            ),
        ),
        ("the function is gone", gone("GetFunctionConfiguration")),
        (
            "the function failed to start",
            function(r#""State":"Active""#, r#""State":"Failed","StateReason":"The image is gone""#),
        ),
        ("the function sleeps", function(r#""State":"Active""#, r#""State":"Inactive""#)),
        ("its last update failed", function("Successful", "Failed")),
        ("it names no parameter", function("POLICY_PARAMETER", "OTHER")),
        ("it names another parameter", function(r#""/ecr-autopolicy/policy""#, r#""/other""#)),
        (
            "its variables cannot be decrypted",
            function(
                r#""Variables":"#,
                r#""Error":{"ErrorCode":"AccessDeniedException","Message":"no kms:Decrypt"},"Other":"#,
            ),
        ),
        ("its concurrency is 0", vec![Says("GetFunctionConcurrency", "{}", r#"{"ReservedConcurrentExecutions":0}"#)]),
        ("its concurrency is 5", vec![Says("GetFunctionConcurrency", "{}", r#"{"ReservedConcurrentExecutions":5}"#)]),
        ("its key may not be used", vec![Refuses("GetParameter", "AccessDeniedException", "no kms:Decrypt")]),
        ("the parameter is gone", vec![Refuses("GetParameter", "ParameterNotFound", "")]),
        ("the parameter is invalid", parameter(r#"{\"template\": \"acount-list\"}"#)),
        (
            "the parameter is invalid and secret",
            vec![
                Says("GetParameter", answers::CONFIGURATION, r#"{\"template\": \"acount-list\"}"#),
                Says("GetParameter", r#""Type":"String""#, r#""Type":"SecureString""#),
            ],
        ),
        ("the parameter has no rules", parameter(r#"{\"rules\": []}"#)),
        (
            "the parameter deserves a warning",
            parameter(r#"{\"template\": \"source-ip\", \"with\": {\"allow_cidrs\": [\"192.0.2.0/24\"]}}"#),
        ),
        (
            "the role lacks a permission",
            decision("ecr:SetRepositoryPolicy = allowed", "ecr:SetRepositoryPolicy = implicitDeny"),
        ),
        (
            "the role lacks a permission that tags ask for",
            vec![
                Says("GetParameter", r#"\"template\""#, r#"\"tags\": {\"team\": \"pay\"}, \"template\""#),
                Says(
                    "SimulatePrincipalPolicy",
                    "ecr:ListTagsForResource = allowed",
                    "ecr:ListTagsForResource = implicitDeny",
                ),
            ],
        ),
        (
            "the role lacks a permission that sweeps need",
            decision("ecr:DescribeRepositories = allowed", "ecr:DescribeRepositories = implicitDeny"),
        ),
        ("a statement denies it", decision("ssm:GetParameter = allowed", "ssm:GetParameter = explicitDeny")),
        ("the boundary does not allow it", decision("ssm:GetParameter = allowed", "ssm:GetParameter = boundary")),
        ("the organization does not allow it", decision("sqs:SendMessage = allowed", "sqs:SendMessage = organization")),
        ("a condition decides", decision("ssm:GetParameter = allowed", "ssm:GetParameter = depends")),
        ("the role is gone", vec![Refuses("SimulatePrincipalPolicy", "NoSuchEntity", "gone")]),
        ("the queue's messages are not handed on", vec![Says("ListEventSourceMappings", "Enabled", "Disabled")]),
        ("the mapping is gone", vec![Says("ListEventSourceMappings", answers::MAPPING, "")]),
        ("failed events are lost", gone("GetFunctionEventInvokeConfig")),
        (
            "the failure queue holds messages",
            vec![Says(
                "GetQueueAttributes",
                r#""ApproximateNumberOfMessages":"0""#,
                r#""ApproximateNumberOfMessages":"3""#,
            )],
        ),
        ("the queues are gone", vec![Refuses("GetQueueAttributes", "QueueDoesNotExist", "gone")]),
        ("the function fails", count("AWS/Lambda Errors ecr-autopolicy-Function-1A2B = 0", "AWS/Lambda Errors x = 4")),
        (
            "the function is throttled",
            count("AWS/Lambda Throttles ecr-autopolicy-Function-1A2B = 0", "AWS/Lambda Throttles x = 1"),
        ),
        ("CloudWatch fails", vec![Refuses("GetMetricData", "InternalServiceFault", "")]),
    ]
}
