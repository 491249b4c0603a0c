//! What a valid configuration renders to can be written, is ours, and opens nothing.

use std::collections::BTreeSet;

use ecr_autopolicy::repository::Registry;
use ecr_autopolicy::{
    configuration::{Configuration, Desired, Tags},
    finding::{Place, Severity},
    policy::{
        document::{Document, Statement},
        exposure::{Exposure, exposure},
        grammar,
        sid::SidPrefix,
    },
};
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use serde_json::Value;

use crate::{
    CASES, a_repository,
    configurations::{a_configuration, a_grant_by_template},
};

fn read(configuration: &Value, prefix: &SidPrefix) -> Option<Configuration> {
    Configuration::parse(&configuration.to_string(), prefix, &Registry::sample())
        .ok()
        .map(|(configuration, _)| configuration)
}

fn a_prefix() -> impl Strategy<Value = SidPrefix> {
    select(vec!["AutoPolicy", "Abc", "Stack2"]).prop_filter_map("a prefix", |text| SidPrefix::new(text).ok())
}

fn some_tags() -> impl Strategy<Value = Tags> {
    let tags =
        |tags: &[(&str, &str)]| tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    select(vec![tags(&[]), tags(&[("team", "payments"), ("stage", "prod")])])
}

fn document(desired: &Desired) -> Value {
    let version = Some(Document::VERSION.to_owned());
    Document { version, id: None, statements: desired.statements.clone() }.to_value()
}

/// The variables that stand in the text, by name.
fn variables(text: &str) -> Vec<&str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn what_is_rendered_can_be_written(
        configuration in a_configuration(),
        repository in a_repository(),
        tags in some_tags(),
        prefix in a_prefix(),
    ) {
        let Some(valid) = read(&configuration, &prefix) else { return Ok(()) };
        // Where a rule cannot be rendered for this very repository, nothing is written.
        let Ok(desired) = valid.desired(&repository, &tags, &prefix) else { return Ok(()) };
        if desired.statements.is_empty() {
            return Ok(());
        }
        let policy = document(&desired);
        let mut findings = grammar::check(&policy, &Place::root());
        findings.retain(|finding| finding.severity == Severity::Error);
        prop_assert_eq!(findings, Vec::new(), "{} for {}", configuration, repository);

        let sids = desired.statements.iter().filter_map(Statement::sid).collect::<BTreeSet<_>>();
        prop_assert_eq!(sids.len(), desired.statements.len(), "an id stands twice: {} for {}", configuration, repository);
        prop_assert!(sids.iter().all(|sid| prefix.owns(sid)), "{}", policy);

        let text = policy.to_string();
        let iams_own = |name: &str| name.contains(':') || ["*", "?", "$"].contains(&name);
        prop_assert!(variables(&text).into_iter().all(iams_own), "{}", text);

        let public = desired.statements.iter().any(|statement| matches!(exposure(statement), Exposure::Public(_)));
        prop_assert!(valid.allow_public || !public, "{} for {}", configuration, repository);
    }

    #[test]
    fn every_template_with_values_of_the_right_kinds_renders_for_every_repository(
        grant in a_grant_by_template(),
        repository in a_repository(),
    ) {
        let prefix = SidPrefix::default();
        let mut configuration = grant;
        if configuration.get("template").and_then(Value::as_str) == Some("public-pull") {
            prop_assert!(read(&configuration, &prefix).is_none());
            configuration.as_object_mut().map(|map| map.insert("allow_public".to_owned(), Value::Bool(true)));
        }
        let (valid, _) = Configuration::parse(&configuration.to_string(), &prefix, &Registry::sample())
            .map_err(|findings| TestCaseError::fail(format!("{configuration}: {findings}")))?;
        let desired = valid.desired(&repository, &Tags::new(), &prefix);
        prop_assert_eq!(desired.map(|desired| desired.statements.len()), Ok(1));
    }
}

/// The laws would prove nothing if most of what is made were refused, or rendered to nothing.
#[test]
fn most_configurations_are_valid_and_render_to_something() {
    let mut runner = TestRunner::deterministic();
    let prefix = SidPrefix::default();
    let (mut valid, mut written) = (0, 0);
    for _ in 0..1_000 {
        let (configuration, repository) = (a_configuration(), a_repository()).new_tree(&mut runner).unwrap().current();
        let Some(configuration) = read(&configuration, &prefix) else { continue };
        valid += 1;
        let desired = configuration.desired(&repository, &Tags::new(), &prefix);
        written += usize::from(desired.is_ok_and(|desired| !desired.statements.is_empty()));
    }
    assert!(valid > 500 && written > 300, "{valid} are valid, {written} are written");
}
