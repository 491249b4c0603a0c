//! Policy documents, compared by what matters in them.

use serde_json::{Map, Value, json};

/// A statement id that is ours.
fn is_managed(statement: &Value, prefix: &str) -> bool {
    statement["Sid"].as_str().is_some_and(|sid| sid.starts_with(prefix))
}

/// The statements of a document, ours and the others.
fn told_apart(document: &Value, prefix: &str) -> (Vec<Value>, Vec<Value>) {
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.clone(),
        single => vec![single.clone()],
    };
    statements.into_iter().partition(|statement| is_managed(statement, prefix))
}

/// One of our statements without the freedoms that it has: its actions' order, and whether a
/// list of one is a list.
fn meaning(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Map<String, Value> =
                members.iter().map(|(key, value)| (key.clone(), meaning(value))).collect();
            if let Some(Value::Array(actions)) = members.get_mut("Action") {
                actions.sort_by_key(Value::to_string);
            }
            members.sort_keys();
            Value::Object(members)
        }
        Value::Array(values) => match values.as_slice() {
            [single @ Value::String(_)] => single.clone(),
            _ => Value::Array(values.iter().map(meaning).collect()),
        },
        other => other.clone(),
    }
}

/// Checks a policy that was sent. The foreign statements must be character for character what is
/// expected, our own must mean it, both in the expected order; every other member must be equal.
#[track_caller]
pub(crate) fn check_document(sent: &str, expected: &Value, prefix: &str) {
    let document: Value = serde_json::from_str(sent).unwrap();
    let parts = |document: &Value| {
        let mut rest = document.clone();
        rest.as_object_mut().unwrap().shift_remove("Statement");
        rest.as_object_mut().unwrap().sort_keys();
        let (managed, foreign) = told_apart(document, prefix);
        let foreign: Vec<String> = foreign.iter().map(Value::to_string).collect();
        let managed: Vec<Value> = managed.iter().map(meaning).collect();
        format!("{rest:#}\nforeign: {foreign:#?}\nmanaged: {:#}", Value::Array(managed))
    };
    let (sent, expected) = (parts(&document), parts(expected));
    assert!(sent == expected, "the policy that was sent:\n{sent}\nthe expected one:\n{expected}");
}

/// A document of these statements.
pub(crate) fn policy(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The actions of an access level.
#[track_caller]
pub(crate) fn actions(access: &str) -> Value {
    let pull = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:DescribeRepositories",
        "ecr:GetDownloadUrlForLayer",
    ];
    let push = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:CompleteLayerUpload",
        "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    ];
    let read = [
        "ecr:ListImages",
        "ecr:DescribeImageScanFindings",
        "ecr:GetLifecyclePolicy",
        "ecr:GetLifecyclePolicyPreview",
        "ecr:GetRepositoryPolicy",
        "ecr:ListTagsForResource",
    ];
    let mut actions: Vec<&str> = match access {
        "Pull" => pull.to_vec(),
        "Push" => push.to_vec(),
        "PullPush" => pull.iter().chain(&push).copied().collect(),
        "Read" => pull.iter().chain(&read).copied().collect(),
        "Full" => return json!("ecr:*"),
        other => panic!("there is no access level `{other}`"),
    };
    actions.sort_unstable();
    actions.dedup();
    json!(actions)
}
