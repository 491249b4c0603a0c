//! What goes wrong on the way, and what becomes of the event then.

use std::time::Duration;

use serde_json::{Value, json};

use crate::aws::{
    DeleteRepositoryPolicy, DescribeRepositories, Fault, GetParameter, GetRepositoryPolicy, LOCK_OUT,
    ListTagsForResource, Often, Operation, REGION, SendMessageBatch, SetRepositoryPolicy,
};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, created_by_ecr, scheduled, with};
use crate::scenario::{Scenario, check, each, each_at_once, fails, fails_at_write};
use crate::stage::{Function, Stage};

const ARN: &str = "arn:aws:ecr:eu-west-1:123456789012:repository/team/app";

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).repository("team/app")
}

/// A stage whose event leads to this operation.
fn stage_for(operation: Operation) -> (Stage, Value) {
    let mut tags = workloads();
    tags["rules"][0]["tags"] = json!({ "team": "payments" });
    match operation {
        DeleteRepositoryPolicy => (
            Stage::new().parameter(" ").live("team/app", &policy(&[workloads_statement()]).to_string()),
            created("team/app"),
        ),
        ListTagsForResource => {
            (Stage::new().configuration(&tags).tagged("team/app", &[("team", "payments")]), created_by_ecr("team/app"))
        }
        DescribeRepositories => (stage(), scheduled()),
        SendMessageBatch => (stage().queue(), scheduled()),
        _ => (stage(), created("team/app")),
    }
}

/// The outcome of the one repository of a response.
#[track_caller]
fn outcome(response: &Value) -> &str {
    assert_eq!(response["outcomes"].as_array().map(Vec::len), Some(1), "{response:#}");
    response["outcomes"][0]["outcome"].as_str().unwrap()
}

#[test]
fn a_fault_that_passes_is_retried() {
    each(Operation::ALL, |operation| {
        each([Fault::Throttle, Fault::ServerError, Fault::Unavailable, Fault::Reset], |fault| {
            let (stage, event) = stage_for(operation);
            let mut function = stage.fault(operation, fault, Often::Once).start();
            let response = function.invoke(&event).response();
            match operation {
                DeleteRepositoryPolicy => assert_eq!(outcome(&response), "removed"),
                SendMessageBatch => assert_eq!(response["queued"], 1),
                _ => assert_eq!(outcome(&response), "applied"),
            }
            // The first attempt may have been made while the function started.
            let attempts = function.aws.calls().iter().filter(|call| call.operation == operation).count();
            assert_eq!(attempts, 2);
        });
    });
}

#[test]
fn an_answer_that_never_comes_is_asked_for_again() {
    each_at_once([GetParameter, GetRepositoryPolicy, SetRepositoryPolicy], |operation| {
        let (stage, event) = stage_for(operation);
        let mut function = stage.fault(operation, Fault::Silence, Often::Once).start();
        assert_eq!(outcome(&function.invoke(&event).response()), "applied");
    });
}

/// A function of which one operation always fails: it answers, with this label, before its time is over.
#[track_caller]
fn lasting(operation: Operation, fault: Fault, kind: &str) -> Function {
    let (stage, event) = stage_for(operation);
    let mut function = stage.fault(operation, fault, Often::Always).start();
    function.process.wait_for_start();
    let before = function.aws.policies();
    let failure = function.invoke_within(&event, Duration::from_millis(2_500)).failure();
    assert_eq!(failure.kind, kind, "{}", failure.message);
    assert!(!failure.late, "it answered after the deadline: {}", failure.message);
    assert_eq!(function.aws.policies(), before, "a policy was written");
    function.check_message(&failure.message, kind, &[operation.action()]);
    function
}

#[test]
fn a_throttle_that_lasts_is_called_a_throttle() {
    each_at_once(Operation::ALL, |operation| {
        let function = lasting(operation, Fault::Throttle, "Throttled");
        assert!(function.count(operation) > 1, "it was not retried");
    });
}

#[test]
fn a_service_that_stays_broken_is_called_unavailable() {
    each_at_once([GetParameter, GetRepositoryPolicy, SetRepositoryPolicy], |operation| {
        each_at_once([Fault::ServerError, Fault::Unavailable, Fault::Reset], |fault| {
            let function = lasting(operation, fault, "ServiceUnavailable");
            assert!(function.count(operation) > 1, "it was not retried");
        });
    });
}

