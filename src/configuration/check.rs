//! What can be said of a configuration only once its policies are rendered.

use std::collections::BTreeMap;

use super::{Configuration, Grant, Rule, rule::given};
use crate::{
    finding::{Finding, Place},
    policy::{
        document::Statement,
        exposure::{self, Exposure},
        grammar,
        sid::SidPrefix,
        variables,
    },
    repository::{Registry, Repository},
};

/// Every finding about what the rules would write.
///
/// No template is trusted by its name: the checks read what it renders to.
pub(super) fn check(configuration: &Configuration, prefix: &SidPrefix) -> Vec<Finding> {
    let Some(sample) = sample() else { return Vec::new() };
    let mut findings = Vec::new();
    let mut sids: BTreeMap<String, Place> = BTreeMap::new();
    for rule in &configuration.rules {
        let mut found = variables_of(rule, &sample);
        if let (true, Ok(policy)) = (found.is_empty(), rule.render(&sample)) {
            found.extend(grammar::check(&policy, &rule.place));
        }
        if let (false, Ok(statements)) = (found.iter().any(Finding::is_error), rule.statements(&sample, prefix)) {
            for (index, sid) in statements.iter().filter_map(Statement::sid).enumerate() {
                let place = statement_place(rule, index);
                if let Some(earlier) = sids.get(sid) {
                    found.push(
                        Finding::error(&place, format!("the statement id `{sid}` stands at {earlier} already"))
                            .hint("change the statement's `Sid` or the rule's `name`"),
                    );
                } else {
                    sids.insert(sid.to_owned(), place);
                }
            }
            let allowed = configuration.allow_public;
            found.extend(exposure(rule, &statements).into_iter().filter(|finding| !(allowed && finding.is_error())));
        }
        findings.extend(found);
    }
    findings
}

/// Whom the rendered statements of a rule reach beyond the principals that they name.
pub(super) fn exposure(rule: &Rule, statements: &[Statement]) -> Vec<Finding> {
    let findings = statements.iter().enumerate().filter_map(|(index, statement)| {
        let place = statement_place(rule, index);
        match exposure::exposure(statement) {
            Exposure::Narrow => None,
            Exposure::Public(reasons) => {
                let why = reasons.iter().map(|reason| format!(" ({reason})")).collect::<String>();
                Some(
                    Finding::error(&place, format!("the statement opens the repository to everyone in the world{why}")).hint(
                        "narrow it with a condition such as `aws:PrincipalOrgID`, or add `\"allow_public\": true` if you mean it",
                    ),
                )
            }
            Exposure::AnyoneThrough(service) => Some(
                Finding::warning(&place, format!("anyone's `{service}` may do this, since no account is named for which it acts"))
                    .hint("add a condition on `aws:SourceAccount`"),
            ),
        }
    });
    findings.collect()
}

fn variables_of(rule: &Rule, sample: &Repository) -> Vec<Finding> {
    match &rule.grant {
        Grant::Template { template, with } => {
            variables::check(&template.policy, &with.clone().or(given(sample)), &rule.place)
        }
        Grant::Policy(policy) => variables::check(policy, &given(sample), &rule.place),
    }
}

/// A template's statements do not stand in the configuration, so the template's name has to do.
fn statement_place(rule: &Rule, index: usize) -> Place {
    match &rule.grant {
        Grant::Template { .. } => rule.place.clone(),
        Grant::Policy(_) => rule.place.key("Statement").index(index),
    }
}

/// A repository to render for where no real one is at hand: what the rules say of it holds for every other.
fn sample() -> Option<Repository> {
    Repository::new(Registry::new("111122223333", "us-east-1").ok()?, "sample/repository").ok()
}
