//! The shape of the configuration: its keys, their types, and the two short forms.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Configuration, Grant, OnExistingPolicy, Rule, Tags};
use crate::{
    finding::{Finding, Place, Position, as_written},
    policy::template::Template,
};

const SETTINGS: [&str; 2] = ["on_existing_policy", "allow_public"];
const RULE: [&str; 7] = ["name", "repositories", "except", "tags", "template", "with", "policy"];
const DOCUMENT: [&str; 3] = ["Version", "Id", "Statement"];

/// Reads as much as can be read, and says what cannot.
pub(super) fn read(text: &str) -> (Configuration, Vec<Finding>) {
    let mut reader = Reader::default();
    let configuration = reader.configuration(text);
    (configuration, reader.findings)
}

#[derive(Default)]
struct Reader {
    findings: Vec<Finding>,
}

impl Reader {
    fn error(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.push(Finding::error(place, message).hint(hint));
    }

    fn configuration(&mut self, text: &str) -> Configuration {
        let place = Place::root();
        let mut configuration = Configuration {
            rules: Vec::new(),
            on_existing_policy: OnExistingPolicy::default(),
            allow_public: false,
            secret: false,
        };
        if text.trim().is_empty() {
            return configuration;
        }
        let map = match serde_json::from_str(text) {
            Ok(Value::Object(map)) => map,
            Ok(_) => {
                self.error(&place, "the configuration is not a JSON object", r#"write `{"rules": […]}`"#);
                return configuration;
            }
            Err(error) => {
                let position = Position { line: error.line(), column: error.column().max(1) };
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                let hint = match message {
                    "recursion limit exceeded" => "nest it less deeply",
                    _ => "look there for a missing or surplus comma, quote or brace",
                };
                let finding = Finding::error(&place, format!("the configuration is not JSON: {message}")).hint(hint);
                self.findings.push(Finding { position: Some(position), ..finding });
                return configuration;
            }
        };
        let has = |keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
        if has(&["rules"]) {
            self.known_keys(&map, ["rules"].into_iter().chain(SETTINGS), &place);
            configuration.rules = self.rules(map.get("rules").unwrap_or(&Value::Null), &place.key("rules"));
        } else if has(&["template", "policy"]) {
            self.known_keys(&map, RULE.into_iter().chain(SETTINGS), &place);
            configuration.rules.extend(self.rule_of(&map, &place));
        } else if has(&["Statement"]) {
            self.known_keys(&map, DOCUMENT, &place);
            configuration.rules.push(self.rule_with(&map, &place, Grant::Policy(Value::Object(map.clone()))));
            return configuration;
        } else {
            self.known_keys(&map, ["rules"].into_iter().chain(RULE).chain(SETTINGS), &place);
            self.error(
                &place,
                "neither rules, nor a template, nor a policy",
                r#"write `{"rules": []}` for no rules, or `{"template": …, "with": …}` for one"#,
            );
        }
        configuration.on_existing_policy = self.on_existing_policy(&map, &place);
        configuration.allow_public = match map.get("allow_public") {
            None => false,
            Some(Value::Bool(allowed)) => *allowed,
            Some(_) => {
                self.error(&place.key("allow_public"), "true or false is wanted here", "write it without quotes");
                false
            }
        };
        configuration
    }

    fn known_keys(&mut self, map: &Map<String, Value>, known: impl IntoIterator<Item = &'static str>, place: &Place) {
        let known = known.into_iter().collect::<Vec<_>>();
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.findings.push(
                Finding::error(&place.key(key), format!("unknown key `{key}`")).nearest(key, known.iter().copied()),
            );
        }
    }

    fn on_existing_policy(&mut self, map: &Map<String, Value>, place: &Place) -> OnExistingPolicy {
        const MODES: [(&str, OnExistingPolicy); 3] = [
            ("merge", OnExistingPolicy::Merge),
            ("skip", OnExistingPolicy::Skip),
            ("replace", OnExistingPolicy::Replace),
        ];
        let Some(value) = map.get("on_existing_policy") else { return OnExistingPolicy::default() };
        let written = as_written(value);
        if let Some((_, mode)) = MODES.iter().find(|(name, _)| value.as_str() == Some(name)) {
            return *mode;
        }
        self.findings.push(
            Finding::error(&place.key("on_existing_policy"), format!("unknown value `{written}`"))
                .nearest(&written, MODES.map(|(name, _)| name)),
        );
        OnExistingPolicy::default()
    }

