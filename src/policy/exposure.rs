//! Which statements of a policy open it to everyone.
//!
//! Follows AWS's published meaning of 'public' for S3 bucket policies
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>): an `Allow`
//! to everyone is narrowed only by a condition that fixes who, or from where.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::Value;

use super::{
    condition::{self, Operator, Qualifier},
    document::Statement,
    wildcard,
};
use crate::{finding::as_written, repository::is_account_id};

/// Whom an `Allow` reaches beyond the principals that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Everyone in the world. Holds, for each condition that does not narrow, why not.
    Public(Vec<String>),
    /// An AWS service on behalf of any account, since nothing pins the account for which it acts (the confused
    /// deputy). Holds the service.
    AnyoneThrough(String),
    /// Nobody.
    Narrow,
}

/// Whom the statement reaches.
#[must_use]
pub fn exposure(statement: &Statement) -> Exposure {
    if statement.elements().get("Effect").and_then(Value::as_str) == Some("Deny") {
        return Exposure::Narrow;
    }
    let tests = tests(statement);
    let everyone = reaches_everyone(statement);
    let service = service(statement);
    if !everyone && service.is_none() {
        return Exposure::Narrow;
    }
    let mut reasons = Vec::new();
    for test in &tests {
        match test.narrows() {
            Ok(()) if everyone || test.pins_source() => return Exposure::Narrow,
            Ok(()) => {}
            Err(reason) => reasons.push(reason),
        }
    }
    match service {
        Some(service) if !everyone => Exposure::AnyoneThrough(service.to_owned()),
        _ => Exposure::Public(reasons),
    }
}

/// Whether the principal is everyone. What is not understood counts as everyone.
fn reaches_everyone(statement: &Statement) -> bool {
    fn any_wildcard(value: &Value) -> bool {
        match value {
            Value::String(text) => wildcard::is_pattern(text),
            Value::Array(values) => values.iter().any(any_wildcard),
            _ => true,
        }
    }
    if statement.elements().contains_key("NotPrincipal") {
        return true;
    }
    match statement.elements().get("Principal") {
        Some(Value::Object(kinds)) => kinds.values().any(any_wildcard),
        _ => true,
    }
}

fn service(statement: &Statement) -> Option<&str> {
    match statement.elements().get("Principal")?.get("Service")? {
        Value::String(service) => Some(service),
        Value::Array(services) => services.iter().find_map(Value::as_str),
        _ => None,
    }
}

/// One test of a condition: operator, key and values.
struct Test<'a> {
    operator_text: &'a str,
    key: &'a str,
    values: Vec<&'a Value>,
}

fn tests(statement: &Statement) -> Vec<Test<'_>> {
    let operators = statement.elements().get("Condition").and_then(Value::as_object).into_iter().flatten();
    operators
        .filter_map(|(operator, keys)| Some((operator, keys.as_object()?)))
        .flat_map(|(operator_text, keys)| {
            keys.iter().map(move |(key, values)| Test {
                operator_text,
                key,
                values: match values {
                    Value::Array(values) => values.iter().collect(),
                    value => vec![value],
                },
            })
        })
        .collect()
}

impl Test<'_> {
    /// Whether this test alone keeps the world out; if not, why.
    fn narrows(&self) -> Result<(), String> {
        let Self { operator_text, key, values } = self;
        let operator = Operator::parse(operator_text);
        let Some(pin) = Pin::of(key) else {
            return Err(format!("`{key}` does not say who calls or from where"));
        };
        if operator.if_exists {
            return Err(format!("`{operator_text}` passes every call that has no `{key}`"));
        }
        match operator.qualifier {
            Some(Qualifier::ForAllValues) => {
                return Err(format!("`ForAllValues:` passes every call that has no `{key}`"));
            }
            Some(Qualifier::ForAnyValue) if !condition::is_multivalued(key) => {
                return Err(format!("`ForAnyValue:` does not go with `{key}`, which has one value"));
            }
            Some(Qualifier::ForAnyValue) | None => {}
        }
        const POSITIVE: [&str; 6] =
            ["StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress"];
        if !POSITIVE.contains(&operator.base) {
            return Err(format!("`{operator_text}` does not say which values of `{key}` may pass"));
        }
        if values.is_empty() {
            return Err(format!("`{key}` has no value"));
        }
        let by_component = operator.base.starts_with("Arn");
        match values.iter().map(|value| as_written(value)).find(|text| !pin.is_pinned(text, by_component)) {
            None => Ok(()),
            Some(text) => Err(format!("`{text}` leaves `{key}` open: {}", pin.wanted())),
        }
    }

    /// Whether the test is about the account for which a service acts.
    fn pins_source(&self) -> bool {
        ["aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"]
            .contains(&self.key.to_ascii_lowercase().as_str())
    }
}

