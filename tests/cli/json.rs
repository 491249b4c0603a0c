//! What `--output json` prints is what `schema COMMAND` says, and no more.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::stage::{command, examples};

/// The schema of a command's output.
fn schema(of: &str) -> Value {
    let output = command(&format!("schema {of}"), &examples(), &BTreeMap::new()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The schema with no room for properties that it does not name.
fn closed(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let described = members.contains_key("properties") && members.get("type").is_some_and(|it| it == "object");
            let members = members.into_iter().map(|(key, value)| (key, closed(value)));
            let end = described.then(|| ("additionalProperties".to_owned(), Value::Bool(false)));
            Value::Object(members.chain(end).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(closed).collect()),
        other => other,
    }
}

/// Fails where the output of the command is not what the command's schema says.
#[track_caller]
pub(crate) fn check_output(arguments: &str, stdout: &str) {
    let command = arguments.split_whitespace().next().unwrap();
    let output: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error} in {stdout}"));
    let validator = jsonschema::validator_for(&closed(schema(command))).unwrap();
    let errors = validator.iter_errors(&output).map(|error| format!("{}: {error}", error.instance_path()));
    let errors = errors.collect::<Vec<_>>();
    assert!(errors.is_empty(), "{arguments} prints what its schema does not say: {}\n{stdout}", errors.join("\n"));
}

#[test]
fn a_schema_that_is_closed_refuses_what_it_does_not_name() {
    let closed = closed(schema("check"));
    let output = serde_json::json!({ "source": "x", "errors": 0, "warnings": 0, "findings": [] });
    assert!(jsonschema::is_valid(&closed, &output));
    let mut more = output;
    more["more"] = true.into();
    assert!(!jsonschema::is_valid(&closed, &more));
}
