//! Policy documents that IAM and ECR accept.

use proptest::{collection::vec, option, prelude::*, sample::select, sample::subsequence};
use serde_json::{Map, Value, json};

const ACTIONS: [&str; 6] =
    ["ecr:*", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:PutImage", "ECR:describeimages", "ecr:Describe*"];
const PRINCIPALS: [&str; 5] = [
    "444455556666",
    "arn:aws:iam::444455556666:root",
    "arn:aws:iam::444455556666:role/ci/deployer",
    "arn:${partition}:iam::${registry_id}:role/deployer",
    "777788889999",
];
const TESTS: [(&str, &str, &[&str]); 10] = [
    ("StringEquals", "aws:PrincipalOrgID", &["o-a1b2c3d4e5", "o-z9y8x7w6v5"]),
    ("StringEquals", "aws:PrincipalAccount", &["444455556666", "${registry_id}"]),
    ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", &["o-a1b2c3d4e5/*", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"]),
    ("ArnLike", "aws:SourceArn", &["arn:aws:codebuild:*:444455556666:project/*"]),
    ("ArnLike", "aws:PrincipalArn", &["arn:${partition}:iam::${registry_id}:role/*"]),
    ("IpAddress", "aws:SourceIp", &["192.0.2.0/24", "2001:db8::/32"]),
    ("NotIpAddress", "aws:SourceIp", &["192.0.2.7/32"]),
    ("StringLike", "aws:PrincipalTag/team", &["${aws:ResourceTag/team}", "pay*", "${repository_name}", "${*}"]),
    ("Bool", "aws:SecureTransport", &["true"]),
    ("Null", "aws:PrincipalOrgID", &["true"]),
];

/// One word as itself, several as a list.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let several = subsequence(words, 1..=words.len()).prop_map(|words| json!(words));
    prop_oneof![select(words).prop_map(Value::from), several]
}

fn a_principal() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        3 => Just(("Principal", json!("*"))),
        4 => words(&PRINCIPALS).prop_map(|accounts| ("Principal", json!({ "AWS": accounts }))),
        1 => words(&PRINCIPALS).prop_map(|accounts| ("NotPrincipal", json!({ "AWS": accounts }))),
        2 => words(&["codebuild.amazonaws.com", "lambda.amazonaws.com"])
            .prop_map(|services| ("Principal", json!({ "Service": services }))),
    ]
}

fn a_test() -> impl Strategy<Value = (&'static str, &'static str, Value)> {
    select(&TESTS[..])
        .prop_flat_map(|(operator, key, values)| words(values).prop_map(move |values| (operator, key, values)))
}

/// A statement with an id of these.
pub fn a_statement(sid: impl Strategy<Value = String>) -> impl Strategy<Value = Value> {
    let action = prop_oneof![4 => Just("Action"), 1 => Just("NotAction")];
    let effect = prop_oneof![4 => Just("Allow"), 1 => Just("Deny")];
    (option::of(sid), effect, a_principal(), action, words(&ACTIONS), vec(a_test(), 0..3)).prop_map(
        |(sid, effect, (principal, who), action, actions, tests)| {
            let mut condition: Map<String, Value> = Map::new();
            for (operator, key, values) in tests {
                if let Some(keys) = condition.entry(operator).or_insert_with(|| json!({})).as_object_mut() {
                    keys.insert(key.to_owned(), values);
                }
            }
            let sid = sid.map(|sid| ("Sid".to_owned(), json!(sid)));
            let condition = (!condition.is_empty()).then(|| ("Condition".to_owned(), Value::Object(condition)));
            let elements = [("Effect", json!(effect)), (principal, who), (action, actions)];
            let elements = elements.map(|(name, value)| (name.to_owned(), value));
            Value::Object(sid.into_iter().chain(elements).chain(condition).collect())
        },
    )
}

/// A policy document whose statements have ids of these.
pub fn a_document(sid: impl Strategy<Value = String>) -> impl Strategy<Value = Value> {
    let statements = vec(a_statement(sid), 1..4);
    let statement = statements.prop_flat_map(|statements| {
        let alone = statements.first().cloned().unwrap_or_default();
        prop_oneof![1 => Just(alone), 3 => Just(Value::Array(statements))]
    });
    (any::<bool>(), statement).prop_map(|(versioned, statement)| {
        let version = versioned.then(|| ("Version".to_owned(), json!("2012-10-17")));
        Value::Object(version.into_iter().chain([("Statement".to_owned(), statement)]).collect())
    })
}
