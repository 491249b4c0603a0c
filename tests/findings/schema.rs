//! The published JSON Schema accepts what is accepted, and refuses what it can see to be refused.

use ecr_autopolicy::{configuration::Configuration, policy::sid::SidPrefix, repository::Registry};
use jsonschema::Validator;
use serde_json::Value;

use super::cases::CASES;

/// Mistakes that a schema cannot see, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("rules without a name", "whether a name is needed depends on the number of rules"),
    ("two rules of one name", "no keyword compares a member of two objects"),
    ("a key that stands twice", "JSON readers take the last one before a schema is asked"),
    ("a variable that is none", "any text may stand there"),
    ("a variable without its end", "any text may stand there"),
    ("a variable in a key", "any text may stand there"),
    ("variables under an old version", "no keyword looks for `${` in all of a document"),
    ("statements with one id", "no keyword compares a member of two objects"),
    ("a template that is open", "who gets in is not a matter of syntax"),
    ("networks that are open", "who gets in is not a matter of syntax"),
    ("conditions that only look narrow", "who gets in is not a matter of syntax"),
];

/// Configurations of every shape that are right.
const RIGHT: &[&str] = &[
    r#"{"rules": []}"#,
    r#"{"rules": [], "on_existing_policy": "skip", "allow_public": false}"#,
    r#"{"template": "deny-pull"}"#,
    r#"{"template": "deny-pull", "with": {}, "repositories": ["a*", "?b/*"], "except": ["ab"], "tags": {"team": "pay*"}}"#,
    r#"{"template": "organization-ou", "with": {"org_paths": ["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*", "o-a1b2c3d4e5/", "o-a1b2c3d4e5/r-ab12/ou-ab12-cd34ef56/"]}}"#,
    r#"{"template": "organization", "with": {"org_ids": ["o-a1b2c3d4e5"], "access": "PullPush"}}"#,
    r#"{"name": "A", "template": "account-list", "with": {"accounts": ["444455556666"]}, "on_existing_policy": "replace"}"#,
    r#"{"template": "principals", "with": {"principals": ["444455556666", "arn:aws-cn:iam::444455556666:role/a/b", "arn:aws:iam::444455556666:root"]}}"#,
    r#"{"template": "lambda-service", "with": {"accounts": ["444455556666"]}}"#,
    r#"{"template": "aws-service", "with": {"services": ["codebuild.amazonaws.com"], "source_accounts": ["444455556666"]}}"#,
    r#"{"template": "source-ip", "with": {"allow_cidrs": ["192.0.2.0/24", "2001:db8::/32"], "except_cidrs": ["192.0.2.7"]}}"#,
    r#"{"template": "public-pull", "allow_public": true}"#,
    r#"{"Version": "2012-10-17", "Id": "x", "Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": "444455556666"}, "NotAction": "ecr:*"}}"#,
    r#"{"rules": [{"name": "A", "policy": {"Statement": [{"Sid": "A", "Effect": "Allow", "Principal": {"AWS": ["${registry_id}"], "Service": "codebuild.amazonaws.com"}, "Action": ["*", "ecr:Get*"], "Condition": {"Bool": {"aws:SecureTransport": true}, "NumericLessThan": {"aws:MultiFactorAuthAge": [60, "70"]}, "StringEquals": {"aws:SourceAccount": "444455556666"}}}]}}]}"#,
];

#[expect(clippy::unwrap_used, reason = "a test that cannot read its schema has failed")]
fn validator() -> Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn has_errors(text: &str) -> bool {
    Configuration::examine(text, &SidPrefix::default(), &Registry::sample()).1.has_errors()
}

#[test]
fn what_is_accepted_is_right_by_the_schema() {
    let validator = validator();
    for text in RIGHT {
        assert!(
            !has_errors(text),
            "{text}: {}",
            Configuration::examine(text, &SidPrefix::default(), &Registry::sample()).1
        );
        let value = serde_json::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{text}: {:?}", validator.iter_errors(&value).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_refused_is_wrong_by_the_schema_where_it_can_see_it() {
    let validator = validator();
    for (title, text) in CASES {
        let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
        let unseen = UNSEEN.iter().any(|(known, _)| known == title);
        assert_eq!(!validator.is_valid(&value), has_errors(text) && !unseen, "{title}: {text}");
    }
}

#[test]
fn the_stack_takes_no_path_that_the_schema_refuses() {
    let root = env!("CARGO_MANIFEST_DIR");
    let schema = std::fs::read_to_string(format!("{root}/docs/configuration.schema.json")).unwrap();
    let pattern = schema.lines().find(|line| line.contains(r#""pattern": "^o-[a-z0-9]{10,32}/"#)).unwrap();
    let pattern: String = serde_json::from_str(pattern.split_once(": ").unwrap().1.trim_end_matches(',')).unwrap();
    let path = pattern.trim_start_matches('^').trim_end_matches('$');
    let template = std::fs::read_to_string(format!("{root}/template.yaml")).unwrap();
    assert!(template.contains(&format!("^({path}(,{path})*)?$")), "OrgPaths does not allow just `{path}`");
}

#[test]
fn every_mistake_that_is_said_to_be_unseen_is_a_case() {
    for (title, _) in UNSEEN {
        assert!(CASES.iter().any(|(known, text)| known == title && has_errors(text)), "{title}");
    }
}
