//! Sameness is an equivalence that survives ECR's other words for the same policy.

use ecr_autopolicy::policy::{document::Document, sameness::same};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value};

use crate::{CASES, documents::a_document};

fn some_document() -> impl Strategy<Value = Value> {
    a_document(select(vec!["A", "B", "C"]).prop_map(str::to_owned))
}

fn parsed(document: &Value) -> Document {
    Document::from_value(document.clone()).unwrap_or(Document { version: None, id: None, statements: Vec::new() })
}

/// A stream of choices, so that each part of a document can be reworded in its own way.
struct Choices(u64);

impl Choices {
    fn below(&mut self, count: usize) -> usize {
        // Knuth's linear congruential generator.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % count.max(1)
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 1
    }

    fn shuffled<T>(&mut self, values: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut shuffled = Vec::new();
        for value in values {
            shuffled.insert(self.below(shuffled.len() + 1), value);
        }
        shuffled
    }
}

/// The document as ECR may hand it back, written from what ECR was seen to do and from nothing of ours.
fn reworded(document: &Value, choices: &mut Choices) -> Value {
    let Value::Object(document) = document else { return document.clone() };
    let elements = document.iter().map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("Statement", Value::Array(statements)) => {
                let statements = statements.iter().map(|one| statement(one, choices)).collect::<Vec<_>>();
                Value::Array(choices.shuffled(statements))
            }
            ("Statement", alone) if choices.yes() => Value::Array(vec![statement(alone, choices)]),
            ("Statement", alone) => statement(alone, choices),
            (_, other) => other.clone(),
        };
        (name.clone(), value)
    });
    let elements = elements.collect::<Vec<_>>();
    let reworded = Value::Object(choices.shuffled(elements).into_iter().collect());
    // Pretty-printed, with its own line breaks.
    serde_json::from_str(&format!("{reworded:#}")).unwrap_or_default()
}

fn statement(statement: &Value, choices: &mut Choices) -> Value {
    let Value::Object(elements) = statement else { return statement.clone() };
    let mut reworded = Vec::new();
    for (name, value) in elements {
        let value = match name.as_str() {
            "Action" | "NotAction" => texts(value, choices, |text, choices| match choices.below(3) {
                0 => text.to_uppercase(),
                1 => text.to_lowercase(),
                _ => text.to_owned(),
            }),
            "Principal" | "NotPrincipal" => map(value, choices, |kind, value, choices| {
                let value = texts(value, choices, |text, _| match text.parse::<u64>() {
                    Ok(_) if kind == "AWS" && text.len() == 12 => format!("arn:aws:iam::{text}:root"),
                    _ => text.to_owned(),
                });
                (kind.to_owned(), value)
            }),
            "Condition" => map(value, choices, |operator, keys, choices| {
                let keys = map(keys, choices, |key, values, choices| {
                    let key = if choices.yes() { key.to_lowercase() } else { key.to_owned() };
                    (key, texts(values, choices, |text, _| text.to_owned()))
                });
                (operator.to_owned(), keys)
            }),
            _ => value.clone(),
        };
        reworded.push((name.clone(), value));
    }
    Value::Object(choices.shuffled(reworded).into_iter().collect())
}

/// The members of an object, each reworded, in some order. ECR may say `{"AWS": "*"}` for `"*"`.
fn map(
    value: &Value,
    choices: &mut Choices,
    mut reword: impl FnMut(&str, &Value, &mut Choices) -> (String, Value),
) -> Value {
    match value {
        Value::Object(members) => {
            let reworded = members.iter().map(|(key, value)| reword(key, value, choices)).collect::<Vec<_>>();
            Value::Object(choices.shuffled(reworded).into_iter().collect::<Map<_, _>>())
        }
        Value::String(everyone) if everyone == "*" && choices.yes() => serde_json::json!({ "AWS": "*" }),
        other => other.clone(),
    }
}

/// Texts in some order; one alone as a plain text or as a list.
fn texts(value: &Value, choices: &mut Choices, reword: impl Fn(&str, &mut Choices) -> String) -> Value {
    let values = match value {
        Value::Array(values) => values.clone(),
        alone => vec![alone.clone()],
    };
    let reworded =
        values.iter().map(|value| value.as_str().map_or_else(|| value.clone(), |text| reword(text, choices).into()));
    let mut reworded = reworded.collect::<Vec<_>>();
    match reworded.len() {
        1 if choices.yes() => reworded.remove(0),
        _ => Value::Array(choices.shuffled(reworded)),
    }
}

/// The document with one statement that allows or denies something else, or one more.
fn changed(document: &Value) -> Value {
    let mut statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(alone) => vec![alone.clone()],
        None => Vec::new(),
    };
    statements.push(serde_json::json!({ "Effect": "Deny", "Principal": "*", "Action": "ecr:ReplicateImage" }));
    let mut document = document.clone();
    document.as_object_mut().map(|map| map.insert("Statement".to_owned(), Value::Array(statements)));
    document
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_document_is_the_same_as_itself_in_ecrs_words(document in some_document(), seed in any::<u64>()) {
        let answered = reworded(&document, &mut Choices(seed));
        let (document, answered) = (parsed(&document), parsed(&answered));
        prop_assert!(same(&document, &document));
        prop_assert!(same(&document, &answered), "{}\n{}", document.to_text(), answered.to_text());
        prop_assert!(same(&answered, &document), "{}\n{}", document.to_text(), answered.to_text());
    }

    #[test]
    fn sameness_goes_both_ways_and_on(
        documents in prop::collection::vec(some_document(), 2),
        seeds in prop::collection::vec(any::<u64>(), 3),
    ) {
        // Unrelated documents, and other words for them.
        let mut all = documents.iter().map(parsed).collect::<Vec<_>>();
        for (document, seed) in documents.iter().cycle().zip(seeds) {
            all.push(parsed(&reworded(document, &mut Choices(seed))));
        }
        let likes = |one: &Document| all.iter().map(|other| same(one, other)).collect::<Vec<_>>();
        let likes = all.iter().map(likes).collect::<Vec<_>>();
        for (one, of_one) in likes.iter().enumerate() {
            for (other, of_other) in likes.iter().enumerate() {
                // Both ways, and what is the same as one of two same documents is the same as the other.
                prop_assert_eq!(of_one.get(other), of_other.get(one));
                prop_assert!(of_one.get(other) != Some(&true) || of_one == of_other);
            }
        }
    }

    #[test]
    fn one_more_statement_is_another_document(document in some_document(), seed in any::<u64>()) {
        let other = reworded(&changed(&document), &mut Choices(seed));
        prop_assert!(!same(&parsed(&document), &parsed(&other)));
    }
}
