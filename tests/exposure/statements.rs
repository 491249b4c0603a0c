//! Statements to judge: plain good ones, and the edges where good ones go wrong.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

const POSITIVE: [&str; 6] =
    ["StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress"];
const OTHER: [&str; 10] = [
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
    "ArnNotEquals",
    "ArnNotLike",
    "NotIpAddress",
    "Null",
    "Bool",
    "NumericLessThan",
    "DateGreaterThan",
];

/// A test as one would write it: operator, key, values.
const GOOD: [(&str, &str, &str); 24] = [
    ("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5"),
    ("StringLike", "AWS:principalorgid", "o-a1b2c3d4e5"),
    ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-a1b2c3d4e5/*"),
    ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*"),
    ("ForAnyValue:StringEquals", "aws:PrincipalOrgPaths", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"),
    ("StringEquals", "aws:PrincipalAccount", "444455556666"),
    ("StringEqualsIgnoreCase", "aws:principalaccount", "444455556666"),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::444455556666:role/*"),
    ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::444455556666:role/deployer"),
    ("ArnLike", "aws:PrincipalArn", "arn:*:iam::444455556666:*"),
    ("StringLike", "aws:PrincipalArn", "arn:aws:iam::444455556666:role/*"),
    ("StringEquals", "aws:SourceAccount", "444455556666"),
    ("ArnLike", "aws:SourceArn", "arn:aws:codebuild:*:444455556666:project/*"),
    ("StringLike", "aws:sourceArn", "arn:aws:codebuild:eu-west-1:444455556666:project/*"),
    ("StringLike", "aws:SourceArn", "arn:aws:lambda:*:444455556666:function:*"),
    ("StringEquals", "aws:SourceOrgID", "o-a1b2c3d4e5"),
    ("ForAnyValue:StringLike", "aws:SourceOrgPaths", "o-a1b2c3d4e5/*"),
    ("StringEquals", "aws:SourceVpc", "vpc-0123456789abcdef0"),
    ("StringEquals", "aws:SourceVpce", "vpce-0123456789abcdef0"),
    ("IpAddress", "aws:SourceIp", "192.0.2.0/24"),
    ("IpAddress", "aws:SourceIp", "10.0.0.0/8"),
    ("IpAddress", "aws:SourceIp", "192.0.2.7"),
    ("IpAddress", "aws:SourceIp", "2001:db8::/32"),
    ("Bool", "aws:SecureTransport", "true"),
];

/// Keys that tell nothing about who calls, or that the caller chooses.
const EMPTY_KEYS: [&str; 13] = [
    "aws:PrincipalTag/team",
    "aws:PrincipalType",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalServiceName",
    "aws:RequestedRegion",
    "aws:SecureTransport",
    "aws:CurrentTime",
    "aws:Referer",
    "aws:UserAgent",
    "aws:userid",
    "aws:username",
    "aws:VpcSourceIp",
    "aws:CalledVia",
];

/// Values that look like something and are nothing much.
const EDGES: [&str; 57] = [
    "*",
    "?*",
    "**",
    "",
    "o-*",
    "o-??????????",
    "o-a1b2c3d4e5*",
    "o-a1b2c3d4e?",
    "*o-a1b2c3d4e5",
    "O-A1B2C3D4E5",
    "*/ou-ab12-11111111/*",
    "o-*/r-ab12/ou-ab12-11111111/*",
    "o-a1b2c3d4e5*/*",
    "o-a1b2c3d4e5?*",
    "?-a1b2c3d4e5/*",
    "44445555666?",
    "4444*",
    "*444455556666*",
    "????????????",
    "arn:*",
    "arn:aws:iam::*",
    "arn:aws:iam::*:role/deployer",
    "arn:aws:iam::44445555666?:role/deployer",
    "arn:aws:iam:*:444455556666:role/*",
    "arn:aws:*:444455556666:role/deployer",
    "arn:*:iam::444455556666:role/*",
    "*:iam::444455556666:role/deployer",
    "*444455556666:role/deployer",
    "arn:aws:iam:${aws:PrincipalTag/components}:444455556666:role/*",
    "arn:aws:iam::${aws:PrincipalAccount}:role/*",
    "arn:aws:${aws:PrincipalTag/x:444455556666:y}",
    "arn:aws:lambda:*:444455556666:*",
    "arn:aws:lambda:*:444455556666:function:*",
    "arn:aws:cloudwatch:*:444455556666:*",
    "arn:aws:cloudwatch:*:444455556666:alarm:*",
    "arn:aws:codebuild:*:*:project/app",
    "arn:aws:*:*:444455556666:*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::bucket",
    "${aws:PrincipalOrgID}",
    "${aws:PrincipalOrgID}/*",
    "${aws:PrincipalAccount}",
    "${aws:PrincipalTag/account}",
    "${aws:principalarn}",
    "${aws:SourceIp}",
    "${aws:PrincipalTag/none, '444455556666'}",
    "o-a1b2c3d4e5${*}",
    "vpc-*",
    "vpc-0123456789abcdef?",
    "vpce-*",
    "0.0.0.0/0",
    "::/0",
    "0.0.0.0/1",
    "202.0.0.0/7",
    "2001:db8::/31",
    "10.0.0.0/7",
    "2*",
];

