//! The grammar of a repository policy: what IAM's policy language and ECR's use of it allow.
//!
//! Source: Grammar of the IAM JSON policy language
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>).

use serde_json::{Map, Value};

use super::{
    action::Actions,
    condition::{self, Operator, Qualifier},
    document::Document,
    kind, principal,
    sid::is_sid,
    wildcard,
};
use crate::finding::{Finding, Place, Severity, as_written, nearest};

const ELEMENTS: [&str; 7] = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"];
const PRINCIPAL_KINDS: [&str; 3] = ["AWS", "Service", "Federated"];

/// Everything that is wrong with a policy document.
#[must_use]
pub fn check(policy: &Value, place: &Place) -> Vec<Finding> {
    let mut checker = Checker { actions: Actions::of_ecr(), findings: Vec::new() };
    checker.document(policy, place);
    checker.findings
}

struct Checker {
    actions: Actions,
    findings: Vec<Finding>,
}

impl Checker {
    fn error(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.findings.push(Finding::error(place, message).hint(hint));
    }

    fn document(&mut self, policy: &Value, place: &Place) {
        let Value::Object(policy) = policy else {
            return self.error(place, "a policy document is an object", r#"write `{"Version": …, "Statement": […]}`"#);
        };
        for key in policy.keys() {
            match key.as_str() {
                "Version" | "Statement" => {}
                "Id" => self.findings.push(
                    Finding::warning(&place.key(key), "an `Id` is not used")
                        .hint("a repository's policy keeps the `Id` that it has"),
                ),
                _ => self.findings.push(
                    Finding::error(&place.key(key), format!("unknown element `{key}`"))
                        .nearest(key, ["Version", "Statement"]),
                ),
            }
        }
        self.version(policy, place);
        match policy.get("Statement") {
            None => self.error(place, "`Statement` is missing", "add the list of statements"),
            Some(Value::Array(statements)) if statements.is_empty() => {
                self.error(&place.key("Statement"), "an empty list says nothing", "add a statement");
            }
            Some(Value::Array(statements)) => {
                for (index, statement) in statements.iter().enumerate() {
                    self.statement(statement, &place.key("Statement").index(index));
                }
            }
            Some(statement) => self.statement(statement, &place.key("Statement")),
        }
    }

    fn version(&mut self, policy: &Map<String, Value>, place: &Place) {
        let hint = || format!("write `{}`", Document::VERSION);
        match policy.get("Version") {
            None => {}
            Some(Value::String(version)) if version == Document::VERSION => {}
            Some(Value::String(version)) if version == "2008-10-17" => {
                let variables = Document::from_value(Value::Object(policy.clone()))
                    .is_ok_and(|document| document.statements.iter().any(|statement| statement.has_policy_variables()));
                if variables {
                    let message = "`2008-10-17` has no policy variables, and a statement contains `${`";
                    self.error(&place.key("Version"), message, hint());
                }
            }
            Some(version) => {
                self.error(
                    &place.key("Version"),
                    format!("`{}` is no version of the policy language", as_written(version)),
                    hint(),
                );
            }
        }
    }

    fn statement(&mut self, statement: &Value, place: &Place) {
        let Value::Object(elements) = statement else {
            return self.error(
                place,
                "a statement is an object",
                r#"write `{"Effect": …, "Principal": …, "Action": …}`"#,
            );
        };
        for key in elements.keys().filter(|key| !ELEMENTS.contains(&key.as_str())) {
            let finding = Finding::error(&place.key(key), format!("unknown element `{key}`"));
            self.findings.push(match key.as_str() {
                "Resource" | "NotResource" => Finding {
                    message: format!("ECR refuses `{key}`: a repository policy is always about its own repository"),
                    ..finding
                }
                .hint("take it away, and say with the rule's `repositories` which ones get the policy"),
                _ => finding.nearest(key, ELEMENTS),
            });
        }
        match elements.get("Sid") {
            None => {}
            Some(Value::String(sid)) if is_sid(sid) => {}
            Some(sid) => self.error(
                &place.key("Sid"),
                format!("`{}` is not a statement id", as_written(sid)),
                "write letters and digits only",
            ),
        }
        match elements.get("Effect") {
            None => self.error(place, "`Effect` is missing", "add `Allow` or `Deny`"),
            Some(Value::String(effect)) if matches!(effect.as_str(), "Allow" | "Deny") => {}
            Some(effect) => {
                let finding = Finding::error(&place.key("Effect"), format!("unknown effect `{}`", as_written(effect)));
                self.findings.push(finding.nearest(&as_written(effect), ["Allow", "Deny"]));
            }
        }
        for (element, value, place) in self.one_of(elements, ["Principal", "NotPrincipal"], place) {
            self.principal(element, value, &place);
        }
        for (_, value, place) in self.one_of(elements, ["Action", "NotAction"], place) {
            self.words(value, &place, Self::action);
        }
        if let Some(condition) = elements.get("Condition") {
            self.condition(condition, &place.key("Condition"));
        }
    }

    /// The elements of the pair that are there, of which there must be exactly one.
    fn one_of<'a>(
        &mut self,
        elements: &'a Map<String, Value>,
        pair: [&'static str; 2],
        place: &Place,
    ) -> Vec<(&'static str, &'a Value, Place)> {
        let [element, negated] = pair;
        let example = match element {
            "Principal" => r#"say who, as `"Principal": {"AWS": ["111122223333"]}`"#,
            _ => r#"say what, as `"Action": ["ecr:BatchGetImage"]`"#,
        };
        let found = pair.iter().filter_map(|key| Some((*key, elements.get(*key)?, place.key(key)))).collect::<Vec<_>>();
        match found.len() {
            0 => self.error(place, format!("`{element}` is missing"), example),
            1 => {}
            _ => self.error(place, format!("`{element}` and `{negated}` exclude each other"), "take one away"),
        }
        found
    }

    fn principal(&mut self, element: &str, principal: &Value, place: &Place) {
        match principal {
            Value::String(everyone) if everyone == "*" && element == "Principal" => {}
            Value::Object(kinds) if !kinds.is_empty() => {
                for (kind, value) in kinds {
                    let place = place.key(kind);
                    match kind.as_str() {
                        "AWS" => self.words(value, &place, Self::aws_principal),
                        "Service" => self.words(value, &place, Self::service),
                        "Federated" => {
                            self.words(value, &place, |_, _, _| {});
                            self.findings.push(
                                Finding::warning(
                                    &place,
                                    "nobody calls ECR as a federated user of an identity provider",
                                )
                                .hint("name the role that they assume"),
                            );
                        }
                        _ => self.findings.push(
                            Finding::error(&place, format!("unknown kind of principal `{kind}`"))
                                .nearest(kind, PRINCIPAL_KINDS),
                        ),
                    }
                }
            }
            principal => self.error(
                place,
                format!("`{}` is not a principal", as_written(principal)),
                r#"write `"*"`, or `{"AWS": ["111122223333"]}`"#,
            ),
        }
    }

    fn aws_principal(&mut self, text: &str, place: &Place) {
        if text == "*" || kind::is_principal(text) {
            return;
        }
        let hint = if principal::is_unique_id(text) {
            "this is the id of a deleted role or user, which ECR refuses; take it away"
        } else if wildcard::is_pattern(text) {
            "IAM allows no wildcard within a principal; test `aws:PrincipalArn` in a condition instead"
        } else {
            "write an account id, or an ARN as `arn:aws:iam::111122223333:role/deployer`"
        };
        self.error(place, format!("`{text}` is not a principal"), hint);
    }

    fn service(&mut self, text: &str, place: &Place) {
        if !kind::is_service(text) {
            let message = format!("`{text}` is not a service principal");
            self.error(place, message, "it ends in `.amazonaws.com`, as `codebuild.amazonaws.com`");
        }
    }

    fn action(&mut self, text: &str, place: &Place) {
        let message = format!("`{text}` is not an action of ECR");
        match text.split_once(':') {
            None if text == "*" => {}
            Some((service, name)) if service.eq_ignore_ascii_case("ecr") => {
                if !self.actions.knows(name) {
                    let known = self.actions.actions.iter().map(|name| format!("ecr:{name}")).collect::<Vec<_>>();
                    let date = &self.actions.date;
                    let hint = nearest(text, known.iter().map(String::as_str)).map_or_else(
                        || format!("IAM did not know it on {date}; write one as `ecr:BatchGetImage`, or with a wildcard if it is newer"),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.error(place, message, hint);
                }
            }
            Some(_) => self.error(place, message, "a repository policy is about `ecr:` actions only"),
            None => self.error(place, message, format!("did you mean `ecr:{text}`?")),
        }
    }

    fn condition(&mut self, condition: &Value, place: &Place) {
        let shape = r#"write `{"StringEquals": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5"]}}`"#;
        let Value::Object(operators) = condition else {
            return self.error(place, "a condition is an object", shape);
        };
        for (text, keys) in operators {
            let place = place.key(text);
            let operator = Operator::parse(text);
            if !operator.is_known() {
                self.findings.push(
                    Finding::error(&place, format!("unknown condition operator `{text}`"))
                        .nearest(operator.base, Operator::KNOWN),
                );
            }
            let Value::Object(keys) = keys else {
                self.error(&place, "a condition operator holds an object of keys", shape);
                continue;
            };
            for (key, values) in keys {
                let place = place.key(key);
                self.condition_key(key, &operator, &place);
                match values {
                    Value::Array(values) if values.is_empty() => {
                        self.error(&place, "an empty list matches nothing", "add a value");
                    }
                    Value::Array(values) => {
                        for (index, value) in values.iter().enumerate() {
                            self.condition_value(key, value, &operator, &place.index(index));
                        }
                    }
                    value => self.condition_value(key, value, &operator, &place),
                }
            }
        }
    }

    fn condition_key(&mut self, key: &str, operator: &Operator<'_>, place: &Place) {
        if !key.contains(':') {
            return self.error(
                place,
                format!("`{key}` is not a condition key"),
                "it has a prefix, as `aws:PrincipalOrgID`",
            );
        }
        let warning = match operator.qualifier {
            None if condition::is_multivalued(key) && operator.base != "Null" => {
                Some((format!("`{key}` can have several values"), format!("write `ForAnyValue:{}`", operator.base)))
            }
            Some(Qualifier::ForAllValues) => Some((
                format!("`ForAllValues:` is true for a call that has no `{key}`"),
                format!("write `ForAnyValue:{}`", operator.base),
            )),
            Some(Qualifier::ForAnyValue) | None => None,
        };
        let finding = |(message, hint): (String, String)| Finding::warning(place, message).hint(hint);
        self.findings.extend(warning.map(finding));
    }

    fn condition_value(&mut self, key: &str, value: &Value, operator: &Operator<'_>, place: &Place) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return self.error(place, "a condition's value is text", "write it in quotes"),
        };
        if let Err(wanted) = operator.check_value(&text) {
            self.error(place, format!("`{text}` does not go with `{}`", operator.base), format!("write {wanted}"));
        }
        // Such a value is legal and matches nothing, or more than was meant.
        let unlikely = condition::kind_of(key, operator).and_then(|kind| kind.check(&text, place).err());
        if !text.contains("${") {
            self.findings.extend(unlikely.map(|finding| Finding { severity: Severity::Warning, ..finding }));
        }
    }

    /// One word or a list of them, each checked.
    fn words(&mut self, value: &Value, place: &Place, check: impl Fn(&mut Self, &str, &Place)) {
        match value {
            Value::String(text) => check(self, text, place),
            Value::Array(values) if values.is_empty() => self.error(place, "an empty list says nothing", "add a value"),
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    match value {
                        Value::String(text) => check(self, text, &place.index(index)),
                        _ => self.error(&place.index(index), "text is wanted here", "write it in quotes"),
                    }
                }
            }
            _ => self.error(place, "text or a list of texts is wanted here", "write it in quotes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_policy(policy: &str, expected: &[&str]) {
        let findings = check(&serde_json::from_str(policy).unwrap(), &Place::root());
        assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{policy}");
    }

    /// A policy with one statement, which has the given elements beside whole ones.
    #[track_caller]
    fn check_elements(elements: &str, expected: &[&str]) {
        let mut statement = serde_json::json!({"Effect": "Deny", "Principal": "*", "Action": "ecr:*"});
        let elements = serde_json::from_str::<Map<String, Value>>(elements).unwrap();
        for (key, value) in elements {
            match key.strip_prefix("Not") {
                Some(positive @ ("Principal" | "Action")) => statement.as_object_mut().unwrap().remove(positive),
                _ => None,
            };
            statement[key] = value;
        }
        check_policy(&serde_json::json!({"Statement": statement}).to_string(), expected);
    }

    #[test]
    fn a_document_is_a_version_and_statements() {
        let statement = r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*"}"#;
        check_policy(&format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#), &[]);
        check_policy(&format!(r#"{{"Version":"2008-10-17","Statement":{statement}}}"#), &[]);
        check_policy(
            "[]",
            &[r#"error at the top: a policy document is an object; write `{"Version": …, "Statement": […]}`"#],
        );
        check_policy("{}", &["error at the top: `Statement` is missing; add the list of statements"]);
        check_policy(
            r#"{"Version":"2012-10-18","Statment":1,"Statement":[],"Id":"x"}"#,
            &[
                "error at `/Statment`: unknown element `Statment`; did you mean `Statement`?",
                "warning at `/Id`: an `Id` is not used; a repository's policy keeps the `Id` that it has",
                "error at `/Version`: `2012-10-18` is no version of the policy language; write `2012-10-17`",
                "error at `/Statement`: an empty list says nothing; add a statement",
            ],
        );
        check_policy(
            r#"{"Version":"2008-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:*","Condition":{"StringEquals":{"a:b":"${aws:username}"}}}]}"#,
            &[
                "error at `/Version`: `2008-10-17` has no policy variables, and a statement contains `${`; write `2012-10-17`",
            ],
        );
    }

    #[test]
    fn a_statement_has_the_elements_that_iam_knows() {
        check_policy(
            r#"{"Statement":[{}, 7]}"#,
            &[
                "error at `/Statement/0`: `Effect` is missing; add `Allow` or `Deny`",
                "error at `/Statement/0`: `Principal` is missing; say who, as `\"Principal\": {\"AWS\": [\"111122223333\"]}`",
                "error at `/Statement/0`: `Action` is missing; say what, as `\"Action\": [\"ecr:BatchGetImage\"]`",
                r#"error at `/Statement/1`: a statement is an object; write `{"Effect": …, "Principal": …, "Action": …}`"#,
            ],
        );
        check_elements(
            r#"{"Resource":"*"}"#,
            &[
                "error at `/Statement/Resource`: ECR refuses `Resource`: a repository policy is always about its own repository; take it away, and say with the rule's `repositories` which ones get the policy",
            ],
        );
        check_elements(
            r#"{"Efect":"Allow","Effect":"allow","Sid":"a b"}"#,
            &[
                "error at `/Statement/Efect`: unknown element `Efect`; did you mean `Effect`?",
                "error at `/Statement/Sid`: `a b` is not a statement id; write letters and digits only",
                "error at `/Statement/Effect`: unknown effect `allow`; did you mean `Allow`?",
            ],
        );
        check_policy(
            r#"{"Statement":{"Effect":"Deny","Principal":"*","NotPrincipal":{"AWS":"111122223333"},"Action":"ecr:*"}}"#,
            &["error at `/Statement`: `Principal` and `NotPrincipal` exclude each other; take one away"],
        );
    }

    #[test]
    fn a_principal_is_one_that_ecr_resolves() {
        check_elements(r#"{"Principal":{"AWS":["111122223333","*"],"Service":"lambda.amazonaws.com"}}"#, &[]);
        check_elements(r#"{"NotPrincipal":{"AWS":"arn:aws:iam::111122223333:role/x"}}"#, &[]);
        check_elements(
            r#"{"Principal":{"AWS":["arn:aws:iam::111122223333:role/*","AIDAEXAMPLEEXAMPLE12",""],"Service":"lambda","Aws":"x"}}"#,
            &[
                "error at `/Statement/Principal/AWS/0`: `arn:aws:iam::111122223333:role/*` is not a principal; IAM allows no wildcard within a principal; test `aws:PrincipalArn` in a condition instead",
                "error at `/Statement/Principal/AWS/1`: `AIDAEXAMPLEEXAMPLE12` is not a principal; this is the id of a deleted role or user, which ECR refuses; take it away",
                "error at `/Statement/Principal/AWS/2`: `` is not a principal; write an account id, or an ARN as `arn:aws:iam::111122223333:role/deployer`",
                "error at `/Statement/Principal/Service`: `lambda` is not a service principal; it ends in `.amazonaws.com`, as `codebuild.amazonaws.com`",
                "error at `/Statement/Principal/Aws`: unknown kind of principal `Aws`; did you mean `AWS`?",
            ],
        );
        check_elements(
            r#"{"Principal":"111122223333"}"#,
            &[
                r#"error at `/Statement/Principal`: `111122223333` is not a principal; write `"*"`, or `{"AWS": ["111122223333"]}`"#,
            ],
        );
    }

    #[test]
    fn an_action_is_one_of_ecrs() {
        check_elements(r#"{"Action":["ecr:*","ECR:batchgetimage","*","ecr:Put?mage*"]}"#, &[]);
        check_elements(
            r#"{"NotAction":["s3:GetObject","BatchGetImage","ecr:","ecr:BatchGetImages",1,"ecr:Frob*"]}"#,
            &[
                "error at `/Statement/NotAction/0`: `s3:GetObject` is not an action of ECR; a repository policy is about `ecr:` actions only",
                "error at `/Statement/NotAction/1`: `BatchGetImage` is not an action of ECR; did you mean `ecr:BatchGetImage`?",
                "error at `/Statement/NotAction/2`: `ecr:` is not an action of ECR; IAM did not know it on 2026-11-22; write one as `ecr:BatchGetImage`, or with a wildcard if it is newer",
                "error at `/Statement/NotAction/3`: `ecr:BatchGetImages` is not an action of ECR; did you mean `ecr:BatchGetImage`?",
                "error at `/Statement/NotAction/4`: text is wanted here; write it in quotes",
                "error at `/Statement/NotAction/5`: `ecr:Frob*` is not an action of ECR; IAM did not know it on 2026-11-22; write one as `ecr:BatchGetImage`, or with a wildcard if it is newer",
            ],
        );
    }

    #[test]
    fn a_conditions_value_goes_with_its_operator() {
        check_elements(
            r#"{"Condition":{
                "NumericLessThan":{"aws:MultiFactorAuthAge":[3600,"1.5"]},
                "DateGreaterThan":{"aws:CurrentTime":["2026-11-22T10:00:00Z","2026-11-22",1763800000]},
                "Bool":{"aws:SecureTransport":[true,"false"]},
                "Null":{"aws:PrincipalOrgID":"false"},
                "IpAddress":{"aws:SourceIp":["192.0.2.0/24","2001:db8::1","${aws:SourceIp}"]},
                "ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"},
                "BinaryEquals":{"aws:x":"QmluYXJ5"}
            }}"#,
            &[],
        );
        check_elements(
            r#"{"Condition":{
                "NumericLessThan":{"aws:MultiFactorAuthAge":"an hour"},
                "DateGreaterThan":{"aws:CurrentTime":"tomorrow"},
                "Bool":{"aws:SecureTransport":"yes"},
                "Null":{"aws:PrincipalOrgID":"no"},
                "NotIpAddress":{"aws:SourceIp":["192.0.2.0/33"]},
                "ArnEquals":{"aws:PrincipalArn":"role/x"},
                "BinaryEquals":{"aws:x":"ä"}
            }}"#,
            &[
                "error at `/Statement/Condition/NumericLessThan/aws:MultiFactorAuthAge`: `an hour` does not go with `NumericLessThan`; write a number",
                "error at `/Statement/Condition/DateGreaterThan/aws:CurrentTime`: `tomorrow` does not go with `DateGreaterThan`; write a date, as `2026-11-22T10:00:00Z`",
                "error at `/Statement/Condition/Bool/aws:SecureTransport`: `yes` does not go with `Bool`; write `true` or `false`",
                "error at `/Statement/Condition/Null/aws:PrincipalOrgID`: `no` does not go with `Null`; write `true` or `false`",
                "error at `/Statement/Condition/NotIpAddress/aws:SourceIp/0`: `192.0.2.0/33` does not go with `NotIpAddress`; write a network, as `192.0.2.0/24`",
                "error at `/Statement/Condition/ArnEquals/aws:PrincipalArn`: `role/x` does not go with `ArnEquals`; write an ARN, as `arn:aws:iam::111122223333:role/*`",
                "error at `/Statement/Condition/BinaryEquals/aws:x`: `ä` does not go with `BinaryEquals`; write base64",
            ],
        );
    }

    #[test]
    fn a_value_that_its_key_never_has_is_a_warning() {
        check_elements(
            r#"{"Condition":{
                "StringEquals":{"aws:PrincipalAccount":["111122223333","1234"],"aws:PrincipalOrgID":"o-*"},
                "StringLike":{"aws:SourceAccount":"1111*"},
                "ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5/r-ab12/ou-ab12-1*"}
            }}"#,
            &[
                "warning at `/Statement/Condition/StringEquals/aws:PrincipalAccount/1`: `1234` is not an account id; write its 12 digits as text, as `111122223333`",
                "warning at `/Statement/Condition/StringEquals/aws:PrincipalOrgID`: `o-*` is not an organization id; write it whole, as `o-a1b2c3d4e5`",
                "warning at `/Statement/Condition/ForAnyValue:StringLike/aws:PrincipalOrgPaths`: `o-a1b2c3d4e5/r-ab12/ou-ab12-1*` does not end in `/` or `/*`; end with `/*` for the unit and all below it, or with `/` for the unit alone, as `o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*`",
            ],
        );
    }

