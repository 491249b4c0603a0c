//! What every policy should be, by a model that knows nothing of the function's own code.

use serde_json::{Map, Value, json};

use crate::services::ACCOUNT;

const PREFIX: &str = "AutoPolicy";

/// What the parameter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Before the change.
    First,
    /// After it.
    Second,
}

/// Somebody's statements, and ours, told apart.
pub(crate) struct Told {
    pub(crate) managed: Vec<Value>,
    pub(crate) foreign: Vec<Value>,
}

impl Rules {
    /// The parameter's value.
    pub(crate) fn configuration(self) -> Value {
        let workloads = json!({
            "name": "Workloads", "except": ["sandbox/*"], "template": "organization-ou",
            "with": { "org_paths": [self.org_path()] }
        });
        let push = json!({
            "name": "Push", "repositories": ["ci/*"], "template": "account-list",
            "with": { "accounts": ["444455556666"], "access": "Push" }
        });
        let pay = json!({
            "name": "Pay", "repositories": ["team/*"], "tags": { "team": "pay*" }, "template": "principals",
            "with": { "principals": [self.principal()] }
        });
        match self {
            Rules::First => json!({ "rules": [workloads, push, pay] }),
            Rules::Second => json!({ "rules": [workloads, pay] }),
        }
    }

    /// The managed statements of a repository.
    pub(crate) fn managed(self, name: &str, tags: &[(String, String)]) -> Vec<Value> {
        let mut statements = Vec::new();
        if !name.starts_with("sandbox/") {
            statements.push(json!({
                "Sid": "AutoPolicyWorkloadsAllowPull", "Effect": "Allow", "Principal": "*", "Action": pull(),
                "Condition": { "ForAnyValue:StringLike": { "aws:PrincipalOrgPaths": self.org_path() } }
            }));
        }
        if self == Rules::First && name.starts_with("ci/") {
            statements.push(json!({
                "Sid": "AutoPolicyPushAllowPush", "Effect": "Allow", "Principal": "*", "Action": [
                    "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer",
                    "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"
                ],
                "Condition": { "StringEquals": { "aws:PrincipalAccount": [ACCOUNT, "444455556666"] } }
            }));
        }
        let pays = tags.iter().any(|(key, value)| key == "team" && value.starts_with("pay"));
        if name.starts_with("team/") && pays {
            statements.push(json!({
                "Sid": "AutoPolicyPayAllowPull", "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{}:root", self.principal()) }, "Action": pull()
            }));
        }
        statements
    }

    /// Whether a policy's managed statements are those of this repository, and no others.
    pub(crate) fn hold_in(self, policy: Option<&Value>, name: &str, tags: &[(String, String)]) -> bool {
        opted_out(tags) || meanings(&told_apart(policy).managed) == meanings(&self.managed(name, tags))
    }

    fn org_path(self) -> &'static str {
        match self {
            Rules::First => "o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*",
            Rules::Second => "o-a1b2c3d4e5/*/ou-ab12-99zz88yy/*",
        }
    }

    fn principal(self) -> &'static str {
        match self {
            Rules::First => "777788889999",
            Rules::Second => "666677778888",
        }
    }
}

fn pull() -> Value {
    json!([
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:DescribeRepositories",
        "ecr:GetDownloadUrlForLayer"
    ])
}

/// Whether a repository with these tags is to be left alone.
pub(crate) fn opted_out(tags: &[(String, String)]) -> bool {
    tags.iter().any(|(key, value)| key == "ecr-autopolicy" && value == "off")
}

/// A policy with these statements; none where there are none.
pub(crate) fn policy(statements: Vec<Value>) -> Option<Value> {
    (!statements.is_empty()).then(|| json!({ "Version": "2012-10-17", "Statement": statements }))
}

/// The statements of a policy.
pub(crate) fn told_apart(policy: Option<&Value>) -> Told {
    let statements = match policy.and_then(|policy| policy.get("Statement")) {
        Some(Value::Array(statements)) => statements.clone(),
        Some(single) => vec![single.clone()],
        None => Vec::new(),
    };
    let ours = |statement: &Value| statement["Sid"].as_str().is_some_and(|sid| sid.starts_with(PREFIX));
    let (managed, foreign) = statements.into_iter().partition(ours);
    Told { managed, foreign }
}

/// Statements in a form that is the same for all that mean the same.
pub(crate) fn meanings(statements: &[Value]) -> Vec<String> {
    let mut meanings: Vec<String> = statements.iter().map(|statement| meaning(statement).to_string()).collect();
    meanings.sort();
    meanings
}

fn meaning(value: &Value) -> Value {
    match value {
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(meaning).collect();
            values.sort_by_key(Value::to_string);
            values.dedup();
            if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
        }
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.iter().map(|(key, value)| (key.clone(), meaning(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(Map::from_iter(members))
        }
        other => other.clone(),
    }
}
