//! What IAM makes of one statement and one request, by its documented rules and by nothing of ours.
//!
//! Sources: IAM JSON policy elements: Principal, NotPrincipal, Condition operators, Multivalued context keys,
//! Variables and tags. Where the documents leave something open, the answer here is the one that lets more in.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::Value;

/// Who calls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Caller {
    /// Nobody signed the request.
    Anonymous,
    /// A user or a role, and for a role the session that acts for it.
    Aws { account: String, arn: String, session: Option<String> },
    /// An AWS service.
    Service(String),
}

/// One request: who calls, and the values of its condition keys, which stand here in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) caller: Caller,
    pub(crate) context: BTreeMap<String, Vec<String>>,
}

impl Request {
    fn values(&self, key: &str) -> Option<&[String]> {
        self.context.get(&key.to_lowercase()).map(Vec::as_slice).filter(|values| !values.is_empty())
    }
}

/// Whether the statement allows the request.
pub(crate) fn allows(statement: &Value, request: &Request) -> bool {
    statement.get("Effect").and_then(Value::as_str) == Some("Allow")
        && is_for(statement, &request.caller)
        && statement.get("Condition").is_none_or(|condition| holds(condition, request))
}

fn is_for(statement: &Value, caller: &Caller) -> bool {
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), None) => names(principal, caller),
        (None, Some(excepted)) => !names(excepted, caller),
        _ => false,
    }
}

/// Whether a `Principal` element covers the caller.
fn names(principal: &Value, caller: &Caller) -> bool {
    match principal {
        Value::Object(kinds) => {
            kinds.iter().any(|(kind, value)| texts(value).iter().any(|text| is_named(kind, text, caller)))
        }
        value => texts(value).iter().any(|text| text == "*"),
    }
}

fn is_named(kind: &str, text: &str, caller: &Caller) -> bool {
    match (kind, caller) {
        ("AWS", _) if text == "*" => true,
        // An account stands for everyone in it.
        ("AWS", Caller::Aws { account, arn, session }) => {
            let components = text.split(':').collect::<Vec<_>>();
            let root = matches!(components.as_slice(), ["arn", _, "iam", "", id, "root"] if id == account);
            text == account || root || text == arn || Some(text) == session.as_deref()
        }
        ("Service", Caller::Service(name)) => text == name || text == "*",
        _ => false,
    }
}

/// Whether every test of the condition holds.
fn holds(condition: &Value, request: &Request) -> bool {
    let Value::Object(operators) = condition else { return false };
    operators.iter().all(|(operator, keys)| {
        let Value::Object(keys) = keys else { return false };
        keys.iter().all(|(key, values)| passes(operator, key, &texts(values), request))
    })
}

fn passes(operator: &str, key: &str, wanted: &[String], request: &Request) -> bool {
    let found = request.values(key);
    let (for_any, operator) = strip(operator, |text| text.strip_prefix("ForAnyValue:"));
    let (for_all, operator) = strip(operator, |text| text.strip_prefix("ForAllValues:"));
    let (if_exists, operator) = strip(operator, |text| text.strip_suffix("IfExists"));
    if operator == "Null" {
        return wanted.iter().any(|absent| absent.eq_ignore_ascii_case("true") == found.is_none());
    }
    let (negated, matches) = match operator {
        "StringEquals" => (false, string_equals as Test),
        "StringNotEquals" => (true, string_equals as Test),
        "StringEqualsIgnoreCase" => (false, string_equals_ignoring_case as Test),
        "StringNotEqualsIgnoreCase" => (true, string_equals_ignoring_case as Test),
        "StringLike" => (false, string_like as Test),
        "StringNotLike" => (true, string_like as Test),
        "ArnEquals" | "ArnLike" => (false, arn_like as Test),
        "ArnNotEquals" | "ArnNotLike" => (true, arn_like as Test),
        "IpAddress" => (false, ip_address as Test),
        "NotIpAddress" => (true, ip_address as Test),
        "Bool" => (false, string_equals_ignoring_case as Test),
        "NumericLessThan" => (false, numeric_less_than as Test),
        "DateGreaterThan" => (false, date_greater_than as Test),
        // No such operator, so nothing is known to be tested.
        _ => return true,
    };
    let Some(found) = found else {
        return for_all || if_exists || (negated && !for_any);
    };
    let passes = |found: &String| {
        let one = wanted.iter().any(|wanted| expand(wanted, request).is_some_and(|wanted| matches(&wanted, found)));
        one != negated
    };
    if for_all { found.iter().all(passes) } else { found.iter().any(passes) }
}

