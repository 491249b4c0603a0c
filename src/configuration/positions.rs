//! Lines and columns of places in the configuration's text, and keys that stand twice in it.

use std::collections::HashSet;

use jsonc_parser::{
    ParseOptions,
    ast::{ObjectProp, Value},
    common::Ranged,
    parse_to_ast,
};

use crate::finding::{Finding, Place, Position};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The findings with their positions in the text and in the order of these, and one for each key that stands twice.
pub(super) fn located(mut findings: Vec<Finding>, text: &str) -> Vec<Finding> {
    // What is no JSON has no places but the one where reading ended.
    if serde_json::from_str::<serde_json::Value>(text).is_err() {
        return findings;
    }
    let positions = Positions::of(text);
    findings.extend(positions.duplicate_keys());
    for finding in &mut findings {
        finding.position = positions.find(&finding.place);
    }
    findings.sort_by_key(|finding| finding.position);
    findings
}

/// The configuration's text with its syntax tree.
struct Positions<'a> {
    text: &'a str,
    tree: Option<Value<'a>>,
}

impl<'a> Positions<'a> {
    fn of(text: &'a str) -> Self {
        let tree = parse_to_ast(text, &Default::default(), &STRICT).ok().and_then(|parsed| parsed.value);
        Self { text, tree }
    }

    /// Where the place begins: for the member of an object, its key. What is not in the text itself is where the
    /// nearest thing around it is.
    fn find(&self, place: &Place) -> Option<Position> {
        let mut value = self.tree.as_ref()?;
        let mut start = value.start();
        for part in place.parts() {
            match value {
                Value::Object(object) => {
                    let Some(member) = object.properties.iter().rfind(|member| member.name.as_str() == part) else {
                        break;
                    };
                    start = member.start();
                    value = &member.value;
                }
                Value::Array(array) => {
                    let element = part.parse::<usize>().ok().and_then(|index| array.elements.get(index));
                    let Some(element) = element else { break };
                    start = element.start();
                    value = element;
                }
                _ => break,
            }
        }
        self.position(start)
    }

    /// A finding for each key that stands twice in an object: JSON would silently take the last one.
    fn duplicate_keys(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(tree) = &self.tree {
            self.duplicates_in(tree, &Place::root(), &mut findings);
        }
        findings
    }

    fn duplicates_in(&self, value: &Value<'_>, place: &Place, findings: &mut Vec<Finding>) {
        match value {
            Value::Object(object) => {
                let mut seen = HashSet::new();
                for ObjectProp { name, value, .. } in &object.properties {
                    let place = place.key(name.as_str());
                    if !seen.insert(name.as_str()) {
                        findings.push(
                            Finding::error(&place, format!("the key `{}` stands twice", name.as_str()))
                                .hint("keep one of them"),
                        );
                    }
                    self.duplicates_in(value, &place, findings);
                }
            }
            Value::Array(array) => {
                for (index, value) in array.elements.iter().enumerate() {
                    self.duplicates_in(value, &place.index(index), findings);
                }
            }
            _ => {}
        }
    }

    fn position(&self, start: usize) -> Option<Position> {
        let before = self.text.get(..start)?;
        let line = before.rsplit('\n').next().unwrap_or_default();
        Some(Position { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(place: &Place, expected: Option<(usize, usize)>) {
        let text = "{\n  \"é\": [1,\n    {\"a/b\": 2}],\n  \"x\": 3\n}";
        let found = Positions::of(text).find(place).map(|position| (position.line, position.column));
        assert_eq!(found, expected, "{place}");
    }

    #[test]
    fn a_place_is_found_or_the_nearest_around_it() {
        let root = Place::root();
        check(&root, Some((1, 1)));
        check(&root.key("é"), Some((2, 3)));
        check(&root.key("é").index(0), Some((2, 9)));
        check(&root.key("é").index(1).key("a/b"), Some((3, 6)));
        check(&root.key("é").index(1).key("none"), Some((3, 5)));
        check(&root.key("é").index(7), Some((2, 3)));
        check(&root.key("x").key("below"), Some((4, 3)));
    }

    #[test]
    fn a_text_that_is_no_json_has_no_places() {
        assert_eq!(Positions::of("{,}").find(&Place::root()), None);
    }
}
