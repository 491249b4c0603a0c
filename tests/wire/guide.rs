//! The example policies of the Amazon ECR user guide ('Private repository policy examples'), each
//! as a template or as a document of its own, in the guide's newer and older wording.

use serde_json::{Value, json};

use crate::document::{actions, policy};
use crate::event::created;
use crate::scenario::{Scenario, check, fails};
use crate::stage::Stage;

const PUSH_AND_PULL: [&str; 7] = [
    "ecr:BatchGetImage",
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
];
const PULL: [&str; 2] = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

/// The statements are written as they stand, under ids of ours.
#[track_caller]
fn check_example(configuration: &Value, statements: &[Value]) {
    println!("{configuration}");
    let managed: Vec<Value> = statements
        .iter()
        .map(|statement| {
            let mut statement = statement.clone();
            statement["Sid"] = json!(format!("AutoPolicy{}", statement["Sid"].as_str().unwrap()));
            statement
        })
        .collect();
    let mut function = Stage::new().configuration(configuration).repository("team/app").start();
    function.check(&created("team/app"), Scenario::Applied(policy(&managed)));
    // What ECR makes of the example is the example still.
    function.check(&created("team/app"), Scenario::Unchanged);
}

/// A document is the example in both of the Versions that the guide has used.
#[track_caller]
fn check_document(statements: &[Value]) {
    check_example(&policy(statements), statements);
    check_example(&json!({ "Version": "2008-10-17", "Statement": statements }), statements);
}

fn user(name: &str) -> String {
    format!("arn:aws:iam::111122223333:user/{name}")
}

#[test]
fn users_push_and_pull() {
    let users = [user("push-pull-user-1"), user("push-pull-user-2")];
    check_document(&[json!({
        "Sid": "AllowPushPull", "Effect": "Allow", "Principal": { "AWS": users },
        "Action": PUSH_AND_PULL
    })]);
    check_example(
        &json!({ "template": "principals", "with": { "principals": users, "access": "PullPush" } }),
        &[json!({
            "Sid": "AllowPullPush", "Effect": "Allow", "Principal": { "AWS": users },
            "Action": actions("PullPush")
        })],
    );
}

#[test]
fn another_account_pushes() {
    let root = "arn:aws:iam::444455556666:root";
    check_document(&[json!({
        "Sid": "AllowCrossAccountPush", "Effect": "Allow", "Principal": { "AWS": root },
        "Action": [
            "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload",
            "ecr:PutImage", "ecr:UploadLayerPart"
        ]
    })]);
    check_example(
        &json!({ "template": "principals", "with": { "principals": [root], "access": "Push" } }),
        &[json!({
            "Sid": "AllowPush", "Effect": "Allow", "Principal": { "AWS": root },
            "Action": actions("Push")
        })],
    );
}

#[test]
fn some_pull_and_one_administers() {
    let users = [user("pull-user-1"), user("pull-user-2")];
    check_document(&[
        json!({ "Sid": "AllowPull", "Effect": "Allow", "Principal": { "AWS": users }, "Action": PULL }),
        json!({
            "Sid": "AllowAll", "Effect": "Allow", "Principal": { "AWS": user("admin-user") },
            "Action": ["ecr:*"]
        }),
    ]);
    check_example(
        &json!({ "rules": [
            { "name": "Some", "template": "principals", "with": { "principals": users } },
            { "name": "One", "template": "principals", "with": {
                "principals": [user("admin-user")], "access": "Full"
            }},
        ]}),
        &[
            json!({
                "Sid": "SomeAllowPull", "Effect": "Allow", "Principal": { "AWS": users },
                "Action": actions("Pull")
            }),
            json!({
                "Sid": "OneAllowFull", "Effect": "Allow", "Principal": { "AWS": user("admin-user") },
                "Action": "ecr:*"
            }),
        ],
    );
}

#[test]
fn all_accounts_pull_where_the_public_is_allowed() {
    let statement = json!({ "Sid": "AllowPull", "Effect": "Allow", "Principal": "*", "Action": PULL });
    let document = policy(std::slice::from_ref(&statement));
    let stage = Stage::new().configuration(&document).repository("team/app");
    check(stage, &created("team/app"), fails("ConfigurationInvalid", &["allow_public"]));
    check_example(&json!({ "policy": document, "allow_public": true }), &[statement]);
}

#[test]
fn nobody_pulls() {
    check_document(&[json!({ "Sid": "DenyPull", "Effect": "Deny", "Principal": "*", "Action": PULL })]);
}

#[test]
fn a_network_with_an_exception() {
    let statement = json!({
        "Sid": "IPAllow", "Effect": "Allow", "Principal": "*", "Action": "ecr:*",
        "Condition": {
            "NotIpAddress": { "aws:SourceIp": "54.240.143.188/32" },
            "IpAddress": { "aws:SourceIp": "54.240.143.0/24" }
        }
    });
    let mut document = policy(std::slice::from_ref(&statement));
    check_example(&document, std::slice::from_ref(&statement));
    check_example(
        &json!({ "template": "source-ip", "with": {
            "allow_cidrs": ["54.240.143.0/24"], "except_cidrs": ["54.240.143.188/32"]
        }}),
        &[{
            let mut statement = statement.clone();
            statement["Sid"] = json!("AllowFull");
            statement
        }],
    );

    // In the guide this document has an id. Whether that is kept is nobody's business.
    document["Id"] = json!("ECRPolicyId1");
    let mut function = Stage::new().configuration(&document).repository("team/app").start();
    let response = function.invoke(&created("team/app")).response();
    assert_eq!(response["outcomes"][0]["statements"], json!(["AutoPolicyIPAllow"]));
}

#[test]
fn nobody_from_outside_a_network() {
    check_document(&[json!({
        "Sid": "IPAllow", "Effect": "Deny", "Principal": "*", "Action": "ecr:*",
        "Condition": { "NotIpAddress": { "aws:SourceIp": "54.240.143.0/24" } }
    })]);
}

#[test]
fn codebuild_pulls_for_one_project() {
    check_document(&[json!({
        "Sid": "CodeBuildAccess", "Effect": "Allow",
        "Principal": { "Service": "codebuild.amazonaws.com" },
        "Action": PULL,
        "Condition": {
            "ArnLike": {
                "aws:SourceArn": "arn:aws:codebuild:eu-west-1:123456789012:project/project-name"
            },
            "StringEquals": { "aws:SourceAccount": "123456789012" }
        }
    })]);
    // The older wording has no condition: the confused deputy is worth a warning, not a refusal.
    check_document(&[json!({
        "Sid": "CodeBuildAccess", "Effect": "Allow",
        "Principal": { "Service": "codebuild.amazonaws.com" }, "Action": PULL
    })]);
}

#[test]
fn the_guide_s_pages_that_have_a_resource_are_answered_with_what_to_write_instead() {
    let mut statement = json!({ "Sid": "DenyPull", "Effect": "Deny", "Principal": "*", "Action": PULL });
    statement["Resource"] = json!("*");
    let stage = Stage::new().configuration(&policy(&[statement])).repository("team/app");
    check(stage, &created("team/app"), fails("ConfigurationInvalid", &["Resource", "`repositories`"]));
}
