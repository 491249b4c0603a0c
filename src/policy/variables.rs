//! `${name}` in templates and policies: JSON values put in the place of JSON values, never text pasted into text.
//!
//! IAM's own policy variables (`${aws:PrincipalTag/team}`, `${*}`, `${?}`, `${$}`) are no variables of ours and
//! stay as they are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::finding::{Finding, Place};

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// One text.
    One(String),
    /// A list of texts, perhaps of none.
    Many(Vec<String>),
}

/// The variables that may be named, and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeMap<String, Binding>);

impl Scope {
    /// Gives a variable its value.
    pub fn bind(&mut self, name: impl Into<String>, binding: Binding) {
        self.0.insert(name.into(), binding);
    }

    /// The names of all variables, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// These variables and, where they do not name one, the others.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (name, binding) in others.0 {
            self.0.entry(name).or_insert(binding);
        }
        self
    }
}

/// A `${…}` that cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VariableError {
    /// There is no such variable.
    #[error("unknown variable `${{{0}}}`")]
    Unknown(String),
    /// The closing brace is missing.
    #[error("`${{` without its `}}` in `{0}`")]
    Unclosed(String),
    /// The key of an object holds a variable.
    #[error("variables are not replaced in keys, and `{0}` holds one")]
    InKey(String),
}

/// The value with every variable replaced.
///
/// A text that is just a list variable becomes its values, spliced where it stands in an array; a text that holds
/// one becomes a text for each value. An array that was spliced into keeps each text once. What an empty list
/// leaves empty is left out, so that an optional test of a condition goes where nothing is to be tested.
///
/// # Errors
/// The first variable that is unknown or cannot be read.
pub fn replace(value: &Value, scope: &Scope) -> Result<Value, VariableError> {
    Ok(replaced(value, scope)?.unwrap_or(Value::Null))
}

