//! Templates: the files of `policies/`, each with a description, typed variables and a policy document.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    access::AccessLevel,
    files,
    kind::Kind,
    variables::{Binding, Scope},
};
use crate::finding::{Finding, Place};

/// A policy document with typed variables.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Whom it is for, in a sentence.
    pub description: String,
    /// The variables that its user gives, by name.
    pub variables: BTreeMap<String, Variable>,
    /// The policy document, with `${variables}`.
    pub policy: Value,
}

/// One variable of a template.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// What it means, in a sentence.
    pub description: String,
    /// The kind of its value, or of each of its values.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it is a list of values.
    #[serde(default)]
    pub list: bool,
    /// The value where the user gives none; without it the variable is required.
    pub default: Option<Value>,
}

impl Template {
    /// The template of that name, where there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = files::TEMPLATES.iter().find(|(known, _)| *known == name)?;
        serde_json::from_str(text).ok()
    }

    /// The names of all templates, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        files::TEMPLATES.iter().map(|(name, _)| *name)
    }

    /// What the template's variables stand for, given what the user wrote.
    ///
    /// An access level brings `${actions}` with it.
    ///
    /// # Errors
    /// A finding for each variable that is unknown, missing, or of the wrong type or kind.
    pub fn bind(&self, with: &Map<String, Value>, place: &Place) -> Result<Scope, Vec<Finding>> {
        let mut findings = Vec::new();
        for name in with.keys().filter(|name| !self.variables.contains_key(*name)) {
            findings.push(
                Finding::error(&place.key(name), format!("unknown variable `{name}`"))
                    .nearest(name, self.variables.keys().map(String::as_str)),
            );
        }
        let mut scope = Scope::default();
        for (name, variable) in &self.variables {
            let bound = match (with.get(name), &variable.default) {
                (Some(value), _) => variable.bind(name, value, &place.key(name)),
                // A default may be an empty list, which a user may not write.
                (None, Some(Value::Array(values))) if values.is_empty() => Ok(Binding::Many(Vec::new())),
                (None, Some(default)) => variable.bind(name, default, &place.key(name)),
                (None, None) => Err(vec![
                    Finding::error(place, format!("`{name}` is missing"))
                        .hint(format!("add `{}`", variable.example(name))),
                ]),
            };
            match bound {
                Ok(binding) => {
                    if let (Kind::AccessLevel, Binding::One(level)) = (variable.kind, &binding) {
                        let actions = AccessLevel::named(level).map(|level| level.actions).unwrap_or_default();
                        scope.bind("actions", Binding::Many(actions));
                    }
                    scope.bind(name, binding);
                }
                Err(found) => findings.extend(found),
            }
        }
        if findings.is_empty() { Ok(scope) } else { Err(findings) }
    }
}

impl Variable {
    /// How to write it, as `"accounts": ["111122223333"]`.
    #[must_use]
    pub fn example(&self, name: &str) -> String {
        let value = self.kind.example();
        if self.list { format!(r#""{name}": ["{value}"]"#) } else { format!(r#""{name}": "{value}""#) }
    }

    fn bind(&self, name: &str, value: &Value, place: &Place) -> Result<Binding, Vec<Finding>> {
        let wrong_type = |place: &Place, wanted: &str| {
            vec![
                Finding::error(place, format!("{wanted} is wanted here"))
                    .hint(format!("write `{}`", self.example(name))),
            ]
        };
        match value {
            Value::String(text) if !self.list => {
                self.kind.check(text, place).map_err(|finding| vec![finding])?;
                Ok(Binding::One(text.clone()))
            }
            Value::Array(values) if self.list && values.is_empty() => Err(wrong_type(place, "at least one value")),
            Value::Array(values) if self.list => {
                let mut findings = Vec::new();
                let mut texts = Vec::new();
                for (index, value) in values.iter().enumerate() {
                    let place = place.index(index);
                    match value {
                        Value::String(text) => match self.kind.check(text, &place) {
                            Ok(()) => texts.push(text.clone()),
                            Err(finding) => findings.push(finding),
                        },
                        _ => findings.extend(wrong_type(&place, "text")),
                    }
                }
                if findings.is_empty() { Ok(Binding::Many(texts)) } else { Err(findings) }
            }
            _ => Err(wrong_type(place, if self.list { "a list" } else { "text" })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_template() {
        for name in Template::names() {
            assert!(Template::named(name).is_some(), "`{name}` does not parse");
        }
    }

    #[test]
    fn the_templates_say_what_they_are_for() {
        let described =
            Template::names().filter_map(|name| Some((name, Template::named(name)?))).map(|(name, template)| {
                let variables = template.variables.iter().map(|(name, variable)| {
                    let default =
                        variable.default.as_ref().map(|value| format!(" (default {value})")).unwrap_or_default();
                    format!("\n  {}{default}: {}", variable.example(name), variable.description)
                });
                format!("{name}: {}{}", template.description, variables.collect::<String>())
            });
        insta::assert_snapshot!(described.collect::<Vec<_>>().join("\n"));
    }

    #[track_caller]
    fn check(name: &str, with: &str, expected: &[&str]) {
        let with = serde_json::from_str(with).unwrap();
        let findings = Template::named(name).unwrap().bind(&with, &Place::root().key("with")).err().unwrap_or_default();
        let findings = findings.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(findings, expected, "{name}");
    }

    #[test]
    fn every_wrong_variable_is_found_at_once() {
        check("account-list", r#"{"accounts":["111122223333"]}"#, &[]);
        check(
            "account-list",
            r#"{"acounts":["111122223333"],"access":"pull"}"#,
            &[
                "error at `/with/acounts`: unknown variable `acounts`; did you mean `accounts`?",
                "error at `/with/access`: unknown access level `pull`; did you mean `Pull`?",
                r#"error at `/with`: `accounts` is missing; add `"accounts": ["111122223333"]`"#,
            ],
        );
        check(
            "account-list",
            r#"{"accounts":[1,"2"],"access":["Pull"]}"#,
            &[
                r#"error at `/with/access`: text is wanted here; write `"access": "Pull"`"#,
                r#"error at `/with/accounts/0`: text is wanted here; write `"accounts": ["111122223333"]`"#,
                "error at `/with/accounts/1`: `2` is not an account id; write its 12 digits as text, as `111122223333`",
            ],
        );
        check(
            "source-ip",
            r#"{"allow_cidrs":"10.0.0.0/8","except_cidrs":[]}"#,
            &[
                r#"error at `/with/allow_cidrs`: a list is wanted here; write `"allow_cidrs": ["192.0.2.0/24"]`"#,
                r#"error at `/with/except_cidrs`: at least one value is wanted here; write `"except_cidrs": ["192.0.2.0/24"]`"#,
            ],
        );
        check("deny-pull", r#"{"x":1}"#, &["error at `/with/x`: unknown variable `x`; nothing is valid here"]);
    }
}
