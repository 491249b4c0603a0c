//! Policy documents and their statements, as JSON with the order of its keys kept.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use thiserror::Error;

/// ECR's limit for `policyText`, in characters (`SetRepositoryPolicy`, Request parameters).
pub const POLICY_TEXT_LIMIT: usize = 10_240;

/// One statement of a policy document.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement(Map<String, Value>);

impl Statement {
    /// The elements of the statement as they were written, `Effect`, `Principal` and so on.
    #[must_use]
    pub fn elements(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The statement's id.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.0.get("Sid").and_then(Value::as_str)
    }

    /// The same statement under another id, which then stands first.
    #[must_use]
    pub fn with_sid(&self, sid: String) -> Self {
        let others = self.0.iter().filter(|(key, _)| *key != "Sid").map(|(key, value)| (key.clone(), value.clone()));
        Self(std::iter::once(("Sid".to_owned(), Value::String(sid))).chain(others).collect())
    }

    /// Whether any text of the statement, keys included, contains `${`, which policy Version `2012-10-17` gives a
    /// meaning and older ones do not.
    #[must_use]
    pub fn has_policy_variables(&self) -> bool {
        fn any(value: &Value) -> bool {
            match value {
                Value::String(text) => text.contains("${"),
                Value::Array(values) => values.iter().any(any),
                Value::Object(map) => map.iter().any(|(key, value)| key.contains("${") || any(value)),
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            }
        }
        self.0.values().any(any)
    }
}

/// A policy document: what `GetRepositoryPolicy` answers and `SetRepositoryPolicy` takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The language version; IAM reads a document without one as `2008-10-17`.
    pub version: Option<String>,
    /// The document's own id, which nothing but people reads.
    pub id: Option<Value>,
    /// The statements, in their order.
    pub statements: Vec<Statement>,
}

impl Document {
    /// The current version of IAM's policy language.
    pub const VERSION: &str = "2012-10-17";

    /// Reads the text of a policy document.
    ///
    /// # Errors
    /// Where the text is not JSON, or not an object with a `Statement` of objects.
    pub fn parse(text: &str) -> Result<Self, NotADocument> {
        let value = serde_json::from_str(text).map_err(|error| NotADocument::Json(error.to_string()))?;
        if serde_json::from_str::<Faithful>(text).is_err() || text.contains(NUMBER_TOKEN) {
            return Err(NotADocument::Unfaithful);
        }
        Self::from_value(value)
    }

    /// Reads a policy document that is JSON already.
    ///
    /// # Errors
    /// Where it is not an object with a `Statement` of objects.
    pub fn from_value(value: Value) -> Result<Self, NotADocument> {
        let Value::Object(mut map) = value else { return Err(NotADocument::NoObject) };
        let statements = match map.remove("Statement") {
            Some(Value::Array(statements)) => statements,
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err(NotADocument::NoStatement),
        };
        let statements = statements
            .into_iter()
            .map(|statement| match statement {
                Value::Object(map) => Ok(Statement(map)),
                _ => Err(NotADocument::NoStatement),
            })
            .collect::<Result<_, _>>()?;
        let version = match map.remove("Version") {
            None => None,
            Some(Value::String(version)) => Some(version),
            Some(_) => return Err(NotADocument::Version),
        };
        Ok(Self { version, id: map.remove("Id"), statements })
    }

    /// The document as JSON: `Version`, `Id`, `Statement`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let statements = self.statements.iter().map(|statement| Value::Object(statement.0.clone())).collect();
        let version = self.version.clone().map(|version| ("Version".to_owned(), Value::String(version)));
        let id = self.id.clone().map(|id| ("Id".to_owned(), id));
        let statements = ("Statement".to_owned(), Value::Array(statements));
        Value::Object(version.into_iter().chain(id).chain([statements]).collect())
    }

    /// The document's minified text, as it is written to ECR.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_value().to_string()
    }

    /// Whether the document is under the current version of the language, in which `${…}` is a variable.
    #[must_use]
    pub fn is_current_version(&self) -> bool {
        self.version.as_deref() == Some(Self::VERSION)
    }
}

/// How `serde_json` writes a number to itself. An object with this key would come back as a number.
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// JSON in which no object has a key twice, so that it can be written back as it was.
struct Faithful;

impl<'de> Deserialize<'de> for Faithful {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Faithful {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a key that stands twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key stands twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// A text that is no policy document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotADocument {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(String),
    /// It is JSON, but not an object.
    #[error("it is not a JSON object")]
    NoObject,
    /// Its statements are not objects, or there is none.
    #[error("its `Statement` is not a list of objects")]
    NoStatement,
    /// It could not be written back as it is.
    #[error("it has an object with a key that stands twice")]
    Unfaithful,
    /// Its version is not text.
    #[error("its `Version` is not text")]
    Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_keeps_order_numbers_and_id() {
        let text = r#"{"Version":"2008-10-17","Id":"x","Statement":[{"Zeta":1,"Sid":"A b","Alpha":[1.0,12345678901234567890123,1e+400]}]}"#;
        assert_eq!(Document::parse(text).unwrap().to_text(), text);
    }

    #[test]
    fn one_statement_alone_is_a_list_of_one() {
        let document = Document::parse(r#"{"Statement":{"Sid":"A"}}"#).unwrap();
        assert_eq!(document.to_text(), r#"{"Statement":[{"Sid":"A"}]}"#);
    }

    #[test]
    fn a_new_sid_takes_the_old_ones_place_at_the_front() {
        let document = Document::parse(r#"{"Statement":[{"Effect":"Deny","Sid":"A"}]}"#).unwrap();
        let renamed = document.statements[0].with_sid("B".to_owned());
        assert_eq!(Value::Object(renamed.0).to_string(), r#"{"Sid":"B","Effect":"Deny"}"#);
    }

    #[test]
    fn what_is_no_document_is_told_apart() {
        for (text, expected) in [
            ("", "it is not JSON: EOF while parsing a value at line 1 column 0"),
            ("[]", "it is not a JSON object"),
            ("{}", "its `Statement` is not a list of objects"),
            (r#"{"Statement":[1]}"#, "its `Statement` is not a list of objects"),
            (r#"{"Statement":[],"Version":1}"#, "its `Version` is not text"),
            (r#"{"Statement":[{"Effect":"Deny","Effect":"Allow"}]}"#, "it has an object with a key that stands twice"),
            (
                r#"{"Statement":[{"a":{"$serde_json::private::Number":"5"}}]}"#,
                "it has an object with a key that stands twice",
            ),
        ] {
            assert_eq!(Document::parse(text).unwrap_err().to_string(), expected);
        }
    }
}
