//! What fits: the value into its parameter, the policies into ECR.

use super::Configuration;
use crate::{
    finding::{Finding, Place},
    policy::{
        document::{Document, POLICY_TEXT_LIMIT, Statement},
        sid::SidPrefix,
    },
    repository::{Registry, Repository},
};

/// Characters that a parameter's value may have (Parameter Store, managing parameter tiers).
const STANDARD_TIER: usize = 4_096;
const ADVANCED_TIER: usize = 8_192;

const SMALLER: &str = "let the template `organization` or `organization-ou` name whole organizations or units";

/// Whether the value fits into a parameter, and of which tier.
pub(super) fn of_value(text: &str) -> Option<Finding> {
    let size = text.chars().count();
    let place = Place::root();
    if size > ADVANCED_TIER {
        let message = format!("the value has {size} characters, and a parameter holds {ADVANCED_TIER} at the most");
        return Some(Finding::error(&place, message).hint(format!("minify it, or {SMALLER}")));
    }
    let message =
        format!("the value has {size} characters, and a parameter of the standard tier holds {STANDARD_TIER}");
    let hint = format!("give it the tier `Advanced` or `Intelligent-Tiering`, minify it, or {SMALLER}");
    (size > STANDARD_TIER).then(|| Finding::warning(&place, message).hint(hint))
}

/// Policies that no repository could have, whatever else it holds.
pub(super) fn of_policies(configuration: &Configuration, prefix: &SidPrefix, registry: &Registry) -> Vec<Finding> {
    let sample = Repository::sample(registry);
    let mut findings = Vec::new();
    let mut for_all = Vec::new();
    for rule in &configuration.rules {
        let Ok(statements) = rule.statements(&sample, prefix) else { continue };
        findings.extend(too_large(&rule.place, "the rule's policy", &statements));
        if rule.is_for_all() {
            for_all.extend(statements);
        }
    }
    if findings.is_empty() {
        findings.extend(too_large(&Place::root().key("rules"), "the policy that every repository gets", &for_all));
    }
    findings
}

fn too_large(place: &Place, what: &str, statements: &[Statement]) -> Option<Finding> {
    let version = Some(Document::VERSION.to_owned());
    let size = Document { version, id: None, statements: statements.to_vec() }.to_text().chars().count();
    let message = format!("{what} has {size} characters, and ECR takes {POLICY_TEXT_LIMIT}");
    let hint = format!("name fewer principals, or {SMALLER}");
    (size > POLICY_TEXT_LIMIT).then(|| Finding::error(place, message).hint(hint))
}