/// What stands for something to a pattern, to be put into a good value.
const WILDCARDS: [&str; 6] = ["*", "?", "**", "${*}", "${aws:PrincipalTag/account}", "${aws:PrincipalAccount}"];

#[derive(Clone, Debug)]
struct Test {
    operator: String,
    key: String,
    values: Value,
}

fn a_statement_of_parts() -> impl Strategy<Value = (String, Value, Vec<Test>)> {
    let principal = prop_oneof![
        8 => Just(("Principal", json!("*"))),
        2 => Just(("Principal", json!({ "AWS": "*" }))),
        2 => Just(("Principal", json!({ "AWS": ["444455556666", "*"] }))),
        1 => Just(("Principal", json!({ "AWS": "arn:aws:iam::444455556666:root" }))),
        1 => Just(("Principal", json!({ "AWS": ["arn:aws:iam::444455556666:role/deployer"], "Service": "codebuild.amazonaws.com" }))),
        2 => Just(("Principal", json!({ "Service": ["codebuild.amazonaws.com", "lambda.amazonaws.com"] }))),
        1 => Just(("Principal", json!({ "Service": "lambda.amazonaws.com", "AWS": "*" }))),
        1 => Just(("NotPrincipal", json!({ "AWS": "444455556666" }))),
        1 => Just(("NotPrincipal", json!({ "Service": "lambda.amazonaws.com" }))),
    ];
    let tests = prop_oneof![
        3 => vec(a_good_test(), 1..3),
        4 => vec(a_near_miss(), 1),
        3 => vec(an_odd_test(), 1..3),
        2 => (a_good_test(), vec(an_odd_test(), 1..3)).prop_map(|(good, odd)| odd.into_iter().chain([good]).collect()),
        1 => Just(Vec::new()),
    ];
    (principal, tests).prop_map(|((element, principal), tests)| (element.to_owned(), principal, tests))
}

/// One statement, mostly an `Allow` for everyone under some condition.
pub(crate) fn a_statement() -> impl Strategy<Value = Value> {
    let effect = prop_oneof![20 => Just("Allow"), 1 => Just("Deny")];
    (effect, a_statement_of_parts()).prop_map(|(effect, (element, principal, tests))| {
        let mut condition = Map::new();
        for Test { operator, key, values } in tests {
            let keys = condition.entry(operator).or_insert_with(|| json!({}));
            keys.as_object_mut().map(|keys| keys.insert(key, values));
        }
        let mut statement = json!({ "Effect": effect, "Action": "ecr:*", "Condition": condition });
        statement.as_object_mut().map(|statement| statement.insert(element, principal));
        statement
    })
}

