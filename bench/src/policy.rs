//! Policies in ECR's words.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{
    Map, Value,
    ser::{Formatter, Serializer},
};

/// The policy as ECR answers it: a list of one string as that string, printed in Jackson's manner.
/// `None` where it is no policy.
pub(crate) fn as_ecr_answers(text: &str) -> Option<String> {
    let policy: Map<String, Value> = serde_json::from_str(text).ok()?;
    let words = policy.into_iter().map(|(key, value)| {
        let value = match value {
            Value::Array(statements) => statements.into_iter().map(unwrapped).collect(),
            other => other,
        };
        (key, value)
    });
    let mut printed = Vec::new();
    words.collect::<Map<_, _>>().serialize(&mut Serializer::with_formatter(&mut printed, Jackson::default())).ok()?;
    String::from_utf8(printed).ok().filter(|_| !statements(text).is_empty())
}

/// The policy's statements, each with its actions in order: which order they came in means nothing.
pub(crate) fn statements(text: &str) -> Vec<Value> {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let statements = policy.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default();
    let sorted = |mut statement: Value| {
        if let Some(Value::Array(actions)) = statement.get_mut("Action") {
            actions.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        }
        statement
    };
    statements.into_iter().map(|statement| sorted(unwrapped(statement))).collect()
}

fn unwrapped(value: Value) -> Value {
    match value {
        Value::Array(mut values) if values.len() == 1 && values.iter().all(Value::is_string) => values.remove(0),
        Value::Array(values) => values.into_iter().map(unwrapped).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, unwrapped(value))).collect(),
        other => other,
    }
}

/// Two spaces a level, spaces around colons, and lists in one line with what they hold.
#[derive(Default)]
struct Jackson {
    depth: usize,
}

impl Jackson {
    fn line<W: Write + ?Sized>(&self, to: &mut W) -> io::Result<()> {
        write!(to, "\n{:1$}", "", self.depth * 2)
    }
}

impl Formatter for Jackson {
    fn begin_array_value<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        to.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b" ]")
    }

    fn begin_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth += 1;
        to.write_all(b"{")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        to.write_all(if first { b"" } else { b"," })?;
        self.line(to)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b" : ")
    }

    fn end_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.line(to)?;
        to.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_answered_in_ecrs_words() {
        let sent = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A","Principal":"*","Action":["ecr:A","ecr:B"],
            "Condition":{"StringEquals":{"aws:PrincipalOrgID":["o-a1b2c3d4e5"]}}}]}"#;
        let answered = r#"{
  "Version" : "2012-10-17",
  "Statement" : [ {
    "Sid" : "A",
    "Principal" : "*",
    "Action" : [ "ecr:A", "ecr:B" ],
    "Condition" : {
      "StringEquals" : {
        "aws:PrincipalOrgID" : "o-a1b2c3d4e5"
      }
    }
  } ]
}"#;
        assert_eq!(as_ecr_answers(sent).as_deref(), Some(answered));
        assert_eq!(statements(sent), statements(answered));
    }

    #[test]
    fn what_holds_no_statement_is_no_policy() {
        for text in ["", "[]", "{}", r#"{"Statement":[]}"#, r#"{"Statement":"x"}"#] {
            assert_eq!(as_ecr_answers(text), None, "{text}");
        }
    }
}