#[test]
fn a_long_storm_does_not_tire_a_warm_process() {
    each_at_once([Fault::Throttle, Fault::ServerError], |fault| {
        let mut function = stage().fault(GetRepositoryPolicy, fault, Often::Always).start();
        for _ in 0..20 {
            // The SDK's own quota of retries would be used up by the end.
            function.invoke_within(&created("team/app"), Duration::from_millis(1_200)).failure();
            assert!(function.count(GetRepositoryPolicy) > 1, "it was not retried");
        }
        function.aws.clear_faults();
        function.check(&created("team/app"), Scenario::Applied(policy(&[workloads_statement()])));
    });
}

#[test]
fn an_invalid_configuration_waits_for_nothing() {
    let mut function = stage().parameter("{}").fault(GetRepositoryPolicy, Fault::Silence, Often::Always).start();
    let failure = function.invoke(&created("team/app")).failure();
    assert_eq!(failure.kind, "ConfigurationInvalid", "{}", failure.message);
    // Had it waited, the silent call would have been given up and repeated.
    assert!(function.count(GetRepositoryPolicy) <= 1);
}

#[test]
fn what_a_secure_string_says_is_in_no_answer_and_no_log() {
    let word = "44445555666x";
    let mistake = json!({ "template": "account-list", "with": { "accounts": [word], word: [] } });
    let mut function = Stage::new().secure(&mistake).repository("team/app").start();
    let failure = function.invoke(&created("team/app")).failure();
    assert_eq!(failure.kind, "ConfigurationInvalid");
    assert!(failure.message.contains("error at line 1, column "), "{}", failure.message);
    function.process.wait_for_log("ConfigurationInvalid");
    for text in [failure.message, function.process.logs()] {
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn a_policy_that_was_read_long_ago_is_read_again_before_the_write() {
    let late = Fault::Late(Duration::from_secs(20));
    let mut function = stage().fault(GetParameter, late, Often::Once).start();
    let aws = function.aws.clone();
    let theirs = json!({ "Sid": "Theirs", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage",
        "Condition": { "StringEquals": { "aws:PrincipalAccount": "777788889999" } } });
    let written = policy(std::slice::from_ref(&theirs)).to_string();
    let somebody = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        aws.set_repository(REGION, "team/app", Some(&written));
    });
    function.invoke(&created("team/app")).response();
    somebody.join().unwrap();
    let expected = policy(&[theirs, workloads_statement()]);
    assert_eq!(serde_json::from_str::<Value>(&function.sent_policy()).unwrap(), expected);
}

#[test]
fn a_name_that_ssm_does_not_take_is_a_missing_configuration() {
    let refused = Fault::Refused("ValidationException", "Parameter name: can't be prefixed with \"aws\"");
    let mut function = stage().fault(GetParameter, refused, Often::Always).start();
    function.check(&created("team/app"), fails("ConfigurationMissing", &["POLICY_PARAMETER"]));
}

#[test]
fn a_service_that_never_answers_is_given_up_before_the_deadline() {
    each_at_once([GetParameter, GetRepositoryPolicy, SetRepositoryPolicy], |operation| {
        lasting(operation, Fault::Silence, "ServiceUnavailable");
    });
}

#[test]
fn a_service_that_nobody_listens_for_is_called_unavailable() {
    let (closed, address) = crate::runtime::listen();
    drop(closed);
    let mut function = stage().env("AWS_ENDPOINT_URL", &format!("http://{address}")).start();
    let failure = function.invoke_within(&created("team/app"), Duration::from_millis(2_500)).failure();
    assert_eq!(failure.kind, "ServiceUnavailable", "{}", failure.message);
}

#[test]
fn after_a_failure_the_same_process_goes_on() {
    let mut function = stage().fault(GetRepositoryPolicy, Fault::Denied, Often::Always).start();
    function.check(&created("team/app"), fails("AccessDenied", &[ARN]));
    function.aws.clear_faults();
    function.check(&created("team/app"), Scenario::Applied(policy(&[workloads_statement()])));
}