fn a_good_test() -> impl Strategy<Value = Test> {
    select(&GOOD[..]).prop_map(|(operator, key, value)| Test {
        operator: operator.to_owned(),
        key: key.to_owned(),
        values: json!(value),
    })
}

/// A good test but for one value, under an operator that knows wildcards.
fn a_near_miss() -> impl Strategy<Value = Test> {
    let mutation = (any::<prop::sample::Index>(), select(&WILDCARDS[..]), any::<bool>());
    let good = select(&GOOD[..]).prop_flat_map(|good| (Just(good), prop::option::of(a_value(good.2))));
    (good, mutation).prop_map(|(((operator, key, good), other), (at, wildcard, replaced))| Test {
        operator: operator.replace("EqualsIgnoreCase", "Like").replace("Equals", "Like"),
        key: key.to_owned(),
        values: other.map_or_else(|| json!(with_wildcard(good, at, wildcard, replaced)), |other| json!(other)),
    })
}

/// A good test in which the operator, the key or a value is another.
fn an_odd_test() -> impl Strategy<Value = Test> {
    let operator = prop_oneof![
        3 => Just(None),
        2 => an_operator(select(&POSITIVE[..])).prop_map(Some),
        2 => an_operator(select(&OTHER[..])).prop_map(Some),
    ];
    let key = prop_oneof![
        8 => Just(None),
        1 => select(&EMPTY_KEYS[..]).prop_map(Some),
        1 => select(&GOOD[..]).prop_map(|(_, key, _)| Some(key)),
    ];
    let mutation = prop::option::of((any::<prop::sample::Index>(), select(&WILDCARDS[..]), any::<bool>()));
    let good = select(&GOOD[..]).prop_flat_map(|good| (Just(good), vec(a_value(good.2), 1..3)));
    (good, operator, key, mutation).prop_map(|(((good_operator, good_key, _), values), operator, key, mutation)| {
        let mut values = values.into_iter().map(str::to_owned).collect::<Vec<_>>();
        if let (Some((at, wildcard, replaced)), Some(value)) = (mutation, values.first_mut()) {
            *value = with_wildcard(value, at, wildcard, replaced);
        }
        Test {
            operator: operator.unwrap_or_else(|| good_operator.to_owned()),
            key: key.unwrap_or(good_key).to_owned(),
            values: if let [value] = values.as_slice() { json!(value) } else { json!(values) },
        }
    })
}

fn an_operator(base: impl Strategy<Value = &'static str>) -> impl Strategy<Value = String> {
    let set = prop_oneof![4 => Just(""), 2 => Just("ForAnyValue:"), 1 => Just("ForAllValues:")];
    let suffix = prop_oneof![4 => Just(""), 1 => Just("IfExists")];
    (set, base, suffix).prop_map(|(set, base, suffix)| match base {
        "Null" => "Null".to_owned(),
        base => format!("{set}{base}{suffix}"),
    })
}

/// The value that the test has already, one that looks like it, or one that does not.
fn a_value(good: &'static str) -> impl Strategy<Value = &'static str> {
    let alike = EDGES.into_iter().filter(|edge| edge.starts_with(['*', '?', '$']) || edge.get(..1) == good.get(..1));
    prop_oneof![
        3 => Just(good),
        4 => select(alike.collect::<Vec<_>>()),
        1 => select(&EDGES[..]),
        1 => select(vec!["true", "false"]),
    ]
}

/// The value with a wildcard somewhere, in the place of a character or between two.
fn with_wildcard(value: &str, at: prop::sample::Index, wildcard: &str, replaced: bool) -> String {
    let at = at.index(value.chars().count() + 1);
    let before = value.chars().take(at);
    let after = value.chars().skip(at + usize::from(replaced));
    before.chain(wildcard.chars()).chain(after).collect()
}
