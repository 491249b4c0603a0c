//! When two statements, or two documents, mean the same.
//!
//! ECR answers a policy in other words than it was written in: pretty-printed, a list of one as a plain string, an
//! account id as its root ARN. Two statements are the same here where they grant the same as far as syntax can
//! tell, so that such a rewording is never taken for a change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    document::{Document, Statement},
    principal,
};

/// What a statement says, its Sid apart. Equal for two statements exactly where they mean the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meaning(BTreeMap<String, Element>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Element {
    /// A word or several, without order or repetition.
    Words(BTreeSet<String>),
    /// Principals by kind.
    Principals(BTreeMap<String, BTreeSet<String>>),
    /// The tests of a condition: operator, key, values. All of them must hold, so a repeated one says nothing new.
    Tests(BTreeSet<(String, String, BTreeSet<String>)>),
    /// Something that IAM's grammar does not know, to the letter.
    Other(String),
}

impl Meaning {
    /// What the statement says.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        let elements = statement.elements().iter().filter(|(name, _)| *name != "Sid");
        let mut elements =
            elements.map(|(name, value)| (name.clone(), element(name, value))).collect::<BTreeMap<_, _>>();
        // A condition that tests nothing is none.
        elements.retain(|_, element| !matches!(element, Element::Tests(tests) if tests.is_empty()));
        Self(elements)
    }
}

/// Whether the two documents mean the same: the same statements, in whatever order, words and Sids.
///
/// Their Versions matter only where a statement contains `${`.
#[must_use]
pub fn same(one: &Document, other: &Document) -> bool {
    let meanings = |document: &Document| document.statements.iter().map(Meaning::of).collect::<BTreeSet<_>>();
    same_version(one, other) && meanings(one) == meanings(other)
}

/// Whether the Versions of the two documents give their statements the same meaning.
#[must_use]
pub fn same_version(one: &Document, other: &Document) -> bool {
    let statements = || one.statements.iter().chain(&other.statements);
    one.is_current_version() == other.is_current_version() || !statements().any(Statement::has_policy_variables)
}

fn element(name: &str, value: &Value) -> Element {
    let understood = match name {
        "Principal" | "NotPrincipal" => principals(value).map(Element::Principals),
        "Condition" => tests(value).map(Element::Tests),
        // Service prefix and action name are not case-sensitive (IAM JSON policy elements: Action).
        "Action" | "NotAction" => words(value, str::to_ascii_lowercase).map(Element::Words),
        _ => words(value, str::to_owned).map(Element::Words),
    };
    understood.unwrap_or_else(|| Element::Other(value.to_string()))
}

fn principals(value: &Value) -> Option<BTreeMap<String, BTreeSet<String>>> {
    match value {
        // `"*"` and `{"AWS": "*"}` are equivalent (IAM JSON policy elements: Principal, anonymous users).
        Value::String(everyone) if everyone == "*" => {
            Some(BTreeMap::from([("AWS".to_owned(), BTreeSet::from([everyone.clone()]))]))
        }
        Value::Object(kinds) => kinds
            .iter()
            .map(|(kind, value)| {
                let plain = |text: &str| match kind.as_str() {
                    "AWS" => principal::account(text).unwrap_or(text).to_owned(),
                    _ => text.to_owned(),
                };
                Some((kind.clone(), words(value, plain)?))
            })
            .collect(),
        _ => None,
    }
}

fn tests(value: &Value) -> Option<BTreeSet<(String, String, BTreeSet<String>)>> {
    let mut tests = BTreeSet::new();
    for (operator, keys) in value.as_object()? {
        for (key, values) in keys.as_object()? {
            // Condition keys are not case-sensitive, tag names within them included.
            tests.insert((operator.clone(), key.to_ascii_lowercase(), words(values, str::to_owned)?));
        }
    }
    Some(tests)
}

