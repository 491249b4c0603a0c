//! What the log and the metrics tell of an invocation. The fields are part of what people build on.

use serde_json::{Map, Value, json};

use crate::aws::{DescribeRepositories, Fault, Often, SetRepositoryPolicy};
use crate::creation::{workloads, workloads_statement};
use crate::document::policy;
use crate::event::{created, created_by_ecr, delivery, part, policy_deleted, scheduled, with};
use crate::stage::{Function, Stage};

fn stage() -> Stage {
    Stage::new().configuration(&workloads()).repository("team/app")
}

/// One of two is refused, so that it is handed on.
fn in_company() -> (Stage, Value) {
    let stage = stage().queue().repository("team/other");
    let stage = stage.fault_of("team/other", SetRepositoryPolicy, Fault::Denied, Often::Always);
    (stage, delivery(&[part(&["team/app", "team/other"]).to_string()]))
}

/// A line without what differs from run to run.
fn steady(line: &str) -> Value {
    let line: Map<String, Value> = serde_json::from_str(line).unwrap();
    let steady = line.into_iter().map(|(name, value)| {
        let differs = name == "timestamp" || name == "seconds_since_creation" || name.ends_with("_ms");
        let kind = if value.is_number() { "a number" } else { "a text" };
        (name, if differs { json!(format!("({kind})")) } else { value })
    });
    Value::Object(steady.collect())
}

/// What it said of the last events, once there is a line of metrics for each invocation.
fn told(function: &Function, word: &str) -> Vec<Value> {
    function.process.wait_for_log(word);
    function.process.logs().lines().map(steady).collect()
}

#[test]
fn each_outcome_has_its_line() {
    let mut lines = Vec::new();
    let mut tell = |stage: Stage, event: &Value, word: &str| {
        let mut function = stage.start();
        function.invoke(event);
        lines.extend(told(&function, word));
    };
    tell(stage(), &created("team/app"), "reconciled");
    tell(stage(), &created_by_ecr("team/app"), "reconciled");
    tell(stage().live("team/app", &policy(&[workloads_statement()]).to_string()), &created("team/app"), "reconciled");
    tell(Stage::new().configuration(&workloads()), &created("team/app"), "reconciled");
    tell(stage(), &with(created("team/app"), "/detail/errorCode", json!("Oops")), "ignored");
    tell(stage(), &policy_deleted("team/app"), "reconciled");
    tell(stage().queue(), &scheduled(), "sweep");
    tell(stage().fault(SetRepositoryPolicy, Fault::Denied, Often::Always), &created("team/app"), "failed");
    tell(stage().parameter("{}"), &scheduled(), "failed");
    let (stage, two) = in_company();
    tell(stage, &two, "tried again later");
    insta::assert_snapshot!(serde_json::to_string_pretty(&lines).unwrap());
}

/// The metrics of one invocation, a map for each set of dimensions.
fn metrics(stage: Stage, event: &Value) -> Vec<Value> {
    let mut function = stage.start();
    function.invoke(event);
    // The answer may be faster than the log.
    let mut patience = 2_000;
    while function.process.metrics().is_empty() {
        assert!(patience > 0, "there are no metrics:\n{}", function.process.logs());
        std::thread::sleep(std::time::Duration::from_millis(5));
        patience -= 1;
    }
    let metrics = function.process.metrics();
    let lines = metrics.lines().map(|line| {
        let mut line: Map<String, Value> = serde_json::from_str(line).unwrap();
        let directive = line.remove("_aws").unwrap();
        let named = directive["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().clone();
        for name in named.iter().map(|metric| metric["Name"].as_str().unwrap()) {
            assert!(line.contains_key(name), "`{name}` has no value");
        }
        if let Some(seconds) = line.get_mut("SecondsToPolicy") {
            assert!(seconds[0].as_f64().unwrap() > 0.0);
            *seconds = json!("(seconds)");
        }
        Value::Object(line)
    });
    lines.collect()
}

#[track_caller]
fn check(stage: Stage, event: &Value, expected: &Value) {
    let expected = expected.as_array().unwrap().iter().map(|metrics| {
        let mut line = Map::from_iter([("FunctionName".to_owned(), json!("ecr-autopolicy"))]);
        line.extend(metrics.as_object().unwrap().clone());
        Value::Object(line)
    });
    assert_eq!(metrics(stage, event), expected.collect::<Vec<_>>());
}

#[test]
fn each_invocation_has_its_metrics() {
    let event = created("team/app");
    check(stage(), &event, &json!([{ "Applied": 1, "Creations": 1, "SecondsToPolicy": "(seconds)" }]));
    check(Stage::new().configuration(&workloads()), &event, &json!([{ "Gone": 1, "Creations": 1 }]));
    check(stage(), &with(event.clone(), "/detail/errorCode", json!("Oops")), &json!([{ "Ignored": 1 }]));
    check(stage(), &policy_deleted("team/app"), &json!([{ "Applied": 1 }]));
    check(stage().queue(), &scheduled(), &json!([{ "Queued": 1 }]));
    let swept = json!([{ "Applied": 1, "Corrected": 1, "Swept": 1 }]);
    check(stage(), &scheduled(), &swept);
    let throttled = stage().queue().fault(DescribeRepositories, Fault::Throttle, Often::Once);
    check(throttled, &scheduled(), &json!([{ "Queued": 1, "Throttled": 1 }]));
    let (in_company, two) = in_company();
    check(in_company, &two, &json!([{ "Applied": 1, "Swept": 1 }]));
    check(
        stage().parameter("{}"),
        &event,
        &json!([
            { "Creations": 1 },
            { "ErrorType": "ConfigurationInvalid", "Failed": 1 },
        ]),
    );
    check(stage(), &json!({}), &json!([{ "ErrorType": "InvalidEvent", "Failed": 1 }]));
    let throttled = stage().fault(SetRepositoryPolicy, Fault::Throttle, Often::Once);
    check(
        throttled,
        &event,
        &json!([{ "Applied": 1, "Creations": 1, "Throttled": 1, "SecondsToPolicy": "(seconds)" }]),
    );
    check(
        stage(),
        &delivery(&["?".to_owned(), policy_deleted("team/app").to_string()]),
        &json!([
            { "Applied": 1 },
            { "ErrorType": "InvalidEvent", "Failed": 1 },
        ]),
    );
}