fn strip<'a>(text: &'a str, part: impl Fn(&'a str) -> Option<&'a str>) -> (bool, &'a str) {
    part(text).map_or((false, text), |rest| (true, rest))
}

/// A wanted value, its policy variables replaced. A wildcard is what IAM makes of it under `StringLike`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Symbol {
    Is(char),
    AnyOne,
    AnyRun,
}

type Test = fn(&[Symbol], &str) -> bool;

/// `None` where a variable has no value.
fn expand(wanted: &str, request: &Request) -> Option<Vec<Symbol>> {
    let mut symbols = Vec::new();
    let mut rest = wanted;
    while let Some(character) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix("${").and_then(|from| from.split_once('}')) {
            let (name, default) = match name.split_once(',') {
                Some((name, default)) => (name.trim(), Some(default.trim().trim_matches('\'').to_owned())),
                None => (name, None),
            };
            let value = match name {
                "*" | "?" | "$" => name.to_owned(),
                name => request.values(name).and_then(|values| values.first().cloned()).or(default)?,
            };
            symbols.extend(value.chars().map(Symbol::Is));
            rest = after;
            continue;
        }
        symbols.push(match character {
            '*' => Symbol::AnyRun,
            '?' => Symbol::AnyOne,
            character => Symbol::Is(character),
        });
        rest = rest.strip_prefix(character).unwrap_or_default();
    }
    Some(symbols)
}

fn literally(wanted: &[Symbol]) -> String {
    let character = |symbol: &Symbol| match symbol {
        Symbol::Is(character) => *character,
        Symbol::AnyOne => '?',
        Symbol::AnyRun => '*',
    };
    wanted.iter().map(character).collect()
}

fn string_equals(wanted: &[Symbol], found: &str) -> bool {
    literally(wanted) == found
}

fn string_equals_ignoring_case(wanted: &[Symbol], found: &str) -> bool {
    literally(wanted).to_lowercase() == found.to_lowercase()
}

fn string_like(wanted: &[Symbol], found: &str) -> bool {
    // `reached` holds how many characters of `found` the symbols so far can have taken.
    let characters = found.chars().collect::<Vec<_>>();
    let mut reached = vec![0];
    for symbol in wanted {
        reached = match symbol {
            Symbol::AnyRun => reached.first().map_or_else(Vec::new, |least| (*least..=characters.len()).collect()),
            Symbol::AnyOne => reached.iter().filter(|at| **at < characters.len()).map(|at| at + 1).collect(),
            Symbol::Is(wanted) => {
                reached.iter().filter(|at| characters.get(**at) == Some(wanted)).map(|at| at + 1).collect()
            }
        };
    }
    reached.contains(&characters.len())
}

/// Each of the six components by itself. A pattern that ends in `*` before its sixth leaves the others open.
fn arn_like(wanted: &[Symbol], found: &str) -> bool {
    let mut wanted = wanted.splitn(6, |symbol| *symbol == Symbol::Is(':')).collect::<Vec<_>>();
    let found = found.splitn(6, ':').collect::<Vec<_>>();
    if wanted.last().is_some_and(|last| last.last() == Some(&Symbol::AnyRun)) {
        wanted.resize(6, &[Symbol::AnyRun]);
    }
    found.len() == 6 && wanted.len() == 6 && wanted.iter().zip(found).all(|(wanted, found)| string_like(wanted, found))
}