/// What must be literal in a key's values for them to single somebody out.
#[derive(Clone, Copy)]
enum Pin {
    Account,
    Organization,
    OrganizationPath,
    /// An ARN. `aws:SourceArn` names something that a service owns, so its Region may stay open.
    Arn {
        any_region: bool,
    },
    Id(&'static str),
    Network,
}

impl Pin {
    fn of(key: &str) -> Option<Self> {
        Some(match key.to_ascii_lowercase().as_str() {
            "aws:principalaccount" | "aws:sourceaccount" => Self::Account,
            "aws:principalorgid" | "aws:sourceorgid" => Self::Organization,
            "aws:principalorgpaths" | "aws:sourceorgpaths" => Self::OrganizationPath,
            "aws:principalarn" => Self::Arn { any_region: false },
            "aws:sourcearn" => Self::Arn { any_region: true },
            "aws:sourcevpc" => Self::Id("vpc-"),
            "aws:sourcevpce" => Self::Id("vpce-"),
            "aws:sourceip" => Self::Network,
            _ => return None,
        })
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Account => "write an account id of 12 digits",
            Self::Organization => "write an organization id, as `o-a1b2c3d4e5`",
            Self::OrganizationPath => "begin with an organization id, as `o-a1b2c3d4e5/`",
            Self::Arn { .. } => "write the account id within the ARN, and no wildcard before it",
            Self::Id(_) => "write the whole id",
            Self::Network => "write a network no wider than /8 (IPv4) or /32 (IPv6)",
        }
    }

    fn is_pinned(self, value: &str, by_component: bool) -> bool {
        match self {
            Self::Account => is_account_id(value),
            Self::Organization => is_organization_id(value),
            Self::OrganizationPath => {
                is_organization_id(value.split_once('/').map_or(value, |(organization, _)| organization))
            }
            Self::Arn { any_region } => is_pinned_arn(value, by_component, any_region),
            Self::Id(prefix) => value.strip_prefix(prefix).is_some_and(|id| {
                id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            }),
            Self::Network => is_narrow_network(value),
        }
    }
}

