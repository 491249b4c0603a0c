//! Whatever policy is there, what is foreign in it stays, what is ours becomes what it should be, and once is enough.

#![no_main]

use ecr_autopolicy::{
    configuration::OnExistingPolicy,
    policy::{
        document::{Document, Statement},
        sameness::same,
        sid::SidPrefix,
    },
    reconcile::{Plan, reconcile},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

// The input is three lines: how to treat a foreign statement, the desired policy, and the current one.
fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let mode = match lines.next() {
        Some("skip") => OnExistingPolicy::Skip,
        Some("replace") => OnExistingPolicy::Replace,
        _ => OnExistingPolicy::Merge,
    };
    let desired = lines.next().and_then(|line| Document::parse(line).ok()).map(named).unwrap_or_default();
    let current = lines.next().and_then(|line| Document::parse(line).ok());

    let prefix = SidPrefix::default();
    let before = foreign(current.as_ref());
    let Ok(plan) = reconcile(&desired, current.as_ref(), mode, &prefix) else { return };
    let after = match plan {
        Plan::Set(document) => Some(document),
        Plan::Delete => None,
        Plan::Leave(_) => current,
    };
    if mode != OnExistingPolicy::Replace || desired.is_empty() {
        assert_eq!(foreign(after.as_ref()), before);
    }

    // ECR hands a policy back in its own words.
    let reread = after.as_ref().map(|document| Document::parse(&pretty(document)).expect("a policy document"));
    if let (Some(after), Some(reread)) = (&after, &reread) {
        assert!(same(after, reread) && same(reread, after));
    }
    let again = reconcile(&desired, reread.as_ref(), mode, &prefix);
    assert!(matches!(again, Ok(Plan::Leave(_))), "{again:?}");
});

fn named(document: Document) -> Vec<Statement> {
    let statements = document.statements.iter().enumerate();
    statements.map(|(index, statement)| statement.with_sid(format!("AutoPolicyStatement{index}"))).collect()
}

fn pretty(document: &Document) -> String {
    serde_json::to_string_pretty(&document.to_value()).expect("JSON")
}

/// The foreign statements to the letter, in their order.
fn foreign(document: Option<&Document>) -> Vec<String> {
    let statements = document.into_iter().flat_map(|document| &document.statements);
    let foreign = statements.filter(|statement| !statement.sid().is_some_and(|sid| sid.starts_with("AutoPolicy")));
    foreign.map(|statement| Value::Object(statement.elements().clone()).to_string()).collect()
}
