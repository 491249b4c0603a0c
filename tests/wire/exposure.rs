//! What counts as public, and is refused unless the configuration allows it.

use serde_json::{Value, json};

use crate::document::policy;
use crate::event::created;
use crate::scenario::{Scenario, check, each, fails};
use crate::stage::Stage;

fn everyone(principal: (&str, Value), condition: Option<Value>) -> Value {
    let mut statement = json!({ "Sid": "Open", "Effect": "Allow" });
    statement[principal.0] = principal.1;
    statement["Action"] = json!("ecr:BatchGetImage");
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    statement
}

fn on(configuration: &Value) -> Stage {
    Stage::new().configuration(configuration).repository("team/app")
}

fn star() -> (&'static str, Value) {
    ("Principal", json!("*"))
}

/// It is refused without `allow_public`, and nothing is written; it is applied with it.
#[track_caller]
fn check_public(statement: &Value) {
    let document = policy(std::slice::from_ref(statement));
    check(on(&document), &created("team/app"), fails("ConfigurationInvalid", &["public"]));
    let mut expected = statement.clone();
    expected["Sid"] = json!("AutoPolicyOpen");
    let allowed = json!({ "policy": document, "allow_public": true });
    check(on(&allowed), &created("team/app"), Scenario::Applied(policy(&[expected])));
}

/// It is applied as it is.
#[track_caller]
fn check_narrow(statement: &Value) {
    let mut expected = statement.clone();
    expected["Sid"] = json!("AutoPolicyOpen");
    let document = policy(std::slice::from_ref(statement));
    check(on(&document), &created("team/app"), Scenario::Applied(policy(&[expected])));
}

#[test]
fn an_allow_for_everyone_is_public() {
    let principals = [
        star(),
        ("Principal", json!({ "AWS": "*" })),
        ("Principal", json!({ "AWS": ["arn:aws:iam::444455556666:root", "*"] })),
        ("NotPrincipal", json!({ "AWS": "arn:aws:iam::444455556666:root" })),
    ];
    each(principals, |principal| check_public(&everyone(principal, None)));
}

#[test]
fn a_condition_that_narrows_nothing_leaves_it_public() {
    let conditions = [
        json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }),
        json!({ "ArnNotLike": { "aws:PrincipalArn": "arn:aws:iam::444455556666:*" } }),
        json!({ "NotIpAddress": { "aws:SourceIp": "54.240.143.188/32" } }),
        json!({ "ForAllValues:StringLike": { "aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*" } }),
        json!({ "StringEqualsIfExists": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }),
        json!({ "StringEquals": { "aws:PrincipalTag/team": "payments" } }),
        json!({ "StringEquals": { "aws:RequestedRegion": "eu-west-1" } }),
        json!({ "Bool": { "aws:SecureTransport": "true" } }),
        json!({ "Null": { "aws:PrincipalOrgID": "false" } }),
        json!({ "StringLike": { "aws:PrincipalOrgID": "o-*" } }),
        json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": "*/r-ab12/*" } }),
        json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": ["o-a1b2c3d4e5/*", "o-*/*"] } }),
        json!({ "StringLike": { "aws:PrincipalAccount": "*" } }),
        json!({ "StringLike": { "aws:PrincipalAccount": "44445555666?" } }),
        json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/Deployer" } }),
        json!({ "StringLike": { "aws:SourceVpce": "vpce-*" } }),
        json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } }),
        json!({ "IpAddress": { "aws:SourceIp": "54.0.0.0/7" } }),
        json!({ "IpAddress": { "aws:SourceIp": "2001::/31" } }),
        json!({ "IpAddress": { "aws:SourceIp": ["54.240.143.0/24", "0.0.0.0/0"] } }),
    ];
    each(conditions, |condition| check_public(&everyone(star(), Some(condition))));
    check_public(&everyone(
        ("NotPrincipal", json!({ "AWS": "arn:aws:iam::444455556666:root" })),
        Some(json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } })),
    ));
}