#[test]
fn a_denied_call_names_the_action_and_the_resource() {
    let operations = [GetRepositoryPolicy, SetRepositoryPolicy, DeleteRepositoryPolicy, ListTagsForResource];
    each(operations, |operation| {
        let (stage, event) = stage_for(operation);
        let mut function = stage.fault(operation, Fault::Denied, Often::Always).start();
        let before = function.aws.policies();
        let failure = function.invoke(&event).failure();
        assert_eq!(failure.kind, "AccessDenied", "{}", failure.message);
        assert_eq!(function.aws.policies(), before);
        // There is no use in trying again what is denied.
        assert_eq!(function.count(operation), 1);
        let words = [operation.action(), ARN.to_owned()];
        function.check_message(&failure.message, "AccessDenied", &words);
    });
}

#[test]
fn credentials_that_are_not_accepted_are_called_denied() {
    let refused =
        Fault::Refused("UnrecognizedClientException", "The security token included in the request is invalid.");
    let stage = stage().fault(GetRepositoryPolicy, refused, Often::Always);
    check(stage, &created("team/app"), fails("AccessDenied", &["ecr:GetRepositoryPolicy"]));
}

#[test]
fn a_repository_that_is_gone_by_now_is_no_error() {
    let event = created("team/app");
    check(Stage::new().configuration(&workloads()), &event, Scenario::GoneAtRead);
    check(stage().fault(SetRepositoryPolicy, Fault::RepositoryVanishes, Often::Once), &event, Scenario::GoneAtWrite);
    each([DeleteRepositoryPolicy, ListTagsForResource], |operation| {
        let (stage, event) = stage_for(operation);
        let mut function = stage.fault(operation, Fault::RepositoryVanishes, Often::Once).start();
        assert_eq!(outcome(&function.invoke(&event).response()), "gone");
    });
}

#[test]
fn a_policy_that_somebody_else_deletes_meanwhile_is_no_error() {
    let (stage, event) = stage_for(DeleteRepositoryPolicy);
    let mut function = stage.fault(DeleteRepositoryPolicy, Fault::PolicyVanishes, Often::Once).start();
    let response = function.invoke(&event).response();
    assert!(["removed", "unchanged"].contains(&outcome(&response)), "{response:#}");
}

#[test]
fn a_principal_that_does_not_exist_is_refused_by_ecr() {
    let role = "arn:aws:iam::444455556666:role/Misspelt";
    let configuration = json!({ "rules": [{
        "name": "Ci", "template": "principals", "with": { "principals": [role] }
    }]});
    let stage = || Stage::new().configuration(&configuration).stranger(role);
    check(
        stage().repository("team/app"),
        &created("team/app"),
        fails_at_write("PolicyRejected", &["Principal not found", ARN]),
    );
}

#[test]
fn a_deleted_principal_in_a_foreign_statement_is_named_with_the_remedy() {
    let refusals = [
        None,
        Some("Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Principal not found'"),
        Some("Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'"),
    ];
    for id in ["AIDACKCEVSQ6C2EXAMPLE", "AROADBQP57FF2AEXAMPLE"] {
        let live = policy(&[
            json!({
                "Sid": "Fine", "Effect": "Allow",
                "Principal": { "AWS": "arn:aws:iam::777788889999:root" }, "Action": "ecr:BatchGetImage"
            }),
            json!({
                "Sid": "Orphaned", "Effect": "Allow",
                "Principal": { "AWS": ["arn:aws:iam::777788889999:root", id] },
                "Action": "ecr:BatchGetImage"
            }),
        ]);
        for refusal in refusals {
            let mut stage = Stage::new().configuration(&workloads()).live("team/app", &live.to_string());
            if let Some(message) = refusal {
                let refused = Fault::Refused("InvalidParameterException", message);
                stage = stage.fault(SetRepositoryPolicy, refused, Often::Always);
            }
            let mut function = stage.start();
            let scenario = fails_at_write("PolicyRejected", &["`Orphaned`", id, "deleted"]);
            let message = function.check(&created("team/app"), scenario);
            assert!(!message.as_str().unwrap().contains("`Fine`"), "{message}");
        }
    }
}

