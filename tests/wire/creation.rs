//! A new repository gets its policy: which events count, and which do not.

use serde_json::{Value, json};

use crate::aws::{ACCOUNT, GetRepositoryPolicy, REGION, SetRepositoryPolicy};
use crate::document::{actions, policy};
use crate::event::{created, created_by_ecr, with, without};
use crate::scenario::{Scenario, check, each};
use crate::stage::Stage;

/// One rule that gives every repository to one organisational unit.
pub(crate) fn workloads() -> Value {
    json!({ "rules": [{
        "name": "Workloads",
        "template": "organization-ou",
        "with": { "org_paths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"] }
    }]})
}

/// The statement that this rule makes.
pub(crate) fn workloads_statement() -> Value {
    json!({
        "Sid": "AutoPolicyWorkloadsAllowPull",
        "Effect": "Allow",
        "Principal": "*",
        "Action": actions("Pull"),
        "Condition": { "ForAnyValue:StringLike": {
            "aws:PrincipalOrgPaths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"]
        }}
    })
}

fn applied() -> Scenario {
    Scenario::Applied(policy(&[workloads_statement()]))
}

fn stage(name: &str) -> Stage {
    Stage::new().configuration(&workloads()).repository(name)
}

#[test]
fn a_repository_that_somebody_creates_gets_its_policy() {
    let mut function = stage("team/app").start();
    let response = function.check(&created("team/app"), applied());
    insta::assert_json_snapshot!(response, @r#"
    {
      "outcomes": [
        {
          "repository": "arn:aws:ecr:eu-west-1:123456789012:repository/team/app",
          "outcome": "applied",
          "rules": [
            "Workloads"
          ],
          "statements": [
            "AutoPolicyWorkloadsAllowPull"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn a_repository_that_ecr_creates_itself_gets_its_policy() {
    for source in ["ecr.amazonaws.com", "replication.ecr.amazonaws.com"] {
        let event = with(created_by_ecr("docker-hub/library/nginx"), "/detail/eventSource", json!(source));
        let mut function = stage("docker-hub/library/nginx").start();
        let response = function.check(&event, applied());
        assert_eq!(
            response["outcomes"][0]["repository"],
            "arn:aws:ecr:eu-west-1:123456789012:repository/docker-hub/library/nginx"
        );
    }
}

#[test]
fn a_test_event_without_an_answer_names_the_repository_in_its_request() {
    let whole = created("team/app");
    let event = without(whole.clone(), "/detail/responseElements");
    check(stage("team/app"), &event, applied());
    for hollow in [json!(null), json!({}), json!({ "repository": null })] {
        let event = with(whole.clone(), "/detail/responseElements", hollow);
        check(stage("team/app"), &event, applied());
    }
}

#[test]
fn an_event_needs_no_more_than_the_few_fields_that_matter() {
    let event = json!({
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ecr",
        "account": ACCOUNT,
        "region": REGION,
        "detail": {
            "eventSource": "ecr.amazonaws.com",
            "eventName": "CreateRepository",
            "awsRegion": REGION,
            "recipientAccountId": ACCOUNT,
            "responseElements": { "repository": {
                "registryId": ACCOUNT,
                "repositoryName": "team/app",
                "repositoryArn": format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app")
            }}
        }
    });
    check(stage("team/app"), &event, applied());

    let event = json!({
        "detail-type": "AWS Service Event via CloudTrail",
        "source": "aws.ecr",
        "account": ACCOUNT,
        "region": REGION,
        "detail": {
            "eventSource": "ecr.amazonaws.com",
            "eventName": "CreateRepository",
            "awsRegion": REGION,
            "recipientAccountId": ACCOUNT,
            "serviceEventDetails": { "repositoryName": "team/app" }
        }
    });
    check(stage("team/app"), &event, applied());
}

#[test]
fn what_one_shape_does_not_use_may_look_as_it_likes() {
    let call = created("team/app");
    for event in [
        with(call.clone(), "/detail/requestParameters/tags", json!([{ "key": "team", "value": null }])),
        with(call.clone(), "/detail/requestParameters/tags", json!([{ "key": "team" }])),
        with(call.clone(), "/detail/serviceEventDetails", json!({})),
        with(call.clone(), "/detail/responseElements/repository", json!({ "registryId": ACCOUNT })),
        with(call.clone(), "/detail/errorCode", json!("")),
        with(created_by_ecr("team/app"), "/detail/requestParameters", json!({ "tags": "none" })),
        with(created_by_ecr("team/app"), "/detail/responseElements", json!("none")),
        with(call.clone(), "/time", json!("yesterday")),
        with(call.clone(), "/resources", json!("none")),
        with(call.clone(), "/id", json!(7)),
    ] {
        check(stage("team/app"), &event, applied());
    }
}

#[test]
fn fields_that_do_not_matter_may_have_any_shape() {
    let strange = [
        ("/detail/userIdentity", json!(null)),
        ("/detail/userIdentity", json!({ "type": "WebIdentityUser", "userName": 7 })),
        ("/detail/responseElements/repository/createdAt", json!({ "seconds": 1 })),
        ("/detail/requestParameters/imageTagMutability", json!([1, 2, 3])),
        ("/detail/eventTime", json!(1_763_630_067)),
        ("/detail/somethingNew", json!({ "deep": [null, true] })),
        ("/time", json!(null)),
    ];
    each(strange, |(pointer, value)| {
        check(stage("team/app"), &with(created("team/app"), pointer, value), applied());
    });
}

#[test]
fn a_caller_from_another_account_changes_nothing_where_the_registry_is_ours() {
    let event = with(created("team/app"), "/detail/userIdentity/accountId", json!("999988887777"));
    check(stage("team/app"), &event, applied());

    // Where the answer does not name the registry, the recipient is it.
    let event = without(event, "/detail/responseElements/repository/registryId");
    check(stage("team/app"), &event, applied());

    // Where it does, it is right.
    let event = with(created("team/app"), "/detail/recipientAccountId", json!("999988887777"));
    check(stage("team/app"), &event, applied());
}

#[test]
fn a_second_delivery_of_the_same_event_writes_nothing() {
    for event in [created("team/app"), created_by_ecr("team/app")] {
        let mut function = stage("team/app").start();
        let first = function.check(&event, applied());
        let second = function.check(&event, Scenario::Unchanged);
        assert_eq!(second["outcomes"][0]["rules"], first["outcomes"][0]["rules"]);
        let writes = function.aws.calls().iter().filter(|call| call.operation == SetRepositoryPolicy).count();
        assert_eq!(writes, 1);
    }
}

#[test]
fn one_process_serves_one_event_after_another() {
    let mut function = stage("one").repository("two").repository("three").start();
    for name in ["one", "two", "three"] {
        let response = function.check(&created(name), applied());
        let arn = format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}");
        assert_eq!(response["outcomes"][0]["repository"], json!(arn));
    }
    // An event that fails is no end, either.
    function.check(&json!({}), Scenario::Garbage);
    function.check(&created("two"), Scenario::Unchanged);
}

#[test]
fn calls_that_are_not_the_creation_of_a_repository_here_are_ignored() {
    let whole = created("team/app");
    let service = created_by_ecr("team/app");
    let failed = with(whole.clone(), "/detail/errorCode", json!("RepositoryAlreadyExistsException"));
    let failed = with(failed, "/detail/errorMessage", json!("The repository already exists"));
    let failed = with(failed, "/detail/responseElements", json!(null));
    let source = |source: &str| {
        let event = with(whole.clone(), "/detail/eventSource", json!(format!("{source}.amazonaws.com")));
        with(event, "/source", json!(format!("aws.{source}")))
    };
    let name = |event: &Value, name: &str| with(event.clone(), "/detail/eventName", json!(name));
    let registry = with(whole.clone(), "/detail/responseElements/repository/registryId", json!("999988887777"));
    let recipient = with(service.clone(), "/detail/recipientAccountId", json!("999988887777"));
    let recipient = with(recipient, "/account", json!("999988887777"));
    let cases: Vec<(&str, Value, Vec<&'static str>)> = vec![
        ("a failed call", failed, vec!["RepositoryAlreadyExistsException"]),
        ("CodeCommit", source("codecommit"), vec!["codecommit.amazonaws.com"]),
        ("ECR Public", source("ecr-public"), vec!["ecr-public.amazonaws.com"]),
        ("another call", name(&whole, "PutImage"), vec!["PutImage"]),
        ("a deletion", name(&whole, "DeleteRepository"), vec!["DeleteRepository"]),
        ("another service event", name(&service, "PolicyExecutionEvent"), vec!["PolicyExecutionEvent"]),
        ("another registry", registry, vec!["999988887777"]),
        ("another registry's service event", recipient, vec!["999988887777"]),
    ];
    each(cases, |(_, event, words)| {
        check(stage("team/app"), &event, Scenario::RadioSilence(words));
    });
}

#[test]
fn what_is_ignored_may_look_quite_different_inside() {
    let api = |source: &str, name: &str, request: Value, response: Value| {
        let event = with(created("team/app"), "/detail/eventSource", json!(source));
        let event = with(event, "/detail/eventName", json!(name));
        let event = with(event, "/detail/requestParameters", request);
        with(event, "/detail/responseElements", response)
    };
    let failed = |code: &str, request: Value| {
        let event = api("ecr.amazonaws.com", "CreateRepository", request, json!(null));
        with(event, "/detail/errorCode", json!(code))
    };
    let service = with(created_by_ecr("team/app"), "/detail/eventName", json!("ReplicationEvent"));
    let service = with(service, "/detail/serviceEventDetails", json!({ "destinations": [{ "region": "us-east-1" }] }));
    let cases: Vec<(&str, Value, Vec<&'static str>)> = vec![
        (
            "CodeCommit, whose tags are a map",
            api(
                "codecommit.amazonaws.com",
                "CreateRepository",
                json!({ "repositoryName": "Demo", "repositoryDescription": "x", "tags": { "team": "payments" } }),
                json!({ "repositoryMetadata": {
                    "arn": format!("arn:aws:codecommit:{REGION}:{ACCOUNT}:Demo"), "repositoryName": "Demo",
                    "creationDate": "Nov 20, 2026 9:14:27 AM", "accountId": ACCOUNT
                }}),
            ),
            vec!["codecommit.amazonaws.com"],
        ),
        (
            "ECR Public",
            api(
                "ecr-public.amazonaws.com",
                "CreateRepository",
                json!({ "repositoryName": "team/app", "catalogData": {} }),
                json!({ "catalogData": {}, "repository": {
                    "repositoryArn": format!("arn:aws:ecr-public::{ACCOUNT}:repository/team/app"),
                    "registryId": ACCOUNT, "repositoryName": "team/app",
                    "repositoryUri": "public.ecr.aws/a1b2c3d4/team/app", "createdAt": 1_763_630_067_123_u64
                }}),
            ),
            vec!["ecr-public.amazonaws.com"],
        ),
        (
            "another call with other members",
            api("ecr.amazonaws.com", "PutImage", json!({ "tags": "none" }), json!({ "repository": "team/app" })),
            vec!["PutImage"],
        ),
        (
            "a call whose members are hidden",
            api("ecr.amazonaws.com", "DescribeImages", json!("HIDDEN"), json!("HIDDEN")),
            vec!["DescribeImages"],
        ),
        ("a denied call", failed("AccessDenied", json!(null)), vec!["AccessDenied"]),
        (
            "a call with a bad name",
            failed("InvalidParameterException", json!({ "repositoryName": "Bad Name" })),
            vec!["InvalidParameterException"],
        ),
        (
            "a call with members of the wrong kind",
            failed("InvalidParameterException", json!({ "repositoryName": 7, "tags": {} })),
            vec!["InvalidParameterException"],
        ),
        ("a service event about something else", service, vec!["ReplicationEvent"]),
    ];
    each(cases, |(_, event, words)| check(stage("team/app"), &event, Scenario::RadioSilence(words)));
}

#[test]
fn the_account_of_the_invoked_function_decides_which_registry_is_ours() {
    let event = with(created("team/app"), "/detail/responseElements/repository/registryId", json!("999988887777"));
    let elsewhere = "arn:aws:lambda:eu-west-1:555566667777:function:ecr-autopolicy";
    check(stage("team/app").arn(elsewhere), &event, Scenario::RadioSilence(vec!["999988887777"]));
    check(stage("team/app").arn(elsewhere), &created("team/app"), Scenario::RadioSilence(vec![ACCOUNT]));
    for qualifier in ["live", "7", "$LATEST"] {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:ecr-autopolicy:{qualifier}");
        check(stage("team/app").arn(&arn), &created("team/app"), applied());
    }
}

#[test]
fn an_event_that_is_no_creation_at_all_is_refused() {
    let whole = created("team/app");
    let nameless = with(whole.clone(), "/detail/responseElements", json!(null));
    let nameless = without(nameless, "/detail/requestParameters/repositoryName");
    let service = created_by_ecr("team/app");
    let regionless = without(without(whole.clone(), "/detail/awsRegion"), "/region");
    let regionless = with(regionless, "/detail/responseElements", json!(null));
    let cases = [
        ("null", json!(null)),
        ("a number", json!(42)),
        ("a string", json!("CreateRepository")),
        ("a list", json!([created("team/app")])),
        ("nothing", json!({})),
        ("the console's example", json!({ "key1": "value1", "key2": "value2", "key3": "value3" })),
        ("no detail", without(whole.clone(), "/detail")),
        ("a detail that is none", with(whole.clone(), "/detail", json!("CreateRepository"))),
        (
            "an event of another service",
            json!({
                "version": "0", "id": "1", "detail-type": "EC2 Instance State-change Notification",
                "source": "aws.ec2", "account": ACCOUNT, "region": REGION, "resources": [],
                "time": "2026-11-20T09:14:27Z",
                "detail": { "instance-id": "i-0123456789abcdef0", "state": "running" }
            }),
        ),
        ("no name", nameless),
        ("no name in a service event", without(service.clone(), "/detail/serviceEventDetails")),
        ("a name that is a number", with(service, "/detail/serviceEventDetails/repositoryName", json!(7))),
        ("no Region", regionless),
    ];
    each(cases, |(_, event)| check(stage("team/app"), &event, Scenario::Garbage));
}

#[test]
fn a_name_that_ecr_forbids_is_refused_before_any_call() {
    let long = "a".repeat(257);
    let forbidden = [
        "",
        "a",
        "App",
        "-app",
        "app-",
        "app_",
        "_app",
        "app/",
        "/app",
        "team//app",
        "app___x",
        "app..x",
        "app._x",
        "app-_x",
        "team app",
        "app\n",
        " app",
        "app:latest",
        "äpp",
        "../../app",
        "team/*",
        "team/-app",
        &long,
    ];
    each(forbidden, |name| {
        let mut function = stage("team/app").start();
        function.check(&created(name), Scenario::Garbage);
        function.check(&created_by_ecr(name), Scenario::Garbage);
    });
}

#[test]
fn a_name_that_ecr_allows_is_served() {
    let long = "a".repeat(256);
    let allowed =
        ["ab", "a0", "0a", "a.b", "a_b", "a__b", "a-b", "a--b", "a---b", "a/b", "team/app/x.y_z", "00/11", &long];
    let mut stage = Stage::new().configuration(&workloads());
    for name in allowed {
        stage = stage.repository(name);
    }
    let mut function = stage.start();
    for name in allowed {
        function.check(&created(name), applied());
    }
}

#[test]
fn only_the_repository_of_the_event_is_looked_at() {
    let mut function = stage("team/app").repository("team/other").start();
    function.check(&created("team/app"), applied());
    assert_eq!(function.aws.policy(REGION, "team/other"), None);
    for call in function.calls() {
        if [GetRepositoryPolicy, SetRepositoryPolicy].contains(&call.operation) {
            assert_eq!(call.body["repositoryName"], "team/app");
        }
    }
}