/// One word or a list of them; `true` and `3` are written `"true"` and `"3"` as well.
fn words(value: &Value, plain: impl Fn(&str) -> String) -> Option<BTreeSet<String>> {
    let word = |value: &Value| match value {
        Value::String(text) => Some(plain(text)),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Array(values) => values.iter().map(word).collect(),
        value => word(value).map(|word| BTreeSet::from([word])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(statement: &str) -> Document {
        Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)).unwrap()
    }

    #[track_caller]
    fn check(one: &str, other: &str, expected: bool) {
        assert_eq!(same(&document(one), &document(other)), expected, "{one}\n{other}");
        assert_eq!(same(&document(other), &document(one)), expected, "{other}\n{one}");
    }

    #[test]
    fn other_words_for_the_same_are_the_same() {
        for (one, other) in [
            (r#"{"Action":["ecr:A"]}"#, r#"{"Action":"ecr:A"}"#),
            (r#"{"Action":"ecr:A","Condition":{}}"#, r#"{"Action":"ecr:A"}"#),
            (r#"{"Action":["ecr:A","ecr:B"]}"#, r#"{"Action":["ecr:B","ecr:A","ecr:A"]}"#),
            (r#"{"Action":"ecr:BatchGetImage"}"#, r#"{"Action":"ECR:batchgetimage"}"#),
            (r#"{"Sid":"A","Effect":"Allow"}"#, r#"{"Effect":"Allow","Sid":"B"}"#),
            (r#"{"Principal":"*"}"#, r#"{"Principal":{"AWS":"*"}}"#),
            (r#"{"Principal":{"AWS":"*"}}"#, r#"{"Principal":{"AWS":["*"]}}"#),
            (r#"{"Principal":{"AWS":["111122223333"]}}"#, r#"{"Principal":{"AWS":"arn:aws:iam::111122223333:root"}}"#),
            (
                r#"{"Condition":{"Bool":{"aws:SecureTransport":true}}}"#,
                r#"{"Condition":{"Bool":{"AWS:SecureTransport":["true"]}}}"#,
            ),
            (
                r#"{"Condition":{"StringLike":{"aws:sourceArn":["a","b"]},"Null":{"aws:x":"true"}}}"#,
                r#"{"Condition":{"Null":{"aws:x":"true"},"StringLike":{"aws:SourceArn":["b","a"]}}}"#,
            ),
        ] {
            check(one, other, true);
        }
    }

    #[test]
    fn other_meanings_are_not_the_same() {
        for (one, other) in [
            (r#"{"Action":"ecr:A"}"#, r#"{"Action":"ecr:B"}"#),
            (r#"{"Action":"ecr:A"}"#, r#"{"NotAction":"ecr:A"}"#),
            (r#"{"Action":["ecr:A"]}"#, r#"{"Action":["ecr:A","ecr:B"]}"#),
            (r#"{"Effect":"Allow"}"#, r#"{"Effect":"Deny"}"#),
            (r#"{"Principal":"*"}"#, r#"{"NotPrincipal":"*"}"#),
            (r#"{"Principal":{"AWS":"x"}}"#, r#"{"Principal":{"Service":"x"}}"#),
            (
                r#"{"Principal":{"AWS":"111122223333"}}"#,
                r#"{"Principal":{"AWS":"arn:aws:iam::111122223333:role/root"}}"#,
            ),
            (r#"{"Condition":{"StringLike":{"a:b":"x"}}}"#, r#"{"Condition":{"StringEquals":{"a:b":"x"}}}"#),
            (r#"{"Condition":{"StringLike":{"a:b":"x"}}}"#, r#"{"Condition":{"StringLike":{"a:b":"X"}}}"#),
            (r#"{"Condition":{"StringLike":{"a:b":"x"}}}"#, r#"{"Condition":{"StringLike":{"a:c":"x"}}}"#),
            (r#"{"Condition":{}}"#, r#"{"Condition":{"StringLike":{"a:c":"x"}}}"#),
        ] {
            check(one, other, false);
        }
    }

    #[test]
    fn the_version_matters_where_a_statement_has_a_variable() {
        for (statement, expected) in [
            (r#"{"Condition":{"StringLike":{"a:b":"x"}}}"#, true),
            (r#"{"Condition":{"StringLike":{"a:b":"${aws:username}"}}}"#, false),
        ] {
            let one = document(statement);
            let other = Document { version: Some("2008-10-17".to_owned()), ..one.clone() };
            assert_eq!(same(&one, &other), expected, "{statement}");
            let none = Document { version: None, ..one.clone() };
            assert!(same(&other, &none));
        }
    }
}