/// Whether the text is an organization's id: `^o-[a-z0-9]{10,32}$`, from the Organizations API.
#[must_use]
pub fn is_organization_id(text: &str) -> bool {
    text.strip_prefix("o-").is_some_and(|id| {
        (10..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// The `Arn…` operators match each of the six components by itself. The `String…` ones see one text, in which a
/// `*` before the account id would swallow colons too, and with them the account.
fn is_pinned_arn(value: &str, by_component: bool, any_region: bool) -> bool {
    let mut components = value.splitn(6, ':');
    let mut next = || components.next().unwrap_or_default();
    let (scheme, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
    let literal = |component: &str| !wildcard::is_pattern(component);
    // With the Region open, a name of somebody else's that holds colons could stand for the rest, as that of a state
    // machine `111122223333` in the ARN of its execution. These two kinds of ARN leave no room for that.
    let resource_pinned = match service {
        "lambda" => resource.starts_with("function:"),
        "codebuild" => resource.starts_with("project/"),
        _ => false,
    };
    let region_pinned = literal(region) || (any_region && resource_pinned);
    // A policy variable's value may be anything, and its name may hold colons and digits.
    let variable = [partition, service, region].iter().any(|component| component.contains("${"));
    scheme == "arn"
        && !variable
        && is_account_id(account)
        && !resource.is_empty()
        && (by_component || (literal(partition) && literal(service) && region_pinned))
}

fn is_narrow_network(value: &str) -> bool {
    let network = value.parse::<IpNet>().or_else(|_| value.parse::<IpAddr>().map(IpNet::from));
    match network {
        Ok(IpNet::V4(network)) => network.prefix_len() >= 8,
        // All of IPv4 can be written within `::ffff:0:0/96`.
        Ok(IpNet::V6(network))
            if network.trunc().network().to_ipv4_mapped().is_some() && network.prefix_len() >= 96 =>
        {
            network.prefix_len() >= 96 + 8
        }
        Ok(IpNet::V6(network)) if network.contains(&Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()) => false,
        Ok(IpNet::V6(network)) => network.prefix_len() >= 32,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::Document;

    fn statement(text: &str) -> Statement {
        Document::parse(&format!(r#"{{"Statement":[{text}]}}"#)).unwrap().statements.remove(0)
    }

    #[track_caller]
    fn check_condition(condition: &str, public: bool) {
        let text = format!(r#"{{"Effect":"Allow","Principal":"*","Action":"ecr:*","Condition":{{{condition}}}}}"#);
        assert_eq!(matches!(exposure(&statement(&text)), Exposure::Public(_)), public, "{condition}");
    }

    #[track_caller]
    fn check_principal(principal: &str, public: bool) {
        let text = format!(r#"{{"Effect":"Allow",{principal}"Action":"ecr:*"}}"#);
        assert_eq!(matches!(exposure(&statement(&text)), Exposure::Public(_)), public, "{principal}");
    }

    #[test]
    fn everyone_is_public_however_it_is_written() {
        for principal in [
            r#""Principal":"*","#,
            r#""Principal":{"AWS":"*"},"#,
            r#""Principal":{"AWS":["111122223333","*"]},"#,
            r#""Principal":{"AWS":"arn:aws:iam::*:root"},"#,
            r#""Principal":{"Federated":"*"},"#,
            r#""NotPrincipal":{"AWS":"111122223333"},"#,
            r#""Principal":7,"#,
            "",
        ] {
            check_principal(principal, true);
        }
        for principal in [
            r#""Principal":{"AWS":"111122223333"},"#,
            r#""Principal":{"AWS":["arn:aws:iam::111122223333:role/x"]},"#,
            r#""Principal":{"Service":"lambda.amazonaws.com"},"#,
        ] {
            check_principal(principal, false);
        }
    }

    #[test]
    fn a_condition_that_fixes_who_or_where_narrows() {
        for condition in [
            r#""StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}"#,
            r#""StringEquals":{"AWS:principalorgid":["o-a1b2c3d4e5","o-b1b2c3d4e5"]}"#,
            r#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":["o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*"]}"#,
            r#""ForAnyValue:StringEquals":{"aws:SourceOrgPaths":"o-a1b2c3d4e5/r-ab12/"}"#,
            r#""StringLike":{"aws:PrincipalAccount":"111122223333"}"#,
            r#""StringEqualsIgnoreCase":{"aws:SourceAccount":"111122223333"}"#,
            r#""ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}"#,
            r#""ArnLike":{"aws:PrincipalArn":"arn:*:iam::111122223333:*"}"#,
            r#""StringLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:*"}"#,
            r#""ArnEquals":{"aws:SourceArn":"arn:aws:codebuild:eu-central-1:111122223333:project/x"}"#,
            r#""StringLike":{"aws:sourceArn":"arn:aws:lambda:*:111122223333:function:*"}"#,
            r#""StringLike":{"aws:SourceArn":"arn:aws:codebuild:*:111122223333:project/*"}"#,
            r#""StringEquals":{"aws:PrincipalAccount":111122223333}"#,
            r#""IpAddress":{"aws:SourceIp":"::ffff:10.0.0.0/104"}"#,
            r#""StringEquals":{"aws:SourceVpc":"vpc-0a1b2c3d"}"#,
            r#""StringEquals":{"aws:SourceVpce":"vpce-0a1b2c3d4e5f60718"}"#,
            r#""IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8","198.51.100.7"]}"#,
            r#""IpAddress":{"aws:SourceIp":"2001:db8::/32"}"#,
            r#""IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"NotIpAddress":{"aws:SourceIp":"192.0.2.1/32"}"#,
            r#""StringLike":{"aws:PrincipalAccount":"*"},"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}"#,
        ] {
            check_condition(condition, false);
        }
    }

    #[test]
    fn a_condition_that_only_looks_narrow_is_public() {
        for condition in [
            "",
            r#""StringNotEquals":{"aws:PrincipalAccount":"111122223333"}"#,
            r#""StringEqualsIfExists":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}"#,
            r#""ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5/*"}"#,
            r#""ForAllValues:StringEquals":{"aws:PrincipalAccount":"111122223333"}"#,
            r#""ForAnyValue:StringEquals":{"aws:PrincipalAccount":"111122223333"}"#,
            r#""StringLike":{"aws:PrincipalOrgID":"o-*"}"#,
            r#""StringLike":{"aws:PrincipalOrgID":"*"}"#,
            r#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"*/ou-ab12-cd34ef56/*"}"#,
            r#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-*/r-ab12/ou-ab12-cd34ef56/*"}"#,
            r#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5*"}"#,
            r#""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":["o-a1b2c3d4e5/*","*"]}"#,
            r#""StringLike":{"aws:PrincipalAccount":"11112222333?"}"#,
            r#""StringLike":{"aws:PrincipalAccount":"????????????"}"#,
            r#""StringEquals":{"aws:PrincipalAccount":[]}"#,
            r#""StringEquals":{"aws:PrincipalAccount":["111122223333",""]}"#,
            r#""StringEquals":{"aws:PrincipalAccount":"${aws:PrincipalAccount}"}"#,
            r#""ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}"#,
            r#""StringLike":{"aws:PrincipalArn":"arn:*:iam::111122223333:role/x"}"#,
            r#""StringLike":{"aws:PrincipalArn":"*111122223333*"}"#,
            r#""StringLike":{"aws:PrincipalArn":"arn:aws:iam:*:111122223333:role/x"}"#,
            r#""StringLike":{"aws:SourceArn":"arn:aws:*:*:111122223333:*"}"#,
            r#""ArnLike":{"aws:SourceArn":"arn:aws:s3:::*"}"#,
            r#""StringLike":{"aws:SourceVpc":"vpc-*"}"#,
            r#""IpAddress":{"aws:SourceIp":"0.0.0.0/0"}"#,
            r#""IpAddress":{"aws:SourceIp":"::/0"}"#,
            r#""IpAddress":{"aws:SourceIp":["192.0.2.0/24","0.0.0.0/1"]}"#,
            r#""IpAddress":{"aws:SourceIp":"::ffff:0.0.0.0/96"}"#,
            r#""IpAddress":{"aws:SourceIp":"::/32"}"#,
            r#""IpAddress":{"aws:SourceIp":"::/80"}"#,
            r#""IpAddress":{"aws:SourceIp":"::fffe:0:0/95"}"#,
            r#""StringLike":{"aws:SourceArn":"arn:aws:states:*:111122223333:*"}"#,
            r#""StringLike":{"aws:SourceArn":"arn:aws:lambda:*:111122223333:*"}"#,
            r#""StringLike":{"aws:PrincipalArn":"arn:${aws:PrincipalTag/a}:x:111122223333:*"}"#,
            r#""ArnLike":{"aws:PrincipalArn":"arn:aws:${aws:PrincipalTag/x:444455556666:y}"}"#,
            r#""StringEquals":{"aws:PrincipalArn":"arn:aws:${aws:PrincipalTag/x:444455556666:y}"}"#,
            r#""NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}"#,
            r#""StringLike":{"aws:SourceIp":"1*"}"#,
            r#""StringEquals":{"aws:PrincipalTag/team":"pay"}"#,
            r#""StringEquals":{"aws:PrincipalType":"AssumedRole"}"#,
            r#""Bool":{"aws:PrincipalIsAWSService":"true"}"#,
            r#""Null":{"aws:PrincipalOrgID":"false"}"#,
            r#""stringequals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}"#,
        ] {
            check_condition(condition, true);
        }
    }

    #[test]
    fn a_deny_is_never_public() {
        let deny = statement(r#"{"Effect":"Deny","Principal":"*","Action":"ecr:*"}"#);
        assert_eq!(exposure(&deny), Exposure::Narrow);
    }

    #[test]
    fn a_service_wants_its_source_pinned() {
        for (condition, expected) in [
            ("{}", Exposure::AnyoneThrough("codebuild.amazonaws.com".to_owned())),
            (
                r#"{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}"#,
                Exposure::AnyoneThrough("codebuild.amazonaws.com".to_owned()),
            ),
            (r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#, Exposure::Narrow),
            (r#"{"StringEquals":{"aws:SourceOrgID":"o-a1b2c3d4e5"}}"#, Exposure::Narrow),
        ] {
            let text = format!(
                r#"{{"Effect":"Allow","Principal":{{"Service":["codebuild.amazonaws.com"]}},"Condition":{condition}}}"#
            );
            assert_eq!(exposure(&statement(&text)), expected, "{condition}");
        }
    }
}
