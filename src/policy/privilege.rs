//! Which statements give others power over the repository itself.

use serde_json::Value;

use super::{document::Statement, principal, wildcard};
use crate::repository::is_account_id;

/// Who has one of these can take the repository, or its policy, away from its owner.
const POWERFUL: [&str; 3] = ["ecr:SetRepositoryPolicy", "ecr:DeleteRepositoryPolicy", "ecr:DeleteRepository"];

/// The first action by which the statement lets others than the registry's own account change the repository's
/// policy or delete the repository.
#[must_use]
pub fn power_of_others(statement: &Statement, registry_id: &str) -> Option<&'static str> {
    let elements = statement.elements();
    let allows = elements.get("Effect").and_then(Value::as_str) == Some("Allow");
    if !allows || only_own(statement, registry_id) {
        return None;
    }
    let among = |element: &str, action: &str| {
        let action = action.to_ascii_lowercase();
        words(elements.get(element)).any(|pattern| wildcard::matches(&pattern.to_ascii_lowercase(), &action))
    };
    POWERFUL.into_iter().find(|action| match elements.contains_key("NotAction") {
        true => !among("NotAction", action),
        false => among("Action", action),
    })
}

/// Whether the statement speaks only of the registry's own account.
fn only_own(statement: &Statement, registry_id: &str) -> bool {
    let named = match statement.elements().get("Principal") {
        Some(Value::Object(kinds)) => {
            kinds.keys().all(|kind| kind == "AWS")
                && words(kinds.get("AWS")).all(|text| account_of(text) == Some(registry_id))
        }
        _ => false,
    };
    named || only_own_by_condition(statement, registry_id)
}

fn only_own_by_condition(statement: &Statement, registry_id: &str) -> bool {
    let operators = statement.elements().get("Condition").and_then(Value::as_object).into_iter().flatten();
    operators
        .filter(|(operator, _)| matches!(operator.as_str(), "StringEquals" | "StringLike"))
        .filter_map(|(_, keys)| keys.as_object())
        .flatten()
        .filter(|(key, _)| key.eq_ignore_ascii_case("aws:PrincipalAccount"))
        .any(|(_, values)| {
            let mut values = words(Some(values)).peekable();
            values.peek().is_some() && values.all(|value| value == registry_id)
        })
}

/// The account that a principal belongs to.
fn account_of(text: &str) -> Option<&str> {
    principal::account(text).or_else(|| text.split(':').nth(4).filter(|account| is_account_id(account)))
}

fn words(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::Document;

    #[track_caller]
    fn check(elements: &str, expected: Option<&str>) {
        let text = format!(r#"{{"Statement":[{{{elements}}}]}}"#);
        let document = Document::parse(&text).unwrap();
        assert_eq!(power_of_others(&document.statements[0], "111122223333"), expected, "{elements}");
    }

    #[test]
    fn power_over_the_repository_is_told_whoever_else_gets_it() {
        let allow =
            |principal: &str, action: &str| format!(r#""Effect":"Allow","Principal":{principal},"Action":{action}"#);
        for (principal, action, expected) in [
            (r#""*""#, r#""ecr:*""#, Some("ecr:SetRepositoryPolicy")),
            (
                r#"{"AWS":"444455556666"}"#,
                r#"["ecr:BatchGetImage","ECR:setrepositorypolicy"]"#,
                Some("ecr:SetRepositoryPolicy"),
            ),
            (r#"{"AWS":"444455556666"}"#, r#""ecr:Delete*""#, Some("ecr:DeleteRepositoryPolicy")),
            (r#"{"AWS":"444455556666"}"#, r#""ecr:DeleteRepository""#, Some("ecr:DeleteRepository")),
            (r#"{"AWS":["111122223333","444455556666"]}"#, r#""*""#, Some("ecr:SetRepositoryPolicy")),
            (r#"{"Service":"codebuild.amazonaws.com"}"#, r#""ecr:*""#, Some("ecr:SetRepositoryPolicy")),
            (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, r#""ecr:*""#, None),
            (r#"{"AWS":["arn:aws:iam::111122223333:role/x","111122223333"]}"#, r#""ecr:*""#, None),
            (r#"{"AWS":"444455556666"}"#, r#""ecr:BatchGet*""#, None),
        ] {
            check(&allow(principal, action), expected);
        }
        check(r#""Effect":"Deny","Principal":"*","Action":"ecr:*""#, None);
        check(r#""Effect":"Allow","Principal":"*","NotAction":"ecr:PutImage""#, Some("ecr:SetRepositoryPolicy"));
        check(r#""Effect":"Allow","Principal":"*","NotAction":["ecr:Set*","ecr:Delete*"]"#, None);
    }

    #[test]
    fn a_condition_can_leave_only_the_own_account() {
        let with = |condition: &str| {
            format!(r#""Effect":"Allow","Principal":"*","Action":"ecr:*","Condition":{{{condition}}}"#)
        };
        check(&with(r#""StringEquals":{"aws:PrincipalAccount":"111122223333"}"#), None);
        let others = Some("ecr:SetRepositoryPolicy");
        check(&with(r#""StringEquals":{"aws:PrincipalAccount":["111122223333","444455556666"]}"#), others);
        check(&with(r#""StringEquals":{"aws:PrincipalAccount":[]}"#), others);
        check(&with(r#""StringEqualsIfExists":{"aws:PrincipalAccount":"111122223333"}"#), others);
    }
}