#[test]
fn a_pinned_positive_condition_narrows() {
    let conditions = [
        json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }),
        json!({ "StringLike": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }),
        json!({ "StringEqualsIgnoreCase": { "aws:PrincipalAccount": "444455556666" } }),
        json!({ "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*" } }),
        json!({ "ForAnyValue:StringEquals": { "aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/" } }),
        json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::444455556666:role/*" } }),
        json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::444455556666:role/Deployer" } }),
        json!({ "ArnLike": { "aws:SourceArn": "arn:aws:codebuild:eu-west-1:444455556666:project/*" } }),
        json!({ "StringEquals": { "aws:SourceAccount": ["444455556666", "111122223333"] } }),
        json!({ "StringEquals": { "aws:SourceOrgID": "o-a1b2c3d4e5" } }),
        json!({ "ForAnyValue:StringLike": { "aws:SourceOrgPaths": "o-a1b2c3d4e5/*" } }),
        json!({ "StringEquals": { "aws:SourceVpc": "vpc-0123456789abcdef0" } }),
        json!({ "StringEquals": { "aws:SourceVpce": "vpce-0123456789abcdef0" } }),
        json!({ "IpAddress": { "aws:SourceIp": "54.0.0.0/8" } }),
        json!({ "IpAddress": { "aws:SourceIp": ["2001:db8::/32", "54.240.143.7/32"] } }),
        // One condition that narrows is enough.
        json!({
            "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5", "aws:PrincipalTag/team": "pay" },
            "NotIpAddress": { "aws:SourceIp": "54.240.143.188/32" }
        }),
        // Condition keys are not case-sensitive.
        json!({ "StringEquals": { "AWS:principalorgid": "o-a1b2c3d4e5" } }),
    ];
    each(conditions, |condition| check_narrow(&everyone(star(), Some(condition))));
}

#[test]
fn what_is_not_an_allow_for_everyone_is_not_public() {
    check_narrow(&everyone(("Principal", json!({ "AWS": "arn:aws:iam::444455556666:root" })), None));
    check_narrow(&everyone(("Principal", json!({ "Service": "codebuild.amazonaws.com" })), None));
    let mut deny = everyone(star(), None);
    deny["Effect"] = json!("Deny");
    check_narrow(&deny);
}

#[test]
fn no_template_opens_the_door_by_its_variables() {
    let cases = [
        json!({ "template": "principals", "with": { "principals": ["*"] } }),
        json!({ "template": "principals", "with": { "principals": ["arn:aws:iam::444455556666:root", "*"] } }),
        json!({ "template": "organization-ou", "with": { "org_paths": ["*"] } }),
        json!({ "template": "organization-ou", "with": { "org_paths": ["o-*/r-ab12/ou-ab12-cd34ef56/*"] } }),
        json!({ "template": "organization", "with": { "org_ids": ["*"] } }),
        json!({ "template": "organization", "with": { "org_ids": ["o-a1b2c3d4e5", "o-*"] } }),
        json!({ "template": "account-list", "with": { "accounts": ["*"] } }),
        json!({ "template": "lambda-service", "with": { "accounts": ["*"] } }),
        json!({ "template": "aws-service", "with": {
            "services": ["codebuild.amazonaws.com"], "source_accounts": ["*"]
        }}),
        json!({ "template": "source-ip", "with": { "allow_cidrs": ["0.0.0.0/0"] } }),
        json!({ "template": "source-ip", "with": { "allow_cidrs": ["198.51.100.0/24", "::/0"] } }),
    ];
    each(cases, |configuration| check(on(&configuration), &created("team/app"), fails("ConfigurationInvalid", &[])));
}

#[test]
fn no_repository_opens_itself_by_its_name() {
    // ECR takes this for the name of a repository, and IAM for the whole world.
    let name = "0.0.0.0/0";
    let condition = json!({ "IpAddress": { "aws:SourceIp": "${repository_name}" } });
    let document = policy(&[everyone(star(), Some(condition))]);
    let stage = Stage::new().configuration(&document).repository(name);
    check(stage, &created(name), fails("ConfigurationInvalid", &["aws:SourceIp"]));
}

#[test]
fn what_others_have_opened_is_not_ours_to_refuse() {
    let mut foreign = everyone(star(), None);
    foreign["Sid"] = json!("TheirsForAll");
    let ours = json!({
        "Sid": "Own", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:root" },
        "Action": "ecr:BatchGetImage"
    });
    let live = policy(std::slice::from_ref(&foreign)).to_string();
    let stage = Stage::new().configuration(&policy(std::slice::from_ref(&ours))).live("team/app", &live);
    let mut managed = ours;
    managed["Sid"] = json!("AutoPolicyOwn");
    check(stage, &created("team/app"), Scenario::Applied(policy(&[foreign, managed])));
}