fn ip_address(wanted: &[Symbol], found: &str) -> bool {
    found.parse().is_ok_and(|found| contains(&literally(wanted), found))
}

/// Whether the network, or the single address, holds the address.
pub(crate) fn contains(network: &str, address: IpAddr) -> bool {
    let (network, length) = network.split_once('/').unwrap_or((network, ""));
    let (network, address, width): (u128, u128, u32) = match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => (network.to_bits().into(), address.to_bits().into(), 32),
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let fixed = if length.is_empty() { Some(width) } else { length.parse().ok() };
    let Some(open) = fixed.and_then(|fixed| width.checked_sub(fixed)) else { return false };
    u128::checked_shr(network ^ address, open).unwrap_or(0) == 0
}

fn numeric_less_than(wanted: &[Symbol], found: &str) -> bool {
    matches!((literally(wanted).parse::<f64>(), found.parse::<f64>()), (Ok(wanted), Ok(found)) if found < wanted)
}

/// Dates in the one form that the requests have sort as texts do.
fn date_greater_than(wanted: &[Symbol], found: &str) -> bool {
    found > literally(wanted).as_str()
}

/// One text or a list of them; numbers and booleans stand for their text.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

mod tests {
    use super::*;

    /// A friend's role, in an organization, from an address.
    fn role() -> Request {
        let arn = "arn:aws:iam::444455556666:role/team/deployer";
        let session = Some("arn:aws:sts::444455556666:assumed-role/deployer/session".to_owned());
        let context = [
            ("aws:principalaccount", vec!["444455556666"]),
            ("aws:principalarn", vec![arn]),
            ("aws:principaltag/team", vec!["pay"]),
            ("aws:sourceip", vec!["192.0.2.7"]),
            ("aws:tagkeys", vec!["a", "b"]),
            ("aws:securetransport", vec!["true"]),
            ("aws:currenttime", vec!["2026-11-22T12:00:00Z"]),
        ];
        Request {
            caller: Caller::Aws { account: "444455556666".to_owned(), arn: arn.to_owned(), session },
            context: context
                .map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect()))
                .into(),
        }
    }

    #[track_caller]
    fn check_test(operator: &str, key: &str, values: Value, expected: bool) {
        let mut keys = serde_json::Map::new();
        keys.insert(key.to_owned(), values);
        let mut condition = serde_json::Map::new();
        condition.insert(operator.to_owned(), Value::Object(keys));
        let condition = Value::Object(condition);
        assert_eq!(holds(&condition, &role()), expected, "{condition}");
    }

    #[test]
    fn operators_do_what_iam_says() {
        let account = "aws:PrincipalAccount";
        for (operator, key, value, expected) in [
            ("StringEquals", account, "444455556666", true),
            ("StringEquals", account, "4444*", false),
            ("StringEquals", "AWS:principalACCOUNT", "444455556666", true),
            ("StringNotEquals", account, "444455556666", false),
            ("StringNotEquals", account, "111122223333", true),
            ("StringEquals", "aws:PrincipalTag/team", "PAY", false),
            ("StringEqualsIgnoreCase", "aws:PrincipalTag/team", "PAY", true),
            ("StringNotEqualsIgnoreCase", "aws:PrincipalTag/team", "PAY", false),
            ("StringLike", account, "4444*66?6", true),
            ("StringLike", account, "444455556666?", false),
            ("StringLike", account, "4444${*}", false),
            ("StringNotLike", account, "4444*", false),
            ("StringEquals", account, "${aws:PrincipalAccount}", true),
            ("StringEquals", account, "${aws:username}", false),
            ("StringEquals", account, "${aws:username, '444455556666'}", true),
            ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::444455556666:role/*", true),
            ("ArnEquals", "aws:PrincipalArn", "arn:*:iam::4444*:role/team/deploye?", true),
            ("ArnLike", "aws:PrincipalArn", "arn:*:444455556666:role/team/deployer", false),
            ("StringLike", "aws:PrincipalArn", "arn:*:444455556666:role/team/deployer", true),
            ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::444455556666:role/*", false),
            ("IpAddress", "aws:SourceIp", "192.0.2.0/24", true),
            ("IpAddress", "aws:SourceIp", "0.0.0.0/0", true),
            ("IpAddress", "aws:SourceIp", "192.0.2.7", true),
            ("IpAddress", "aws:SourceIp", "192.0.3.0/24", false),
            ("IpAddress", "aws:SourceIp", "::/0", false),
            ("IpAddress", "aws:SourceIp", "192.0.2.0/33", false),
            ("NotIpAddress", "aws:SourceIp", "192.0.3.0/24", true),
            ("Bool", "aws:SecureTransport", "True", true),
            ("NumericLessThan", account, "444455556667", true),
            ("NumericLessThan", account, "444455556666", false),
            ("DateGreaterThan", "aws:CurrentTime", "2026-01-01T00:00:00Z", true),
            ("Null", account, "false", true),
            ("Null", account, "true", false),
        ] {
            check_test(operator, key, value.into(), expected);
        }
        check_test("StringEquals", account, serde_json::json!(["1", "444455556666"]), true);
        check_test("StringNotEquals", account, serde_json::json!(["1", "444455556666"]), false);
        check_test("StringEquals", account, serde_json::json!(444_455_556_666_u64), true);
    }

    #[test]
    fn a_missing_key_passes_what_is_negated_all_values_and_if_exists() {
        for (operator, expected) in [
            ("StringEquals", false),
            ("StringLike", false),
            ("ForAnyValue:StringLike", false),
            ("ForAnyValue:StringNotLike", false),
            ("StringNotEquals", true),
            ("StringLikeIfExists", true),
            ("ForAllValues:StringLike", true),
            ("ForAnyValue:StringLikeIfExists", true),
            ("NotIpAddress", true),
        ] {
            check_test(operator, "aws:PrincipalOrgID", "x".into(), expected);
        }
        check_test("Null", "aws:PrincipalOrgID", "true".into(), true);
    }

    #[test]
    fn any_is_one_value_of_the_request_and_all_is_each() {
        let keys = "aws:TagKeys";
        for (operator, values, expected) in [
            ("ForAnyValue:StringEquals", vec!["a"], true),
            ("ForAnyValue:StringEquals", vec!["c"], false),
            ("ForAllValues:StringEquals", vec!["a"], false),
            ("ForAllValues:StringEquals", vec!["a", "b", "c"], true),
            ("ForAnyValue:StringNotEquals", vec!["a"], true),
            ("ForAllValues:StringNotEquals", vec!["a"], false),
        ] {
            check_test(operator, keys, values.into(), expected);
        }
    }

    #[test]
    fn a_principal_is_a_caller_or_everyone_in_an_account() {
        for (principal, expected) in [
            (r#""*""#, true),
            (r#"{"AWS":"*"}"#, true),
            (r#"{"AWS":["1","*"]}"#, true),
            (r#"{"AWS":"444455556666"}"#, true),
            (r#"{"AWS":"arn:aws:iam::444455556666:root"}"#, true),
            (r#"{"AWS":"arn:aws:iam::444455556666:role/team/deployer"}"#, true),
            (r#"{"AWS":"arn:aws:sts::444455556666:assumed-role/deployer/session"}"#, true),
            (r#"{"AWS":"arn:aws:iam::444455556666:role/deployer"}"#, false),
            (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, false),
            (r#"{"Service":"lambda.amazonaws.com"}"#, false),
        ] {
            let principal = serde_json::from_str::<Value>(principal).unwrap();
            let allow = serde_json::json!({ "Effect": "Allow", "Principal": principal });
            assert_eq!(allows(&allow, &role()), expected, "{allow}");
            let excepted = serde_json::json!({ "Effect": "Allow", "NotPrincipal": principal });
            assert_eq!(allows(&excepted, &role()), !expected, "{excepted}");
            let deny = serde_json::json!({ "Effect": "Deny", "Principal": principal });
            assert!(!allows(&deny, &role()), "{deny}");
        }
    }
}