    fn rules(&mut self, rules: &Value, place: &Place) -> Vec<Rule> {
        let Value::Array(values) = rules else {
            self.error(place, "a list of rules is wanted here", r#"write `"rules": []` for none"#);
            return Vec::new();
        };
        let mut rules = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let place = place.index(index);
            let Value::Object(map) = value else {
                self.error(&place, "a rule is an object", r#"write `{"name": …, "template": …, "with": …}`"#);
                continue;
            };
            self.known_keys(map, RULE, &place);
            if values.len() > 1 && !map.contains_key("name") {
                let message = "`name` is missing, and there is more than one rule";
                self.error(&place, message, "add a name of letters and digits");
            }
            rules.extend(self.rule_of(map, &place));
        }
        self.unique_names(values, place);
        rules
    }

    fn unique_names(&mut self, rules: &[Value], place: &Place) {
        let mut first = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            let Some(name) = rule.get("name").and_then(Value::as_str) else { continue };
            let place = place.index(index).key("name");
            if let Some(earlier) = first.get(name) {
                let message = format!("the name `{name}` stands at {earlier} already");
                self.error(&place, message, "give each rule a name of its own");
            } else {
                first.insert(name, place);
            }
        }
    }

    fn rule_of(&mut self, map: &Map<String, Value>, place: &Place) -> Option<Rule> {
        let grant = self.grant(map, place);
        // What stands beside a broken template or policy is read too, for its findings.
        let rule = self.rule_with(map, place, Grant::Policy(Value::Null));
        grant.map(|grant| {
            let key = if matches!(grant, Grant::Template { .. }) { "template" } else { "policy" };
            Rule { grant, place: place.key(key), ..rule }
        })
    }

    fn rule_with(&mut self, map: &Map<String, Value>, place: &Place, grant: Grant) -> Rule {
        let everything = || vec!["*".to_owned()];
        Rule {
            name: self.name(map, place),
            repositories: self.patterns(map, "repositories", place).unwrap_or_else(everything),
            except: self.patterns(map, "except", place).unwrap_or_default(),
            tags: self.tags(map, place),
            grant,
            place: place.clone(),
        }
    }

    fn name(&mut self, map: &Map<String, Value>, place: &Place) -> Option<String> {
        match map.get("name")? {
            Value::String(name) if crate::policy::sid::is_sid(name) => Some(name.clone()),
            name => {
                let written = as_written(name);
                let message = format!("`{written}` is not a rule's name");
                self.error(&place.key("name"), message, "write letters and digits, as `Workloads`");
                None
            }
        }
    }

    /// A list of patterns; `None` where there is none, or one with a mistake.
    fn patterns(&mut self, map: &Map<String, Value>, key: &str, place: &Place) -> Option<Vec<String>> {
        let value = map.get(key)?;
        let place = place.key(key);
        let example = format!(r#"write `"{key}": ["team/*"]`"#);
        let values = match value {
            Value::Array(values) if values.is_empty() => {
                self.error(&place, "an empty list matches nothing", format!("leave `{key}` out, or {example}"));
                return None;
            }
            Value::Array(values) => values,
            _ => {
                self.error(&place, "a list of patterns is wanted here", example);
                return None;
            }
        };
        let mut patterns = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let place = place.index(index);
            match value {
                Value::String(pattern) if can_match_a_name(pattern) => patterns.push(pattern.clone()),
                Value::String(pattern) => self.error(
                    &place,
                    format!("`{pattern}` can match no repository's name"),
                    "names have lower-case letters, digits and single `.`, `_`, `-`, `/`; `*` and `?` stand for others",
                ),
                _ => self.error(&place, "text is wanted here", &example),
            }
        }
        (patterns.len() == values.len()).then_some(patterns)
    }

