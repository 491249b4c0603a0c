//! What can be said of a configuration only once its policies are rendered.

use std::collections::{BTreeMap, BTreeSet};

use super::{Configuration, Grant, Rule, rule::given};
use crate::{
    finding::{Finding, Place},
    policy::{
        document::Statement,
        exposure::{self, Exposure},
        grammar, privilege,
        sameness::Meaning,
        sid::SidPrefix,
        variables, wildcard,
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
    let mut rendered = Vec::new();
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
            found.extend(power(rule, &statements, &sample));
            if found.iter().all(|finding| !finding.is_error()) {
                rendered.push((rule, statements));
            }
        }
        findings.extend(found);
    }
    findings.extend(configuration.rules.iter().filter_map(matches_nothing));
    findings.extend(pointless(&rendered));
    findings
}

/// Statements by which others could change the policy or delete the repository.
fn power(rule: &Rule, statements: &[Statement], sample: &Repository) -> Vec<Finding> {
    let findings = statements.iter().enumerate().filter_map(|(index, statement)| {
        let action = privilege::power_of_others(statement, sample.registry().id())?;
        let message = format!("others than the registry's own account get `{action}`");
        let hint =
            "that is power over the repository itself; write an access level such as `PullPush`, or single actions";
        Some(Finding::warning(&statement_place(rule, index), message).hint(hint))
    });
    findings.collect()
}

/// A rule whose exceptions leave nothing of its repositories.
fn matches_nothing(rule: &Rule) -> Option<Finding> {
    let excepted = |pattern: &String| rule.except.iter().any(|except| wildcard::covers(except, pattern));
    rule.repositories.iter().all(excepted).then(|| {
        Finding::warning(
            &rule.place,
            "the rule matches no repository: `except` takes away all that `repositories` names",
        )
        .hint("narrow `except`, or take the rule away")
    })
}

/// Rules that add nothing to what another one gives to the same repositories.
fn pointless(rendered: &[(&Rule, Vec<Statement>)]) -> Vec<Finding> {
    let says = |statements: &[Statement]| statements.iter().map(Meaning::of).collect::<BTreeSet<_>>();
    let mut findings = Vec::new();
    for (index, (rule, statements)) in rendered.iter().enumerate() {
        let meaning = says(statements);
        let wider = rendered.iter().enumerate().find(|(other_index, (other, others))| {
            let same_repositories = other.is_wider_than(rule);
            // Of two equal rules, the later one is pointless.
            let first = !rule.is_wider_than(other) || *other_index < index;
            *other_index != index && same_repositories && first && meaning.is_subset(&says(others))
        });
        if let Some((_, (other, _))) = wider {
            let message = format!("the rule adds nothing to the one at {}", other.place);
            findings.push(Finding::warning(&rule.place, message).hint("take it away"));
        }
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
pub(super) fn sample() -> Option<Repository> {
    Repository::new(Registry::new("111122223333", "us-east-1").ok()?, "sample/repository").ok()
}
