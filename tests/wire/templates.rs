//! Every template, as the policy that ECR gets to see.

use serde_json::{Value, json};

use crate::document::{actions, policy};
use crate::event::created;
use crate::scenario::{Scenario, check, each, fails};
use crate::stage::Stage;

/// One rule alone, in the short form, becomes one statement.
#[track_caller]
fn check_template(configuration: &Value, statement: &Value) {
    let stage = Stage::new().configuration(configuration).repository("team/app");
    check(stage, &created("team/app"), Scenario::Applied(policy(std::slice::from_ref(statement))));
}

/// The statement of a template that grants an access level to everyone who meets a condition.
fn everyone(access: &str, condition: &Value) -> Value {
    json!({
        "Sid": format!("AutoPolicyAllow{access}"),
        "Effect": "Allow",
        "Principal": "*",
        "Action": actions(access),
        "Condition": condition
    })
}

#[test]
fn organization_ou_opens_to_organisational_units() {
    let paths = json!(["o-a1b2c3d4e5/r-ab12/ou-ab12-cd34ef56/*", "o-a1b2c3d4e5/*/ou-ab12-99999999/"]);
    check_template(
        &json!({ "template": "organization-ou", "with": { "org_paths": paths } }),
        &everyone("Pull", &json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": paths } })),
    );
}

#[test]
fn organization_opens_to_whole_organisations() {
    let ids = json!(["o-a1b2c3d4e5", "o-z9y8x7w6v5"]);
    check_template(
        &json!({ "template": "organization", "with": { "org_ids": ids, "access": "Read" } }),
        &everyone("Read", &json!({ "StringEquals": { "aws:PrincipalOrgID": ids } })),
    );
}

#[test]
fn account_list_names_the_registry_first_and_every_account_once() {
    let with = |accounts: Value| json!({ "template": "account-list", "with": { "accounts": accounts } });
    let expected = |accounts: Value| everyone("Pull", &json!({ "StringEquals": { "aws:PrincipalAccount": accounts } }));
    check_template(
        &with(json!(["444455556666", "111122223333"])),
        &expected(json!(["123456789012", "444455556666", "111122223333"])),
    );
    check_template(
        &with(json!(["444455556666", "123456789012", "111122223333", "444455556666"])),
        &expected(json!(["123456789012", "444455556666", "111122223333"])),
    );
    check_template(&with(json!(["123456789012"])), &expected(json!(["123456789012"])));
}

#[test]
fn every_access_level_is_its_list_of_actions() {
    each(["Pull", "Push", "PullPush", "Read", "Full"], |access| {
        check_template(
            &json!({ "template": "account-list", "with": {
                "accounts": ["444455556666"], "access": access
            }}),
            &everyone(
                access,
                &json!({ "StringEquals": {
                    "aws:PrincipalAccount": ["123456789012", "444455556666"]
                }}),
            ),
        );
    });
}

#[test]
fn principals_opens_to_the_named_accounts_roles_and_users() {
    let principals = json!([
        "arn:aws:iam::444455556666:root",
        "arn:aws:iam::444455556666:role/ci/Deployer",
        "arn:aws:iam::123456789012:user/ada",
    ]);
    for access in ["Pull", "PullPush"] {
        check_template(
            &json!({ "template": "principals", "with": { "principals": principals, "access": access } }),
            &json!({
                "Sid": format!("AutoPolicyAllow{access}"),
                "Effect": "Allow",
                "Principal": { "AWS": principals },
                "Action": actions(access),
            }),
        );
    }
}

/// What a template without an access level sent, whose actions and Sid are its own.
#[track_caller]
fn sent_statement(configuration: &Value) -> Value {
    let mut function = Stage::new().configuration(configuration).repository("team/app").start();
    let response = function.invoke(&created("team/app")).response();
    assert_eq!(response["outcomes"][0]["outcome"], "applied", "{response:#}");
    let document: Value = serde_json::from_str(&function.sent_policy()).unwrap();
    assert_eq!(document["Version"], "2012-10-17");
    let statements = document["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 1, "{document:#}");
    let statement = statements[0].clone();
    let sid = statement["Sid"].as_str().unwrap();
    assert!(sid.starts_with("AutoPolicy") && sid.len() > "AutoPolicy".len(), "{sid}");
    assert!(sid.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{sid}");
    statement
}

#[test]
fn lambda_service_lets_the_accounts_functions_pull() {
    let statement = sent_statement(&json!({
        "template": "lambda-service", "with": { "accounts": ["444455556666", "111122223333"] }
    }));
    assert_eq!(statement["Effect"], "Allow");
    assert_eq!(statement["Principal"], json!({ "Service": "lambda.amazonaws.com" }));
    let actions = crate::aws::strings(&statement["Action"]);
    for action in ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] {
        assert!(actions.contains(&action.to_owned()), "{statement:#}");
    }
    let condition = statement["Condition"].as_object().unwrap();
    assert_eq!(condition.len(), 1, "{statement:#}");
    let (key, arns) = condition["StringLike"].as_object().unwrap().iter().next().unwrap();
    assert!(key.eq_ignore_ascii_case("aws:SourceArn"), "{statement:#}");
    let arns = crate::aws::strings(arns);
    assert_eq!(arns.len(), 2, "{statement:#}");
    for (arn, account) in arns.iter().zip(["444455556666", "111122223333"]) {
        let parts: Vec<&str> = arn.split(':').collect();
        assert_eq!(parts[..3], ["arn", "aws", "lambda"], "{arn}");
        assert!(["*", "eu-west-1"].contains(&parts[3]), "{arn}");
        assert_eq!(parts[4..], [account, "function", "*"], "{arn}");
    }
}

#[test]
fn aws_service_lets_services_in_for_accounts() {
    let statement = sent_statement(&json!({
        "template": "aws-service", "with": {
            "services": ["codebuild.amazonaws.com", "ecs.amazonaws.com"],
            "source_accounts": ["123456789012", "444455556666"]
        }
    }));
    assert_eq!(statement["Effect"], "Allow");
    assert_eq!(statement["Principal"], json!({ "Service": ["codebuild.amazonaws.com", "ecs.amazonaws.com"] }));
    assert_eq!(
        statement["Condition"],
        json!({ "StringEquals": { "aws:SourceAccount": ["123456789012", "444455556666"] } })
    );
    let actions = crate::aws::strings(&statement["Action"]);
    for action in ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] {
        assert!(actions.contains(&action.to_owned()), "{statement:#}");
    }
}

#[test]
fn source_ip_opens_to_networks_with_exceptions() {
    check_template(
        &json!({ "template": "source-ip", "with": {
            "allow_cidrs": ["54.240.143.0/24"], "except_cidrs": ["54.240.143.188/32"]
        }}),
        &everyone(
            "Full",
            &json!({
                "IpAddress": { "aws:SourceIp": "54.240.143.0/24" },
                "NotIpAddress": { "aws:SourceIp": "54.240.143.188/32" }
            }),
        ),
    );
}

#[test]
fn source_ip_without_exceptions_has_no_negative_condition() {
    let networks = json!(["198.51.100.0/24", "2001:db8::/32"]);
    check_template(
        &json!({ "template": "source-ip", "with": { "allow_cidrs": networks, "access": "Pull" } }),
        &everyone("Pull", &json!({ "IpAddress": { "aws:SourceIp": networks } })),
    );
}

#[test]
fn public_pull_opens_to_everyone_where_that_is_allowed() {
    let statement = sent_statement(&json!({ "template": "public-pull", "allow_public": true }));
    assert_eq!(statement["Effect"], "Allow");
    assert_eq!(statement["Principal"], "*");
    assert_eq!(statement.get("Condition"), None);
    let actions = crate::aws::strings(&statement["Action"]);
    for action in ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] {
        assert!(actions.contains(&action.to_owned()), "{statement:#}");
    }
    for action in actions {
        assert!(!action.contains("Put") && !action.contains('*'), "{action} is no pull");
    }
}

#[test]
fn public_pull_is_refused_where_that_is_not_allowed() {
    for configuration in [
        json!({ "template": "public-pull" }),
        json!({ "template": "public-pull", "allow_public": false }),
        json!({ "rules": [{ "template": "public-pull" }] }),
    ] {
        let stage = Stage::new().configuration(&configuration).repository("team/app");
        check(stage, &created("team/app"), fails("ConfigurationInvalid", &["allow_public"]));
    }
}

#[test]
fn deny_pull_denies_everyone() {
    let statement = sent_statement(&json!({ "template": "deny-pull" }));
    assert_eq!(statement["Effect"], "Deny");
    assert_eq!(statement["Principal"], "*");
    let actions = crate::aws::strings(&statement["Action"]);
    for action in ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"] {
        assert!(actions.contains(&action.to_owned()), "{statement:#}");
    }
}