    fn tags(&mut self, map: &Map<String, Value>, place: &Place) -> Tags {
        let Some(value) = map.get("tags") else { return Tags::new() };
        let place = place.key("tags");
        let example = r#"write `"tags": {"team": "pay*"}`"#;
        let mut tags = Tags::new();
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    match value {
                        Value::String(pattern) => {
                            tags.insert(key.clone(), pattern.clone());
                        }
                        _ => self.error(&place.key(key), "text is wanted here", example),
                    }
                }
            }
            Value::Object(_) => self.error(&place, "no tag is named", format!("leave `tags` out, or {example}")),
            _ => self.error(&place, "an object of tags is wanted here", example),
        }
        tags
    }

    fn grant(&mut self, map: &Map<String, Value>, place: &Place) -> Option<Grant> {
        match (map.get("template"), map.get("policy")) {
            (Some(template), None) => self.template(template, map, place),
            (None, Some(policy)) => {
                if map.contains_key("with") {
                    let message = "`with` fills a template's variables, and this rule has a `policy`";
                    self.error(&place.key("with"), message, "take it away");
                }
                Some(Grant::Policy(policy.clone()))
            }
            (None, None) => {
                self.error(place, "neither `template` nor `policy`", "say what the repositories get");
                None
            }
            (Some(_), Some(_)) => {
                self.error(place, "`template` and `policy` exclude each other", "make two rules of it");
                None
            }
        }
    }

    fn template(&mut self, name: &Value, map: &Map<String, Value>, place: &Place) -> Option<Grant> {
        let written = as_written(name);
        let Some(template) = name.as_str().and_then(Template::named) else {
            self.findings.push(
                Finding::error(&place.key("template"), format!("unknown template `{written}`"))
                    .nearest(&written, Template::names()),
            );
            return None;
        };
        let nothing = Map::new();
        let with = match map.get("with") {
            None if template.variables.values().any(|variable| variable.default.is_none()) => {
                self.error(place, "`with` is missing", example(&template));
                return None;
            }
            None => &nothing,
            Some(Value::Object(with)) => with,
            Some(_) => {
                self.error(&place.key("with"), "an object of variables is wanted here", example(&template));
                return None;
            }
        };
        match template.bind(with, &place.key("with")) {
            Ok(with) => Some(Grant::Template { template, with }),
            Err(findings) => {
                self.findings.extend(findings);
                None
            }
        }
    }
}

/// How to write the variables that the template requires.
fn example(template: &Template) -> String {
    let required = template.variables.iter().filter(|(_, variable)| variable.default.is_none());
    let required = required.map(|(name, variable)| variable.example(name)).collect::<Vec<_>>();
    format!(r#"write `"with": {{{}}}`"#, required.join(", "))
}

/// Whether some repository's name could match, by the pattern of `repositoryName` in the `CreateRepository` API.
fn can_match_a_name(pattern: &str) -> bool {
    let is_word = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let is_open = |character: char| matches!(character, '*' | '?');
    let may_touch_an_end = |end: Option<char>| end.is_some_and(|character| is_word(character) || is_open(character));
    // Between two characters that a name may begin or end with, only these can stand.
    let separators = |run: &str| matches!(run, "" | "." | "_" | "__" | "/") || run.bytes().all(|byte| byte == b'-');
    let long_enough = pattern.contains('*') || pattern.chars().count() >= 2;
    let shortest = pattern.chars().filter(|character| *character != '*').count();
    long_enough
        && shortest <= 256
        && may_touch_an_end(pattern.chars().next())
        && may_touch_an_end(pattern.chars().next_back())
        && pattern.split(|character| is_word(character) || is_open(character)).all(separators)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_can_match_no_name_is_told_apart() {
        for (pattern, expected) in [
            ("*", true),
            ("team/*", true),
            ("*/app", true),
            ("a?", true),
            ("??", true),
            ("a*", true),
            ("a__b-*", true),
            ("ab", true),
            ("", false),
            ("a", false),
            ("?", false),
            ("Team/*", false),
            ("/team", false),
            ("team/", false),
            ("team//*", false),
            ("team/-*", false),
            ("a___b*", false),
            ("a..*", false),
            ("a b", false),
            ("-*", false),
        ] {
            assert_eq!(can_match_a_name(pattern), expected, "{pattern}");
        }
        assert!(!can_match_a_name(&"a".repeat(257)));
    }
}