    #[test]
    fn a_set_form_that_surprises_is_a_warning() {
        check_elements(
            r#"{"Condition":{"StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5/*"},"ForAllValues:StringLike":{"aws:TagKeys":"x"}}}"#,
            &[
                "warning at `/Statement/Condition/StringLike/aws:PrincipalOrgPaths`: `aws:PrincipalOrgPaths` can have several values; write `ForAnyValue:StringLike`",
                "warning at `/Statement/Condition/ForAllValues:StringLike/aws:TagKeys`: `ForAllValues:` is true for a call that has no `aws:TagKeys`; write `ForAnyValue:StringLike`",
            ],
        );
    }

    #[test]
    fn a_condition_is_operators_keys_and_values() {
        check_elements(
            r#"{"Condition":{"ForAnyValue:StringLikeIfExists":{"aws:PrincipalOrgPaths":["o-a1b2c3d4e5/*"]}}}"#,
            &[],
        );
        check_elements(
            r#"{"Condition":{"StringLke":{"aws:x":"y"},"StringLike":{"x":[]},"Bool":{"aws:x":[null,true]},"Null":1}}"#,
            &[
                "error at `/Statement/Condition/StringLke`: unknown condition operator `StringLke`; did you mean `StringLike`?",
                "error at `/Statement/Condition/StringLike/x`: `x` is not a condition key; it has a prefix, as `aws:PrincipalOrgID`",
                "error at `/Statement/Condition/StringLike/x`: an empty list matches nothing; add a value",
                "error at `/Statement/Condition/Bool/aws:x/0`: a condition's value is text; write it in quotes",
                r#"error at `/Statement/Condition/Null`: a condition operator holds an object of keys; write `{"StringEquals": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5"]}}`"#,
            ],
        );
    }
}
