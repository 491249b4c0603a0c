//! Principals of the `AWS` kind: accounts, roles, users, and what is left of deleted ones.

use serde_json::Value;

use super::document::Statement;
use crate::repository::is_account_id;

/// The account of an account principal, written as its id or as its root ARN, which mean the same.
#[must_use]
pub fn account(principal: &str) -> Option<&str> {
    if is_account_id(principal) {
        return Some(principal);
    }
    let (partition, id) = principal.strip_prefix("arn:")?.strip_suffix(":root")?.split_once(":iam::")?;
    (is_partition(partition) && is_account_id(id)).then_some(id)
}

/// Whether the text has the form of a partition's name, as `aws` or `aws-us-gov`.
pub(super) fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws").map(|rest| rest.split('-'));
    rest.is_some_and(|mut words| {
        words.next() == Some("")
            && words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
    })
}

/// The id that stands in the statement where the ARN of a role or user was that has been deleted since.
///
/// Source: IAM unique identifiers (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
#[must_use]
pub fn deleted_principal(statement: &Statement) -> Option<&str> {
    fn find(value: &Value) -> Option<&str> {
        match value {
            Value::String(text) => is_unique_id(text).then_some(text),
            Value::Array(values) => values.iter().find_map(find),
            Value::Object(map) => map.values().find_map(find),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }
    ["Principal", "NotPrincipal"].iter().filter_map(|element| statement.elements().get(*element)).find_map(find)
}

/// Whether the text is the unique id of a role or user.
#[must_use]
pub fn is_unique_id(text: &str) -> bool {
    ["AIDA", "AROA"].iter().any(|prefix| text.starts_with(prefix))
        && text.len() >= 16
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_its_id_or_its_root_arn() {
        for (principal, expected) in [
            ("111122223333", Some("111122223333")),
            ("arn:aws:iam::111122223333:root", Some("111122223333")),
            ("arn:aws-cn:iam::111122223333:root", Some("111122223333")),
            ("arn:aws:iam::111122223333:role/root", None),
            ("arn:aws:iam::1111:root", None),
            ("arn:awsX:iam::111122223333:root", None),
            ("arn:x:y:iam::111122223333:root", None),
            ("*", None),
        ] {
            assert_eq!(account(principal), expected, "{principal}");
        }
    }
}