#[test]
fn the_same_value_twice_stands_once() {
    let path = "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*";
    check_template(
        &json!({ "template": "organization-ou", "with": { "org_paths": [path, path] } }),
        &everyone("Pull", &json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": [path] } })),
    );
}

#[test]
fn a_value_is_put_in_as_a_value_and_never_as_text() {
    // Were it pasted into the text, the quotation mark would end the string and add a member.
    let tricky = r#"arn:aws:iam::444455556666:role/x","Resource":"*"#;
    let stage = Stage::new()
        .configuration(&json!({ "Version": "2012-10-17", "Statement": [{
            "Sid": "Tricky",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "ecr:BatchGetImage",
            "Condition": { "ArnNotLike": { "aws:PrincipalArn": tricky } }
        }]}))
        .repository("team/app");
    let expected = policy(&[json!({
        "Sid": "AutoPolicyTricky",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "ecr:BatchGetImage",
        "Condition": { "ArnNotLike": { "aws:PrincipalArn": tricky } }
    })]);
    check(stage, &created("team/app"), Scenario::Applied(expected));
}

#[test]
fn iam_s_own_variables_pass_through_untouched() {
    let condition = json!({
        "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" },
        "StringLike": {
            "aws:PrincipalTag/team": [
                "${aws:PrincipalTag/team}", "${*}", "${?}", "${$}", "${aws:username}",
                "${aws:PrincipalTag/team, 'nobody'}"
            ]
        }
    });
    let stage = Stage::new()
        .configuration(&json!({ "Version": "2012-10-17", "Statement": [{
            "Sid": "Own", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage",
            "Condition": condition
        }]}))
        .repository("team/app");
    let expected = policy(&[json!({
        "Sid": "AutoPolicyOwn", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage",
        "Condition": condition
    })]);
    check(stage, &created("team/app"), Scenario::Applied(expected));
}
