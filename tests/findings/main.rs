//! Every finding that a user can meet, in one snapshot to be read from top to bottom.

mod cases;
mod schema;

use cases::CASES;
use ecr_autopolicy::{configuration::Configuration, policy::sid::SidPrefix, repository::Registry};

/// Configurations that are too large to be written out above.
fn large_ones() -> [(&'static str, String); 3] {
    let accounts = |count: usize| {
        let accounts = (0..count).map(|number| format!("\"{:012}\"", 100_000_000_000 + number)).collect::<Vec<_>>();
        format!("[{}]", accounts.join(","))
    };
    let rule = |name: &str, template: &str, variable: &str, count: usize| {
        format!(r#"{{"name":"{name}","template":"{template}","with":{{"{variable}":{}}}}}"#, accounts(count))
    };
    [
        ("a value for another tier", rule("A", "account-list", "accounts", 300)),
        ("a value and a policy that fit nowhere", rule("A", "lambda-service", "accounts", 700)),
        (
            "rules that do not fit together",
            format!(
                r#"{{"rules":[{},{}]}}"#,
                rule("A", "lambda-service", "accounts", 170),
                rule("B", "lambda-service", "accounts", 169)
            ),
        ),
    ]
}

#[test]
fn every_finding_reads_well() {
    let cases = CASES.iter().map(|(title, text)| (*title, (*text).to_owned())).chain(large_ones());
    let read = cases.map(|(title, text)| {
        let (_, findings) = Configuration::examine(&text, &SidPrefix::default(), &Registry::sample());
        assert!(!findings.0.is_empty(), "{title}: nothing is found");
        let text = if text.len() > 2_000 { format!("({} characters)", text.len()) } else { text };
        format!("## {title}\n\n{text}\n\n{findings}\n")
    });
    insta::assert_snapshot!(read.collect::<Vec<_>>().join("\n"));
}