/// Everything in the value that [`replace`] would refuse, each with its place.
#[must_use]
pub fn check(value: &Value, scope: &Scope, place: &Place) -> Vec<Finding> {
    let finding = |error: VariableError| {
        let finding = Finding::error(place, error.to_string());
        match error {
            VariableError::Unknown(name) => finding.nearest(&name, scope.names()),
            VariableError::Unclosed(_) => finding.hint("close it, or write `${$}{` for the text `${`"),
            VariableError::InKey(_) => finding.hint("write the key out"),
        }
    };
    match value {
        Value::String(text) => expand(text, scope).err().map(finding).into_iter().collect(),
        Value::Array(values) => {
            values.iter().enumerate().flat_map(|(index, value)| check(value, scope, &place.index(index))).collect()
        }
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                let in_key = check_key(key).err().map(finding);
                in_key.into_iter().chain(check(value, scope, &place.key(key)))
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn check_key(key: &str) -> Result<(), VariableError> {
    match pieces(key)?.iter().any(|piece| matches!(piece, Piece::Variable(_))) {
        true => Err(VariableError::InKey(key.to_owned())),
        false => Ok(()),
    }
}

/// `None` where nothing is left.
fn replaced(value: &Value, scope: &Scope) -> Result<Option<Value>, VariableError> {
    Ok(match value {
        Value::String(text) => match expand(text, scope)? {
            Binding::One(text) => Some(Value::String(text)),
            Binding::Many(texts) if texts.is_empty() => None,
            Binding::Many(texts) => Some(Value::Array(once_each(texts.into_iter().map(Value::String)))),
        },
        Value::Array(values) => {
            let mut filled = Vec::with_capacity(values.len());
            let mut spliced = false;
            for value in values {
                match value {
                    Value::String(text) => match expand(text, scope)? {
                        Binding::One(text) => filled.push(Value::String(text)),
                        Binding::Many(texts) => {
                            spliced = true;
                            filled.extend(texts.into_iter().map(Value::String));
                        }
                    },
                    value => filled.extend(replaced(value, scope)?),
                }
            }
            let filled = if spliced { once_each(filled) } else { filled };
            (values.is_empty() || !filled.is_empty()).then_some(Value::Array(filled))
        }
        Value::Object(map) => {
            let mut filled = Map::with_capacity(map.len());
            for (key, value) in map {
                check_key(key)?;
                if let Some(value) = replaced(value, scope)? {
                    filled.insert(key.clone(), value);
                }
            }
            (map.is_empty() || !filled.is_empty()).then_some(Value::Object(filled))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    })
}

fn once_each(values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    values.into_iter().filter(|value| seen.insert(value.clone())).collect()
}

/// One text becomes one text, or one for each combination of its list variables' values.
fn expand(text: &str, scope: &Scope) -> Result<Binding, VariableError> {
    let mut texts = vec![String::new()];
    let mut many = false;
    for piece in pieces(text)? {
        match piece {
            Piece::Literal(literal) => texts.iter_mut().for_each(|text| text.push_str(literal)),
            Piece::Variable(name) => match scope.0.get(name) {
                None => return Err(VariableError::Unknown(name.to_owned())),
                Some(Binding::One(value)) => texts.iter_mut().for_each(|text| text.push_str(value)),
                Some(Binding::Many(values)) => {
                    many = true;
                    texts = texts
                        .iter()
                        .flat_map(|text| values.iter().map(move |value| format!("{text}{value}")))
                        .collect();
                }
            },
        }
    }
    Ok(match texts.pop() {
        Some(text) if !many => Binding::One(text),
        last => Binding::Many(texts.into_iter().chain(last).collect()),
    })
}

enum Piece<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, VariableError> {
    // Most texts hold none, which a search for one character tells sooner than one for two.
    if !text.contains('$') {
        return Ok(vec![Piece::Literal(text)]);
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        let Some((name, after)) = from.split_once('}') else {
            return Err(VariableError::Unclosed(text.to_owned()));
        };
        if is_iams_own(name) {
            // Up to and including the closing brace, as it stands.
            let (literal, _) = rest.split_at(rest.len() - after.len());
            pieces.push(Piece::Literal(literal));
        } else {
            pieces.push(Piece::Literal(before));
            pieces.push(Piece::Variable(name));
        }
        rest = after;
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

/// Source: IAM policy elements, Variables and tags
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>).
fn is_iams_own(name: &str) -> bool {
    matches!(name, "*" | "?" | "$") || name.contains(':')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.bind("one", Binding::One("1".to_owned()));
        scope.bind("none", Binding::Many(Vec::new()));
        scope.bind("many", Binding::Many(vec!["a".to_owned(), "b".to_owned(), "a".to_owned()]));
        scope.bind("sly", Binding::One(r#"","x":"${one}"#.to_owned()));
        scope
    }

    #[track_caller]
    fn check(template: Value, expected: Value) {
        assert_eq!(replace(&template, &scope()), Ok(expected), "{template}");
    }

    #[test]
    fn variables_are_replaced_as_json_values() {
        for (template, expected) in [
            (json!("${one}"), json!("1")),
            (json!("a${one}b${one}"), json!("a1b1")),
            (json!("${many}"), json!(["a", "b"])),
            (json!(["${many}"]), json!(["a", "b"])),
            (json!(["b", "${many}", "c"]), json!(["b", "a", "c"])),
            (json!(["x${many}y"]), json!(["xay", "xby"])),
            (json!("x${many}y"), json!(["xay", "xby"])),
            (json!("${many}${many}"), json!(["aa", "ab", "ba", "bb"])),
            (json!(["z", "z"]), json!(["z", "z"])),
            (json!({"k": {"v": [true, 1, null]}}), json!({"k": {"v": [true, 1, null]}})),
            (json!("${sly}"), json!(r#"","x":"${one}"#)),
        ] {
            check(template, expected);
        }
    }

    #[test]
    fn what_an_empty_list_leaves_empty_is_left_out() {
        for (template, expected) in [
            (json!({"A": {"x": ["${none}"]}, "B": 1}), json!({"B": 1})),
            (json!({"A": {"x": "${none}", "y": 1}}), json!({"A": {"y": 1}})),
            (json!({"A": ["b", "${none}"]}), json!({"A": ["b"]})),
            (json!({"A": [], "B": {}}), json!({"A": [], "B": {}})),
        ] {
            check(template, expected);
        }
    }

    #[test]
    fn iams_own_variables_pass_untouched() {
        for text in
            ["${aws:PrincipalTag/team}", "a${*}b${?}c${$}", "${aws:username, 'nobody'}", "$one {one} $", "}${*}"]
        {
            check(json!(text), json!(text));
        }
        check(json!("${aws:username}/${one}/${*}"), json!("${aws:username}/1/${*}"));
        check(json!({"aws:PrincipalTag/${aws:username}": "x"}), json!({"aws:PrincipalTag/${aws:username}": "x"}));
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        for (template, expected) in [
            (json!("${two}"), "unknown variable `${two}`"),
            (json!("${}"), "unknown variable `${}`"),
            (json!("${one"), "`${` without its `}` in `${one`"),
            (json!({"${one}": 1}), "variables are not replaced in keys, and `${one}` holds one"),
        ] {
            assert_eq!(replace(&template, &scope()).unwrap_err().to_string(), expected);
        }
    }
}