#[test]
fn a_policy_that_would_lock_its_caller_out_is_not_forced() {
    let configuration = policy(&[json!({
        "Sid": "Shut", "Effect": "Deny", "Principal": "*", "Action": "ecr:*"
    })]);
    let stage = Stage::new().configuration(&configuration).repository("team/app");
    let mut function = stage.start();
    let scenario = fails_at_write("PolicyRejected", &["prevent you from setting another policy"]);
    let message = function.check(&created("team/app"), scenario);
    assert!(LOCK_OUT.contains("prevent you from setting another policy"), "{message}");
    for call in function.calls() {
        assert_ne!(call.body.get("force"), Some(&json!(true)));
    }
}

#[test]
fn any_other_refusal_of_a_policy_gives_ecr_s_reason() {
    let reason = "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository \
        policy provided'";
    let refused = Fault::Refused("InvalidParameterException", reason);
    let stage = stage().fault(SetRepositoryPolicy, refused, Often::Always);
    let scenario = fails_at_write("PolicyRejected", &["Invalid repository policy provided", ARN]);
    check(stage, &created("team/app"), scenario);
}

#[test]
fn every_line_of_the_log_is_json_and_none_has_a_secret() {
    let mut function = stage().start();
    function.check(&created("team/app"), Scenario::Applied(policy(&[workloads_statement()])));
    function.check(&json!({}), Scenario::Garbage);
    function.aws.set_fault(SetRepositoryPolicy, Fault::Denied, Often::Always);
    function.aws.set_repository("eu-west-1", "team/app", None);
    function.invoke(&created("team/app")).failure();
    function.process.wait_for_log("AccessDenied");
    let logs = function.process.logs();
    for line in logs.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|line| line.is_object()), "no JSON: {line}");
    }
    for secret in ["a-secret-that-no-log-may-hold", "a-token-that-no-log-may-hold"] {
        assert!(!logs.contains(secret), "{logs}");
    }
    assert!(logs.contains(ARN), "the log does not name the repository:\n{logs}");
}

#[test]
fn each_event_is_one_line_of_the_log() {
    let lines = |stage: Stage, event: &Value, word: &str| {
        let mut function = stage.start();
        function.invoke(event);
        function.process.wait_for_log(word);
        let logs = function.process.logs();
        logs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let applied = lines(stage(), &created("team/app"), "reconciled");
    let [line] = applied.as_slice() else { panic!("{applied:#?}") };
    assert_eq!(line["repository"], ARN);
    assert_eq!(line["outcome"], "applied");
    assert_eq!(line["statements"], "AutoPolicyWorkloadsAllowPull");

    let failed = lines(stage().parameter("{}"), &created("team/app"), "failed");
    let [line] = failed.as_slice() else { panic!("{failed:#?}") };
    assert_eq!(line["repository"], ARN);
    assert_eq!(line["error_type"], "ConfigurationInvalid");

    let ignored = lines(stage(), &with(created("team/app"), "/detail/errorCode", json!("Oops")), "ignored");
    assert_eq!(ignored.len(), 1, "{ignored:#?}");
}

#[test]
fn the_log_is_json_whatever_lambda_is_set_to() {
    let mut function = stage().env("AWS_LAMBDA_LOG_FORMAT", "Text").without_env("AWS_LAMBDA_LOG_LEVEL").start();
    function.check(&json!({}), Scenario::Garbage);
    let logs = function.process.logs();
    assert!(logs.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{logs}");
}

#[test]
fn an_event_that_is_nested_too_deeply_is_invalid() {
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    let failure = stage().start().invoke(&deep).failure();
    assert_eq!(failure.kind, "InvalidEvent", "{failure:?}");
    assert!(failure.message.contains("recursion limit exceeded"), "{failure:?}");
}

#[test]
fn an_error_message_begins_small_and_ends_without_a_full_stop() {
    let cases = [
        (stage(), json!({})),
        (Stage::new().repository("team/app"), created("team/app")),
        (Stage::new().parameter("{}").repository("team/app"), created("team/app")),
        (stage().fault(GetRepositoryPolicy, Fault::Denied, Often::Always), created("team/app")),
    ];
    for (stage, event) in cases {
        let failure = stage.start().invoke(&event).failure();
        let message = failure.message.trim_end();
        let first = message.chars().next().unwrap();
        assert!(!first.is_uppercase(), "{message}");
        assert!(!message.ends_with('.'), "{message}");
        for typed in ["SdkError", "ServiceError(", "DispatchFailure", "Some(", "Error {"] {
            assert!(!message.contains(typed), "a type's name in: {message}");
        }
    }
}
