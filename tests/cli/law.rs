//! Whatever the policies and whatever the configuration: what was planned and applied leaves nothing to plan.

use std::collections::BTreeSet;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::Value;

use crate::{
    configurations::a_configuration,
    documents::a_document,
    stage::{Ran, Stage},
};

/// Names that the rules tell apart.
const NAMES: [&str; 6] = ["00", "app", "ci-cache/a", "ci-cache/a/app", "team/app", "team/web"];

/// The policies that the repositories have: statements of ours, current and outdated ones, and of others.
fn some_policies() -> impl Strategy<Value = Vec<Option<Value>>> {
    let sid = select(vec!["AutoPolicyAllowPull", "AutoPolicyAAllowPush", "AutoPolicyAbStatement1", "Partner", "Other"]);
    vec(option::weighted(0.8, a_document(sid.prop_map(str::to_owned))), NAMES.len())
}

/// The repositories with one of these outcomes.
fn with_outcome(ran: &Ran, outcomes: &[&str]) -> BTreeSet<String> {
    let all = ran.json()["repositories"].as_array().unwrap().clone();
    let found = all.iter().filter(|entry| outcomes.iter().any(|outcome| entry["outcome"] == *outcome));
    found.map(|entry| entry["repository"].as_str().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_that_was_applied_leaves_nothing_to_plan(configuration in a_configuration(), policies in some_policies()) {
        let mut stage = Stage::new().file("any.json", &configuration.to_string());
        for (name, policy) in NAMES.into_iter().zip(policies) {
            stage = stage.document(name, policy.as_ref());
        }
        let plan = stage.run("plan any.json --save any.plan --output json");
        // Half of the configurations that are made up have mistakes, and then there is nothing to apply.
        prop_assume!(!plan.stdout.is_empty());
        prop_assert!(plan.written().is_empty());

        let applied = stage.run("apply --plan any.plan --yes --output json");
        let tried = with_outcome(&plan, &["applied", "removed"]);
        let refused = with_outcome(&applied, &["failed"]);
        prop_assert_eq!(applied.end.as_str(), if refused.is_empty() { "exit 0" } else { "exit 1" });
        prop_assert_eq!(applied.written().len(), tried.len());

        let again = stage.run("plan any.json --output json");
        prop_assert_eq!(with_outcome(&again, &["applied", "removed"]), refused, "{}", configuration);
        prop_assert_eq!(with_outcome(&again, &["skipped", "failed"]), with_outcome(&plan, &["skipped", "failed"]));
    }
}
