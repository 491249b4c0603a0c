//! Whatever stands in the parameter, it is read or refused.

use ecr_autopolicy::{configuration::Configuration, policy::sid::SidPrefix, repository::Registry};
use proptest::{prelude::*, sample::select};

use crate::{
    CASES,
    configurations::a_configuration,
    json::{any_json, mutated},
};

const WORDS: &[&str] = &[
    "rules",
    "name",
    "repositories",
    "except",
    "tags",
    "template",
    "with",
    "policy",
    "on_existing_policy",
    "allow_public",
    "merge",
    "organization",
    "account-list",
    "accounts",
    "org_ids",
    "access",
    "Pull",
    "444455556666",
    "o-a1b2c3d4e5",
    "Version",
    "2012-10-17",
    "Id",
    "Statement",
    "Sid",
    "Effect",
    "Allow",
    "Principal",
    "NotPrincipal",
    "AWS",
    "Service",
    "Action",
    "Condition",
    "Resource",
    "*",
    "ecr:*",
    "StringLike",
    "ForAllValues:StringEqualsIfExists",
    "IpAddress",
    "aws:PrincipalOrgID",
    "aws:SourceIp",
    "0.0.0.0/0",
    "${registry_id}",
    "${",
    "${}",
    "${x}",
];

fn a_number() -> impl Strategy<Value = String> {
    select(vec!["1e999999999", "-0.0", "123456789012345678901234567890", "1E-400", "00", "0x1", "-"])
        .prop_map(str::to_owned)
}

/// Something within itself, up to far beyond what a parser follows.
fn nested() -> impl Strategy<Value = String> {
    let shell =
        select(vec![("[", "]"), (r#"{"rules":["#, "]}"), (r#"{"policy":{"Statement":"#, "}}"), (r#"{"a":"#, "}")]);
    (shell, 0..5_000_usize, a_number())
        .prop_map(|((open, close), depth, inner)| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth)))
}

/// A valid text with some of its characters taken away, put in, or said twice.
fn broken() -> impl Strategy<Value = String> {
    let index = any::<prop::sample::Index>;
    let text = prop_oneof![any::<String>(), a_number(), select(WORDS).prop_map(str::to_owned), Just("\"".to_owned())];
    (a_configuration(), any::<bool>(), index(), index(), text).prop_map(|(valid, pretty, from, to, text)| {
        let valid = if pretty { format!("{valid:#}") } else { valid.to_string() };
        let characters = valid.chars().collect::<Vec<_>>();
        let (from, to) = (from.index(characters.len() + 1), to.index(characters.len() + 1));
        let before = characters.iter().take(from).collect::<String>();
        let after = characters.iter().skip(to).collect::<String>();
        format!("{before}{text}{after}")
    })
}

/// A valid configuration in which one part is something else, or missing.
fn odd() -> impl Strategy<Value = String> {
    (a_configuration(), any::<prop::sample::Index>(), prop::option::of(any_json(WORDS)))
        .prop_map(|(valid, at, part)| mutated(&valid, at, part).to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn no_text_is_too_much(
        text in prop_oneof![
            1 => any::<String>(),
            1 => nested(),
            3 => broken(),
            3 => odd(),
            2 => any_json(WORDS).prop_map(|value| value.to_string()),
        ],
    ) {
        let prefix = SidPrefix::default();
        let (_, findings) = Configuration::examine(&text, &prefix, &Registry::sample());
        let refused = Configuration::parse(&text, &prefix, &Registry::sample()).is_err();
        prop_assert!(!refused || findings.has_errors());
        for finding in &findings.0 {
            prop_assert!(!finding.message.is_empty() && finding.to_string().starts_with(&finding.severity.to_string()));
        }
    }
}
