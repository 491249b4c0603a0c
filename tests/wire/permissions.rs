//! The role may do what the code calls, and nothing else: the template's actions, the source's
//! calls and the calls on the wire are one list.

use std::collections::BTreeSet;

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use crate::aws::{Fault, Often, Operation, PARAMETER, SetRepositoryPolicy};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{
    created, created_by_ecr, delivery, given_up, parameter_changed, part, policy_deleted, policy_set, scheduled,
};
use crate::source::{files, root};
use crate::stage::Stage;

/// What a function's platform needs, and its code never calls.
const PLATFORM: [&str; 9] = [
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// What Lambda does itself, with the function's role: it puts what it gave up on into the failure queue.
const LAMBDA_S_OWN: (&str, &str) = ("sqs:SendMessage", "FailureQueue.Arn");

/// The conditions on which the template grants more than it always does.
const CONDITIONS: [&str; 2] = ["ReadsTags", "Sweeps"];

/// What a stack grants to its function, as action and resource, where exactly these conditions hold. The others that are
/// asked for in a role's properties are gone through in both ways, so that no branch is missed.
struct Grants<'a> {
    hold: &'a [&'a str],
    found: BTreeSet<(String, String)>,
    asked: BTreeSet<String>,
}

impl Grants<'_> {
    /// Every statement that allows something to the one that holds it.
    fn collect(&mut self, node: &Yaml<'_>) {
        match node {
            Yaml::Tagged(tag, inner) => match (tag.suffix.as_str(), inner.as_sequence().map(Vec::as_slice)) {
                ("If", Some([condition, yes, no])) => {
                    let condition = condition.as_str().unwrap().to_owned();
                    let known = CONDITIONS.contains(&condition.as_str());
                    let holds = self.hold.contains(&condition.as_str());
                    if holds || !known {
                        self.collect(yes);
                    }
                    if !holds || !known {
                        self.collect(no);
                    }
                    self.asked.insert(condition);
                }
                _ => self.collect(inner),
            },
            Yaml::Sequence(items) => items.iter().for_each(|item| self.collect(item)),
            Yaml::Mapping(members) => {
                let allows = node.as_mapping_get("Effect").and_then(Yaml::as_str) == Some("Allow");
                if allows && node.as_mapping_get("Principal").is_none() {
                    self.add(node);
                } else {
                    members.values().for_each(|value| self.collect(value));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, statement: &Yaml<'_>) {
        let not_action = statement.as_mapping_get("NotAction");
        assert!(not_action.is_none(), "a `NotAction` grants what nobody counted");
        let actions = match statement.as_mapping_get("Action") {
            Some(Yaml::Sequence(items)) => items.iter().map(|item| item.as_str().unwrap()).collect(),
            Some(item) => vec![item.as_str().unwrap()],
            None => panic!("a statement without an `Action`"),
        };
        let resource = match statement.as_mapping_get("Resource") {
            Some(Yaml::Tagged(_, inner)) => inner.as_str().unwrap_or("").to_owned(),
            Some(resource) => resource.as_str().unwrap_or("").to_owned(),
            None => panic!("a statement without a `Resource`"),
        };
        // X-Ray has no resources.
        let without_resources = actions.iter().all(|action| action.starts_with("xray:"));
        assert!(resource != "*" || without_resources, "{actions:?} on everything");
        self.found.extend(actions.into_iter().map(|action| (action.to_owned(), resource.clone())));
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

/// The actions that the template grants to the function where exactly these conditions hold.
fn granted(hold: &[&str]) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    assert_eq!(documents.len(), 1);
    let mut grants = Grants { hold, found: BTreeSet::new(), asked: BTreeSet::new() };
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
                    grants.collect(policies);
                }
            }
            "AWS::IAM::Role" | "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::RolePolicy" => {
                grants.collect(properties);
            }
            _ => {}
        }
    }
    assert_eq!(functions, 1, "the template has {functions} functions");
    for condition in CONDITIONS {
        assert!(grants.asked.contains(condition), "the role does not depend on `{condition}`");
    }
    for (action, _) in &grants.found {
        assert!(!action.contains('*'), "`{action}` grants more than it says");
    }
    let lambda_s_own = (LAMBDA_S_OWN.0.to_owned(), LAMBDA_S_OWN.1.to_owned());
    assert!(grants.found.remove(&lambda_s_own), "Lambda may not put anything into the failure queue");
    let actions = grants.found.into_iter().map(|(action, _)| action);
    actions.filter(|action| !PLATFORM.contains(&action.as_str())).collect()
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

/// The actions that these stages see, each with the event that leads to them.
fn seen(cases: impl IntoIterator<Item = (Stage, Value)>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for (stage, event) in cases {
        let mut function = stage.start();
        function.invoke(&event).response();
        seen.extend(function.aws.calls().iter().map(|call| call.operation.action()));
    }
    seen
}

/// Everything that a stack does whose switches are off, or that only mends drift.
fn always() -> Vec<(Stage, Value)> {
    let ours = policy(&[workloads_statement()]).to_string();
    let stage = || Stage::new().configuration(&workloads()).queue().repository("team/app");
    vec![
        (stage(), created("team/app")),
        (stage(), created_by_ecr("team/app")),
        (stage(), policy_set("team/app")),
        (stage(), delivery(&[given_up(&created("team/app")).to_string()])),
        (stage().parameter(" ").live("team/app", &ours), policy_deleted("team/app")),
    ]
}

/// What a stack does that sweeps.
fn sweeps() -> Vec<(Stage, Value)> {
    let stage = || Stage::new().configuration(&workloads()).queue().repository("team/app").repository("team/two");
    let denied = stage().fault_of("team/two", SetRepositoryPolicy, Fault::Denied, Often::Always);
    vec![
        (stage(), scheduled()),
        (stage(), parameter_changed("Update", PARAMETER)),
        (denied, delivery(&[part(&["team/app", "team/two"]).to_string()])),
    ]
}

/// What a stack does that reads tags.
fn reads_tags() -> Vec<(Stage, Value)> {
    let stage = Stage::new().configuration(&workloads()).queue().repository("team/app").env("READ_TAGS", "true");
    vec![(stage, created_by_ecr("team/app"))]
}

#[test]
fn the_role_may_do_exactly_what_the_source_calls() {
    assert_eq!(granted(&CONDITIONS), called());
}

#[test]
fn the_source_calls_exactly_what_is_seen_on_the_wire() {
    assert_eq!(called(), seen([always(), sweeps(), reads_tags()].into_iter().flatten()));
}

#[test]
fn the_role_may_do_no_more_than_the_stack_s_switches_ask_for() {
    assert_eq!(granted(&[]), seen(always()));
    assert_eq!(granted(&["Sweeps"]), seen([always(), sweeps()].into_iter().flatten()));
    assert_eq!(granted(&["ReadsTags"]), seen([always(), reads_tags()].into_iter().flatten()));
}
