//! The role may do what the code calls, and nothing else: the template's actions, the source's
//! calls and the calls on the wire are one list.

use std::collections::BTreeSet;

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::json;

use crate::aws::Operation;
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, created_by_ecr};
use crate::scenario::{Scenario, check};
use crate::source::{files, root};
use crate::stage::Stage;

/// What a function's platform needs, and its code never calls.
const PLATFORM: [&str; 6] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "xray:PutTraceSegments",
];

/// The actions of every statement that allows something to the one that holds it. Intrinsic
/// functions such as `!If` are gone through, so that no branch is missed.
fn allowed(node: &Yaml<'_>, actions: &mut BTreeSet<String>) {
    match node {
        Yaml::Tagged(_, inner) => allowed(inner, actions),
        Yaml::Sequence(items) => items.iter().for_each(|item| allowed(item, actions)),
        Yaml::Mapping(members) => {
            let allows = node.as_mapping_get("Effect").and_then(Yaml::as_str) == Some("Allow");
            if allows && node.as_mapping_get("Principal").is_none() {
                let not_action = node.as_mapping_get("NotAction");
                assert!(not_action.is_none(), "a `NotAction` grants what nobody counted");
                match node.as_mapping_get("Action") {
                    Some(Yaml::Sequence(items)) => {
                        actions.extend(items.iter().map(|item| item.as_str().unwrap().to_owned()));
                    }
                    Some(item) => {
                        actions.insert(item.as_str().unwrap().to_owned());
                    }
                    None => panic!("a statement without an `Action`"),
                }
            } else {
                members.values().for_each(|value| allowed(value, actions));
            }
        }
        _ => {}
    }
}

/// The type of a resource, and its properties.
fn resources<'a>(template: &'a Yaml<'a>) -> Vec<(&'a str, &'a Yaml<'a>)> {
    let of = |node: &'a Yaml<'a>, key: &str| node.as_mapping_get(key);
    let resources = of(template, "Resources").and_then(Yaml::as_mapping).unwrap();
    resources
        .values()
        .filter_map(|resource| Some((of(resource, "Type")?.as_str()?, of(resource, "Properties")?)))
        .collect()
}

/// The actions that the template grants to the function.
fn granted() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    assert_eq!(documents.len(), 1);
    let mut actions = BTreeSet::new();
    let mut functions = 0;
    for (kind, properties) in resources(&documents[0]) {
        match kind {
            "AWS::Serverless::Function" => {
                functions += 1;
                if let Some(policies) = properties.as_mapping_get("Policies") {
                    // A ready-made SAM policy would hide its actions from this test.
                    for policy in policies.as_sequence().unwrap_or(&vec![policies.clone()]) {
                        let spelt_out = !policy.is_mapping() || policy.as_mapping_get("Statement").is_some();
                        assert!(spelt_out, "a policy of the function is not spelt out: {policy:?}");
                        let arn = policy.as_str().is_some_and(|name| name.contains(':'));
                        assert!(policy.as_str().is_none() || arn, "a managed policy: {policy:?}");
                    }
                    allowed(policies, &mut actions);
                }
            }
            "AWS::IAM::Role" | "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::RolePolicy" => {
                allowed(properties, &mut actions);
            }
            _ => {}
        }
    }
    assert_eq!(functions, 1, "the template has {functions} functions");
    for action in &actions {
        assert!(!action.contains('*'), "`{action}` grants more than it says");
    }
    actions.into_iter().filter(|action| !PLATFORM.contains(&action.as_str())).collect()
}

/// The actions of the SDK operations that the source calls: each is the first method after the
/// client in a chain that ends in `.send()`.
fn called() -> BTreeSet<String> {
    let verbs = [
        "get", "set", "put", "list", "describe", "delete", "create", "update", "batch", "start", "tag", "untag",
        "send", "receive", "change", "label",
    ];
    let mut actions = BTreeSet::new();
    let mut chains = 0;
    for file in files().into_iter().filter(|file| !file.path.starts_with("cli/")) {
        let code: String = file.lines.iter().map(|(_, line)| line.as_str()).collect();
        let code: String = code.chars().filter(|character| !character.is_whitespace()).collect();
        let mut ends: Vec<&str> = code.split(".send()").collect();
        ends.pop();
        for before in ends {
            assert!(file.path.starts_with("aws"), "src/{} calls a service", file.path);
            chains += 1;
            let name = before
                .rmatch_indices("()")
                .filter_map(|(place, _)| before.get(..place)?.rsplit_once('.'))
                .map(|(_, name)| name)
                .find(|name| {
                    let verb = name.split('_').next().unwrap_or("");
                    name.contains('_') && verbs.contains(&verb)
                });
            let name = name.unwrap_or_else(|| panic!("no operation before `.send()` in src/{}", file.path));
            let camel: String = name
                .split('_')
                .flat_map(|part| {
                    let mut letters = part.chars();
                    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
                })
                .collect();
            let operation = Operation::ALL.into_iter().find(|known| format!("{known:?}") == camel);
            let operation = operation.unwrap_or_else(|| panic!("nobody expects a call of `{name}`"));
            actions.insert(operation.action());
        }
    }
    assert!(chains > 0, "there is no call in src/aws");
    actions
}

#[test]
fn the_role_may_do_exactly_what_the_source_calls() {
    assert_eq!(granted(), called());
}

#[test]
fn the_source_calls_exactly_what_is_seen_on_the_wire() {
    let mut tags = workloads();
    tags["rules"][0]["tags"] = json!({ "team": "payments" });
    let applied = Scenario::Applied(policy(&[workloads_statement()]));
    let mut function = Stage::new().configuration(&tags).tagged("team/app", &[("team", "payments")]).start();
    function.check(&created_by_ecr("team/app"), Scenario::TagsAreAsked(Box::new(applied)));
    function.aws.set_parameter(" ", false);
    function.check(&created("team/app"), Scenario::Deleted);
    let seen: BTreeSet<String> = function.aws.calls().iter().map(|call| call.operation.action()).collect();
    assert_eq!(called(), seen);
    check(Stage::new().configuration(&workloads()), &created("team/app"), Scenario::GoneAtRead);
}
